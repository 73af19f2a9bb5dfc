"""Energy of computing: from the processor's own counter where it can be read, else modelled, and then said to be.

The counter is RAPL's, of the whole package: it counts what other programs do meanwhile as well. Where it cannot be
read, as in most virtual machines, time is multiplied by the power of one busy core with its share of the package.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Literal

COUNTER = Path("/sys/class/powercap/intel-rapl:0")
#: Power of one busy core, W: typical, lowest, highest. Rough figures: 15 W for 4 cores of a fanless board up to 280 W
#: for 24 of a workstation.
CORE_W = (8.0, 3.5, 12.0)


@dataclass(frozen=True)
class Energy:
    """Joules: typical, lowest and highest (all the same where measured), and how they were found."""

    joules: float
    low: float
    high: float
    how: Literal["measured", "modelled"]

    def per(self, units: float) -> "Energy":
        """The energy of one of so many units."""
        return Energy(self.joules / units, self.low / units, self.high / units, self.how)


def energy_of(work: Callable[[], object], counter: Path = COUNTER) -> tuple[float, Energy]:
    """Seconds and energy of one piece of work on one thread."""
    before, start = _read(counter), perf_counter()
    work()
    seconds, after = perf_counter() - start, _read(counter)
    if before is None or after is None:
        return seconds, modelled(seconds)
    largest = int((counter / "max_energy_range_uj").read_text())
    joules = ((after - before) % largest) / 1e6  # the counter starts anew when it is full
    return seconds, Energy(joules, joules, joules, "measured")


def modelled(seconds: float) -> Energy:
    """The energy of so many seconds of one busy core."""
    typical, low, high = (watts * seconds for watts in CORE_W)
    return Energy(typical, low, high, "modelled")


def _read(counter: Path) -> int | None:
    try:
        return int((counter / "energy_uj").read_text())
    except (OSError, ValueError):
        return None
