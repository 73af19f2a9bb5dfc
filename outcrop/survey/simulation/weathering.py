"""Crushed rock in soil over the years: silicates dissolve, carbonates, clay and iron oxides form, the pH rises.

Grains shrink as spheres, dr/dt = -k V, with the rates of Palandri & Kharaka 2004 (USGS Open File Report 2004-1068) at
the soil's pH and temperature; in the field they are lower by what `FIELD` says.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.endmembers import ENDMEMBERS, MEASURED
from outcrop.survey.simulation.places import Farm

YEAR_S, GAS_CONSTANT = 3.156e7, 8.314
#: Surface of a real grain relative to a sphere's (Brantley & Mellott 2000 give 5-10 for fresh ones; from memory).
ROUGHNESS = 7.0
#: Rates in soils relative to those in laboratories: orders of magnitude less (White & Brantley 2003; a choice).
FIELD = 0.2
#: pH of water in balance with calcite and air, to which dissolving bases lift a soil; moles of charge per litre of soil
#: that lift it by one (a choice within what agronomists find); depth of the ploughed soil that shares them.
BALANCED_PH, BUFFER, PLOUGHED_MM = 8.3, 0.08, 200.0
#: By how much a unit of pH lets plants spread, relative to their cover.
GREENING = 0.5
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True)
class Silicate:
    """How a mineral dissolves, and what a mole of it leaves behind if nothing is washed out.

    Parameters
    ----------
    volume : molar, cm3
    acid, neutral : log10 rate (mol m-2 s-1, 25 C) and activation energy (kJ/mol) of either mechanism
    order : of the acid mechanism in the activity of protons
    products : moles of endmembers; quartz stands for amorphous silica
    """

    volume: float
    acid: tuple[float, float]
    order: float
    neutral: tuple[float, float]
    products: dict[str, float]


#: Rates are those of forsterite, enstatite, diopside, labradorite, lizardite and wollastonite; compositions those of
#: `MEASURED`: Fo90, En85, augite, An60.
SILICATES = {
    "olivine": Silicate(
        43.9, (-6.85, 67.2), 0.47, (-10.64, 79.0), {"magnesite": 1.8, "goethite": 0.2, "quartz": 1.0}
    ),
    "orthopyroxene": Silicate(
        31.5, (-9.02, 80.0), 0.60, (-12.72, 80.0), {"magnesite": 0.85, "goethite": 0.15, "quartz": 1.0}
    ),
    "clinopyroxene": Silicate(
        66.0, (-6.36, 96.1), 0.71, (-11.11, 40.6),
        {"calcite": 1.0, "magnesite": 0.8, "goethite": 0.2, "quartz": 2.0},
    ),
    "plagioclase": Silicate(
        100.4, (-7.87, 42.1), 0.626, (-10.91, 45.2), {"calcite": 0.6, "kaolinite": 0.8, "quartz": 0.8}
    ),
    "serpentine": Silicate(107.5, (-5.70, 75.5), 0.80, (-12.40, 56.6), {"magnesite": 3.0, "quartz": 2.0}),
    "wollastonite": Silicate(39.9, (-5.37, 54.7), 0.40, (-8.88, 54.7), {"calcite": 1.0, "quartz": 1.0}),
}  # fmt: skip
#: Molar volumes (cm3) of what forms.
VOLUMES = {"calcite": 36.9, "magnesite": 28.0, "goethite": 20.8, "kaolinite": 99.5, "quartz": 22.7}
CARBONATES = ("calcite", "magnesite")


def rate(mineral: Silicate, ph: float, temperature_k: float) -> float:
    """Rate of dissolution (mol m-2 s-1) far from equilibrium: acid and neutral mechanism, each after Arrhenius."""
    warmth = (1 / temperature_k - 1 / 298.15) * 1000 / GAS_CONSTANT
    acid = 10 ** (mineral.acid[0] - mineral.order * ph) * np.exp(-mineral.acid[1] * warmth)
    neutral = 10 ** mineral.neutral[0] * np.exp(-mineral.neutral[1] * warmth)
    return float(acid + neutral)


def reacted(name: str, diameter: Array, ph: float, temperature_k: float, moisture: float, years: float) -> Floats:
    """Share (0-1) of a mineral's grains of ``diameter`` (um, any shape) that has dissolved after ``years``."""
    mineral = SILICATES[name]
    speed = rate(mineral, ph, temperature_k) * mineral.volume * 1e-6 * ROUGHNESS * FIELD * moisture
    lost = np.float32(2e6 * speed * YEAR_S * years) / np.asarray(diameter, dtype=np.float32)
    return np.asarray(1 - np.maximum(1 - lost, 0) ** 3)


def weather(
    fractions: Floats, grain: Array, ph: float, temperature_k: float, farm: Farm, years: float
) -> tuple[Floats, Floats]:
    """What becomes of volume fractions (E, ...) of ground with grains ``grain`` (...) times the reference diameters.

    Returns
    -------
    fractions : (E, ...) after ``years``, made to sum to 1 again
    charge : (...) moles of charge of calcium and magnesium that have dissolved in a litre of this ground
    """
    after, charge = fractions.copy(), np.zeros(fractions.shape[1:], dtype=np.float32)
    for name, mineral in SILICATES.items():
        index = ENDMEMBERS.index(name)
        part = reacted(name, MEASURED[name].diameter * grain, ph, temperature_k, farm.moisture, years)
        gone = fractions[index] * part
        after[index] -= gone
        moles = gone / np.float32(mineral.volume)
        for product, number in mineral.products.items():
            kept = farm.retained if product in (*CARBONATES, "quartz") else 1.0
            after[ENDMEMBERS.index(product)] += moles * np.float32(number * kept * VOLUMES[product])
            if product in CARBONATES:
                charge += moles * np.float32(2 * 1000 * number)
    return after / _total(after), charge


def risen_ph(ph: Array | float, charge: Array, farm: Farm) -> Floats:
    """pH of the ploughed soil under ground of which a litre has given it ``charge`` moles."""
    room = np.maximum(BALANCED_PH - np.asarray(ph, dtype=np.float32), np.float32(0.1))
    shared = np.asarray(charge, dtype=np.float32) * np.float32(farm.depth_mm / PLOUGHED_MM)
    return np.asarray(ph + room * (1 - np.exp(-shared / (np.float32(BUFFER) * room))), dtype=np.float32)


def carbonation(masses: Floats) -> Floats:
    """Share (...) of carbonates in the mass of carbonates and silicates that can carbonate; ``masses`` is (E, ...)."""
    carbonate = _total(masses[[ENDMEMBERS.index(name) for name in CARBONATES]])
    silicate = _total(masses[[ENDMEMBERS.index(name) for name in SILICATES]])
    total = carbonate + silicate
    return np.asarray(np.divide(carbonate, total, out=np.zeros_like(total), where=total > 0))


def reactive_surface(masses: Floats, grain: Array) -> Floats:
    """Surface (...) in m2 of those silicates in a gram of ground: 6 / (density diameter), times `ROUGHNESS`.

    Parameters
    ----------
    masses : (E, ...) fractions by mass, summing to 1
    grain : (...) relative to the reference diameters
    """
    surface = np.zeros(masses.shape[1:], dtype=np.float32)
    for name in SILICATES:
        fact = MEASURED[name]
        surface += masses[ENDMEMBERS.index(name)] * np.float32(6 * ROUGHNESS / (fact.density * fact.diameter))
    return np.asarray(surface / grain, dtype=np.float32)


def _total(parts: Floats) -> Floats:
    """Sum over the first axis, in order."""
    total: Floats = parts[0].copy()
    for part in parts[1:]:
        total += part
    return total
