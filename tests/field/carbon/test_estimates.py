"""Estimates against known truth: fractions behind a map that errs, masses by hand, and shares of the variance."""

import numpy as np
import pytest

from outcrop.errors import OutcropError
from outcrop.field.carbon.estimates import check_given, estimate, variance_shares
from outcrop.field.carbon.fractions import Confusion, confusion_of, draw_fractions, read_confusion
from outcrop.field.carbon.potentials import Pathway
from outcrop.field.carbon.profiles import load_profile
from outcrop.field.carbon.quantities import Quantity, parse_given
from outcrop.field.carbon.uptake import PARTS, Given

CLASSES = ("olivine", "calcite", "vegetation")
RATES = np.array([[0.7, 0.2, 0.1], [0.05, 0.9, 0.05], [0.1, 0.1, 0.8]])
PERFECT = Confusion(CLASSES, np.eye(3) * 1e6, 3e6)


def given(**quantities: float) -> Given:
    return Given(
        Pathway.carbonation,
        **{name: Quantity(value=value, sd=0, unit="1", source="test") for name, value in quantities.items()},
    )


def test_fractions_behind_a_map_that_errs_are_found() -> None:
    truth = np.array([0.2, 0.5, 0.3])
    mapped = np.rint(1e6 * truth @ RATES).astype(int)
    drawn = draw_fractions(mapped, Confusion(CLASSES, 2000 * RATES, 6000), np.random.default_rng(1), 500)
    assert drawn.sum(axis=1) == pytest.approx(1)
    assert drawn.mean(axis=0) == pytest.approx(truth, abs=0.02)
    assert (np.abs(drawn.mean(axis=0) - truth) < 4 * drawn.std(axis=0)).all()


def test_intervals_of_fractions_hold_the_truth_as_often_as_they_say() -> None:
    """The test cells and the mapped cells are drawn anew each time, so both uncertainties are there."""
    rng, held = np.random.default_rng(2), []
    for _ in range(80):
        truth = rng.dirichlet([2, 2, 2])
        tested = np.array([rng.multinomial(60, row) for row in RATES])
        cells = rng.multinomial(1500, truth)
        mapped = sum(rng.multinomial(count, row) for count, row in zip(cells, RATES, strict=True))
        drawn = draw_fractions(mapped, Confusion(CLASSES, tested, 180), rng, 100)
        low, high = np.percentile(drawn[:, 0], [5, 95])
        held.append(low <= cells[0] / 1500 <= high)
    assert np.mean(held) >= 0.83


def test_cells_that_err_together_count_for_less() -> None:
    confusion, mapped = 100 * RATES, np.array([500, 300, 200])
    spreads = [
        draw_fractions(mapped, Confusion(CLASSES, confusion, effective), np.random.default_rng(3), 400).std(axis=0)
        for effective in (300, 30)
    ]
    assert (spreads[1] > 1.5 * spreads[0]).all()
    metrics = {"confusion": confusion, "overall_accuracy": 0.8, "blocks": 20}
    alone = 1.959964 * np.sqrt(0.8 * 0.2 / 300)
    for wider in (1, 3):
        metrics["interval"] = {"overall_accuracy": [0.8 - wider * alone, 0.8 + wider * alone]}
        assert confusion_of(metrics, CLASSES).effective == pytest.approx(300 / wider**2)


def test_a_capacity_is_area_depth_density_and_stoichiometry() -> None:
    profile = load_profile("capacity")
    assert profile.composition is not None
    pure = profile.model_copy(
        update={
            "composition": profile.composition.model_copy(
                update={"rocks": {"olivine": {"forsterite": 1.0}, "calcite": {"calcite": 1.0}, "vegetation": {}}}
            )
        }
    )
    mapped = np.array([4000, 3000, 3000])
    found = estimate(pure, given(depth=0.5, porosity=0.2), PERFECT, mapped, 100.0, seed=1)
    tonnes = 400_000 * 0.5 * 0.8 * 3.22
    assert found.naive == pytest.approx(tonnes * 0.6256, rel=1e-3)
    assert found.gross.p5 < found.naive < found.gross.p95
    assert found.gross.p50 == pytest.approx(found.naive, rel=0.02)
    assert found.areas["olivine"].p50 == pytest.approx(0.4, abs=0.01) and found.mapped["olivine"] == 0.4


def test_spread_rock_is_accounted_for_by_its_mass_losses_and_emissions() -> None:
    profile = load_profile("capacity")
    spread = given(application=50, losses=0.1, emissions=0.05)
    spread = Given(Pathway.weathering, feedstock=("olivine",), **spread.quantities)
    found = estimate(profile, spread, PERFECT, np.array([4000, 3000, 3000]), 100.0, seed=1)
    assert found.rock is not None and found.rock.p50 == pytest.approx(2000, rel=0.01)  # 40 ha
    assert found.net is not None
    assert found.net.p50 == pytest.approx(0.9 * found.gross.p50 - 100, rel=0.02)


def test_a_rate_never_binds_more_than_the_capacity() -> None:
    spread = {"application": 50.0}
    conditions = {"grain": 5.0, "temperature": 25.0, "ph": 5.0}
    year, capacity = (
        estimate(
            load_profile(name),
            Given(Pathway.weathering, feedstock=("olivine",), years=1, **given(**spread, **extra).quantities),
            PERFECT,
            np.array([100, 0, 0]),
            100.0,
            seed=1,
        )
        for name, extra in (("rate", conditions), ("capacity", {}))
    )
    assert 0 < year.gross.p50 < capacity.gross.p95
    assert year.variance["kinetics"] == max(year.variance.values())


def test_the_legacy_index_is_never_in_tonnes() -> None:
    profile = load_profile("legacy")
    found = estimate(profile, Given(Pathway.carbonation), PERFECT, np.array([50, 30, 20]), 100.0, seed=1)
    assert found.naive == pytest.approx(0.5 * 0.85)
    assert found.rock is None and found.area_m2 is None and found.net is None
    with pytest.raises(OutcropError, match="an index knows no depth"):
        check_given(profile, given(depth=1))


def test_shares_of_the_variance_are_those_of_a_sum() -> None:
    rng = np.random.default_rng(5)

    def draw() -> dict[str, np.ndarray]:
        return {
            "areas": rng.normal(5, 3, 20_000),
            PARTS["density"][0]: rng.normal(2, 1, 20_000),
            "depth": np.ones(20_000),
        }

    shares = variance_shares(lambda inputs: inputs["areas"] + inputs["density"] + inputs["depth"], draw(), draw())
    assert shares == pytest.approx({"areas": 0.9, "density": 0.1}, abs=0.02)


GIVEN = {
    "depth missing": ("capacity", given(), "neither depth nor application rate"),
    "both": ("capacity", given(depth=1, application=1), "both depth"),
    "no feedstock": ("capacity", given(application=50), "which classes were spread"),
    "losses alone": ("capacity", given(depth=1, losses=0.1), "belong together"),
    "no grain": ("rate", given(depth=1, temperature=10, ph=6), "a rate needs the grain"),
    "needless ph": ("capacity", given(depth=1, ph=6), "a capacity knows no ph"),
}


@pytest.mark.parametrize("case", GIVEN)
def test_what_was_not_given_is_told(case: str) -> None:
    name, told, sentence = GIVEN[case]
    with pytest.raises(OutcropError, match=sentence):
        check_given(load_profile(name), told)


IMPOSSIBLE = {"-1": 9, "1,5": 9, "1+-": 9, "1+--1": 9, "nan": 9, "0.5+-0.6": 1, "2": 1}


@pytest.mark.parametrize("text", IMPOSSIBLE)
def test_impossible_numbers_are_refused(text: str) -> None:
    with pytest.raises(OutcropError, match=r"--depth"):
        parse_given(text, "--depth", "m", (0, IMPOSSIBLE[text]))


def test_numbers_carry_their_uncertainty() -> None:
    assert parse_given("0.5+-0.1", "--depth", "m", (0, 9)).sd == 0.1
    assert parse_given("3e-1", "--depth", "m", (0, 9)).sd == 0


@pytest.mark.parametrize(
    "told",
    [
        {},
        {"classes": ["a"], "counts": [[1, 2]], "effective": 3},
        {"classes": ["a"], "counts": [[-1]], "effective": 3},
        {"classes": ["a"], "counts": [[5]], "effective": 0},
    ],
)
def test_what_is_no_confusion_matrix_is_refused(told: dict[str, object]) -> None:
    with pytest.raises(OutcropError, match=r"confusion matrix"):
        read_confusion(told, "here")


def test_emissions_count_once_however_many_years_a_rate_spans() -> None:
    told = given(application=50, grain=100, temperature=25, ph=5, losses=0, emissions=0.05).quantities
    yearly = {}
    for years in (1, 10):
        spread = Given(Pathway.weathering, feedstock=("olivine",), years=years, **told)
        found = estimate(load_profile("rate"), spread, PERFECT, np.array([4000, 0, 0]), 100.0, seed=1)
        assert found.net is not None
        yearly[years] = found.net.p50 - found.gross.p50
    assert yearly[10] == pytest.approx(yearly[1] / 10, rel=1e-3) and yearly[1] == pytest.approx(-100, rel=1e-3)
