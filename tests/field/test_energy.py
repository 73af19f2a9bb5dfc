"""Energy is read from the counter where there is one, and otherwise said to be modelled."""

from pathlib import Path

import pytest

from outcrop.field.budgets import break_even, budget_of
from outcrop.field.burdens import Burden
from outcrop.field.energy import CORE_W, Energy, energy_of, modelled
from outcrop.field.sensor_costs import rung_cost


@pytest.fixture
def counter(tmp_path: Path) -> Path:
    (tmp_path / "max_energy_range_uj").write_text("10000000\n")
    (tmp_path / "energy_uj").write_text("9000000\n")
    return tmp_path


@pytest.mark.parametrize(("after", "joules"), [(9_500_000, 0.5), (2_000_000, 3.0)])
def test_the_counter_is_read_also_when_it_starts_anew(after: int, joules: float, counter: Path) -> None:
    _, energy = energy_of(lambda: (counter / "energy_uj").write_text(str(after)), counter)
    assert energy == Energy(joules, joules, joules, "measured")


def test_without_a_counter_energy_is_modelled(tmp_path: Path) -> None:
    seconds, energy = energy_of(lambda: None, tmp_path / "none")
    assert energy.how == "modelled" and energy.joules == pytest.approx(CORE_W[0] * seconds)
    assert energy.low < energy.joules < energy.high


def burden(joules: float) -> Burden:
    return Burden("model", 1, 1, 1, 1e5, 1e6, 100, 1, Energy(joules, joules / 2, 2 * joules, "modelled"))


def test_a_budget_adds_sensors_and_computing() -> None:
    budget = budget_of(burden(1e-3), rung_cost(["rgb", "thermal"]), cell_m=2.0, km2_per_hour=0.5)
    assert budget.computing.joules == pytest.approx(250)  # 250,000 cells of 4 m2
    assert budget.whole is not None and budget.sensors_w == pytest.approx(16.8)
    assert budget.whole.joules == pytest.approx(250 + 16.8 * 7200)
    assert budget.whole.low == pytest.approx(125 + (3.5 + 1.5) * 7200)


def test_of_a_sensor_that_nobody_knows_only_computing_is_told() -> None:
    budget = budget_of(burden(1e-3), rung_cost(["rgb", "sniffer"]), cell_m=2.0, km2_per_hour=0.5)
    assert budget.sensing is None and budget.whole is None and budget.as_data()["whole_j_per_km2"] is None


def test_training_is_paid_for_once_its_energy_is_saved() -> None:
    cheap, dear = modelled(1.0), modelled(11.0)
    assert break_even(cheap, dear, training_seconds=100) == pytest.approx(10)
    assert break_even(dear, cheap, training_seconds=100) is None
