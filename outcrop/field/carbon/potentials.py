"""How much carbon dioxide a tonne of mineral can bind: stoichiometry, and nothing else.

In carbonation every calcium and magnesium binds one CO2 as carbonate. In enhanced weathering a mole of charge is
balanced by a mole of dissolved bicarbonate, two for each of them, of which the ocean keeps a part: `ETA` moles for a
divalent cation. Iron oxidises and counts for nothing.
"""

from collections.abc import Mapping
from enum import StrEnum

#: g/mol: abridged standard atomic weights (IUPAC Commission on Isotopic Abundances and Atomic Weights, 2021).
ATOMIC_WEIGHTS = {
    "H": 1.008, "C": 12.011, "O": 15.999, "Na": 22.990, "Mg": 24.305, "Al": 26.982, "Si": 28.085, "P": 30.974,
    "S": 32.06, "K": 39.098, "Ca": 40.078, "Fe": 55.845,
}  # fmt: skip
CO2 = ATOMIC_WEIGHTS["C"] + 2 * ATOMIC_WEIGHTS["O"]
#: Moles of CO2 that a divalent cation keeps dissolved in seawater (Renforth 2019, Nature Communications 10, 1401:
#: 1.4-1.7, the latter at today's surface ocean); the standard deviation is a choice.
ETA, ETA_SD = 1.7, 0.1
#: Oxides: grams per mole, and moles of divalent cation that one stands for. Sulphate and phosphate use some up.
OXIDES = {
    "CaO": (56.08, 1.0), "MgO": (40.30, 1.0), "Na2O": (61.98, 1.0), "K2O": (94.20, 1.0), "SO3": (80.06, -1.0),
    "P2O5": (141.94, -2.0),
}  # fmt: skip
ALKALI = ("Na2O", "K2O")


class Pathway(StrEnum):
    """How CO2 is bound: as carbonate minerals, or as bicarbonate in rivers and the sea."""

    carbonation = "carbonation"
    weathering = "weathering"


def molar_mass(formula: Mapping[str, float]) -> float:
    """Grams per mole of a formula unit.

    Raises
    ------
    KeyError : an element has no weight in `ATOMIC_WEIGHTS`.
    """
    return sum(ATOMIC_WEIGHTS[element] * atoms for element, atoms in formula.items())


def binding_cations(formula: Mapping[str, float], pathway: Pathway) -> float:
    """Moles of divalent cation in a formula unit that bind CO2; two of sodium or potassium count for one.

    The alkali metals form no carbonate that lasts, so they count in weathering only.
    """
    divalent = formula.get("Ca", 0.0) + formula.get("Mg", 0.0)
    alkali = (formula.get("Na", 0.0) + formula.get("K", 0.0)) / 2
    return divalent + (alkali if pathway is Pathway.weathering else 0.0)


def capacity(formula: Mapping[str, float], pathway: Pathway, eta: float = ETA) -> float:
    """Tonnes of CO2 that a tonne of a mineral can bind.

    Parameters
    ----------
    formula : atoms in a formula unit; empty for what binds nothing
    eta : moles of CO2 for a divalent cation in weathering; in carbonation it is 1
    """
    if not formula:
        return 0.0
    moles = binding_cations(formula, pathway) * (eta if pathway is Pathway.weathering else 1.0)
    return CO2 * moles / molar_mass(formula)


def oxide_capacity(percent: Mapping[str, float], pathway: Pathway, eta: float = ETA) -> float:
    """Tonnes of CO2 that a tonne of rock can bind, from its chemical analysis (Renforth 2012, 2019).

    ``E = 44.01/100 (CaO/56.08 + MgO/40.30 + Na2O/61.98 + K2O/94.20 - SO3/80.06 - 2 P2O5/141.94) eta``, in carbonation
    with eta = 1 and without the alkali metals.

    Parameters
    ----------
    percent : of the mass, by oxide; those that are not in `OXIDES` bind nothing
    """
    counted = {name: part for name, part in OXIDES.items() if pathway is Pathway.weathering or name not in ALKALI}
    moles = sum(percent.get(name, 0.0) * sign / mass for name, (mass, sign) in counted.items())
    return max(CO2 / 100 * moles * (eta if pathway is Pathway.weathering else 1.0), 0.0)
