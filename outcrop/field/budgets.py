"""The energy budget of mapping: sensors and computing, for one square kilometre; and when training has paid for itself.

E = sum over sensors (power x time over the ground) + computing. How long a sensor is over a square kilometre depends
on what carries it, so one has to say how much ground is covered an hour. Most of the budget is the sensors': what a
student saves in computing is told apart from what it saves by leaving sensors at home.
"""

from dataclasses import asdict, dataclass
from typing import Any

from outcrop.field.burdens import Burden
from outcrop.field.energy import Energy, modelled
from outcrop.field.sensor_costs import RungCost

SECONDS, SQUARE_KM = 3600.0, 1e6


@dataclass(frozen=True)
class Budget:
    """Joules for a square kilometre: computing alone, and with the sensors (None where their power is not known)."""

    burden: Burden
    sensors_w: float | None
    computing: Energy
    sensing: Energy | None

    @property
    def whole(self) -> Energy | None:
        """Sensors and computing."""
        if self.sensing is None:
            return None
        one, other = self.computing, self.sensing
        return Energy(one.joules + other.joules, one.low + other.low, one.high + other.high, "modelled")

    def as_data(self) -> dict[str, Any]:
        """Plain values."""
        whole = self.whole
        return {
            **asdict(self.burden),
            "sensors_w": self.sensors_w,
            "computing_j_per_km2": asdict(self.computing),
            "sensing_j_per_km2": asdict(self.sensing) if self.sensing else None,
            "whole_j_per_km2": asdict(whole) if whole else None,
        }


def budget_of(burden: Burden, cost: RungCost, cell_m: float, km2_per_hour: float) -> Budget:
    """The budget of a contender that sees the sensors of ``cost`` and maps cells of ``cell_m`` metres a side."""
    cells = SQUARE_KM / cell_m**2
    computing = burden.cell.per(1 / cells)
    if cost.power_w is None:
        return Budget(burden, None, computing, None)
    seconds = SECONDS / km2_per_hour
    power = cost.power_w
    sensing = Energy(power.typical * seconds, power.low * seconds, power.high * seconds, "modelled")
    return Budget(burden, power.typical, computing, sensing)


def break_even(student: Energy, teacher: Energy, training_seconds: float) -> float | None:
    """Scenes after which the energy of training a student is saved; None where it saves nothing.

    ``student`` and ``teacher`` are what one scene takes.
    """
    saved = teacher.joules - student.joules
    return modelled(training_seconds).joules / saved if saved > 0 else None
