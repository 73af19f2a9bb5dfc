"""Potentials and rates against published numbers, each to the precision in which it is published."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from outcrop.field.carbon.potentials import Pathway, capacity, molar_mass, oxide_capacity
from outcrop.field.carbon.rates import YEAR_S, dissolution_rate, reacted_share
from outcrop.field.carbon.tables import minerals

#: Tonnes of CO2 per tonne: carbonation, and weathering with 1.7 moles for a divalent cation.
CAPACITIES = {
    "forsterite": (0.626, 1.06),
    "olivine": (0.539, 0.92),
    "wollastonite": (0.379, 0.64),
    "lizardite": (0.476, 0.81),
    "chrysotile": (0.476, 0.81),
    "brucite": (0.755, 1.28),
    "anorthite": (0.158, 0.27),
    "diopside": (0.406, 0.69),
}
#: log10 mol m-2 s-1 at 25 C and pH 7, to one decimal.
RATES = {
    "forsterite": -10.0,
    "wollastonite": -8.1,
    "lizardite": -11.3,
    "brucite": -7.9,
    "anorthite": -9.1,
    "diopside": -10.9,
    "labradorite": -10.9,
}
#: Made-up analyses across what is usual for basalts (% of the mass), which must span the published 0.13-0.17 and
#: 0.27-0.32.
BASALTS = {
    "usual": ({"CaO": 10.0, "MgO": 7.0, "Na2O": 2.7, "K2O": 0.8, "P2O5": 0.3}, 0.15, 0.30),
    "rich": ({"CaO": 10.8, "MgO": 7.9, "Na2O": 2.2, "K2O": 0.2, "P2O5": 0.1}, 0.17, 0.32),
    "poor": ({"CaO": 9.0, "MgO": 5.9, "Na2O": 3.0, "K2O": 0.9, "P2O5": 0.4}, 0.13, 0.27),
}


@pytest.mark.parametrize("name", CAPACITIES)
def test_a_mineral_binds_what_its_formula_says(name: str) -> None:
    formula = minerals()[name].formula
    carbonation, weathering = CAPACITIES[name]
    assert capacity(formula, Pathway.carbonation) == pytest.approx(carbonation, abs=6e-4)
    assert capacity(formula, Pathway.weathering) == pytest.approx(weathering, abs=6e-3)


@pytest.mark.parametrize("name", RATES)
def test_a_mineral_dissolves_as_published(name: str) -> None:
    mechanisms = [rate.mechanism for rate in minerals()[name].rates.values()]
    assert np.log10(dissolution_rate(mechanisms, 25.0, 7.0)) == pytest.approx(RATES[name], abs=0.05)


def test_chrysotile_is_slower_than_lizardite_and_dissolves_in_bases_too() -> None:
    rates = {
        name: dissolution_rate([rate.mechanism for rate in minerals()[name].rates.values()], 25.0, 7.0)
        for name in ("chrysotile", "lizardite")
    }
    assert rates["chrysotile"] < rates["lizardite"]
    assert np.log10(rates["chrysotile"]) == pytest.approx(-12, abs=0.35)


def test_wollastonite_beats_olivine_in_rate_but_not_in_capacity() -> None:
    olivine, wollastonite = minerals()["olivine"], minerals()["wollastonite"]
    fast, slow = (
        dissolution_rate([rate.mechanism for rate in mineral.rates.values()], 25.0, 7.0)
        for mineral in (wollastonite, olivine)
    )
    assert fast > slow
    for pathway in Pathway:
        assert capacity(olivine.formula, pathway) > capacity(wollastonite.formula, pathway)


@pytest.mark.parametrize("name", BASALTS)
def test_basalt_binds_what_its_oxides_say(name: str) -> None:
    percent, carbonation, weathering = BASALTS[name]
    assert oxide_capacity(percent, Pathway.carbonation) == pytest.approx(carbonation, abs=0.005)
    assert oxide_capacity(percent, Pathway.weathering) == pytest.approx(weathering, abs=0.006)


@pytest.mark.parametrize("pathway", Pathway)
def test_a_formula_and_its_oxides_agree(pathway: Pathway) -> None:
    formula = minerals()["labradorite"].formula
    mass = molar_mass(formula)
    percent = {"CaO": 100 * 56.08 * 0.6 / mass, "Na2O": 100 * 61.98 * 0.2 / mass}
    assert oxide_capacity(percent, pathway) == pytest.approx(capacity(formula, pathway), rel=1e-3)


def test_sulphate_and_phosphate_use_up_what_binds() -> None:
    clean = oxide_capacity({"CaO": 40.0}, Pathway.weathering)
    assert oxide_capacity({"CaO": 40.0, "SO3": 5.0, "P2O5": 2.0}, Pathway.weathering) < clean
    assert oxide_capacity({"SO3": 50.0}, Pathway.weathering) == 0


def test_warmth_and_acid_speed_olivine_up() -> None:
    mechanisms = [rate.mechanism for rate in minerals()["forsterite"].rates.values()]
    rates = [dissolution_rate(mechanisms, *at) for at in ((5.0, 7.0), (25.0, 7.0), (25.0, 5.0))]
    assert rates == sorted(rates)
    # Arrhenius by hand, where one mechanism is all: 10 K more at pH 0.
    acid = minerals()["forsterite"].rates["acid"].mechanism
    ratio = dissolution_rate([acid], 35.0, 0.0) / dissolution_rate([acid], 25.0, 0.0)
    assert ratio == pytest.approx(np.exp(67.2e3 / 8.314462618 * (1 / 298.15 - 1 / 308.15)))


def test_spheres_shrink_as_the_differential_equation_says() -> None:
    rate, volume, diameter, years = 3e-12, 43.8, 20.0, 40.0
    speed = rate * volume * 1e-6 * 5 * YEAR_S * 1e6  # um a year
    # The volume's own equation, dV/dt = -S k V_m, knows nothing of the closed form.
    solved = solve_ivp(lambda _, v: -speed * 3 * np.cbrt(np.maximum(v, 0)) ** 2 / (diameter / 2), (0, years), [1.0],
                       rtol=1e-9, atol=1e-12)  # fmt: skip
    share = reacted_share(np.array(rate), volume, diameter, years, roughness=5)
    assert 0.1 < share < 0.9 and share == pytest.approx(1 - solved.y[0, -1], abs=1e-6)
    assert reacted_share(np.array(rate), volume, diameter, 1e6) == 1
