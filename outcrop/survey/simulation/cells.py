"""Base cells of the ground: what their fine pixels add up to, their minerals, and the truth that is known of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.composition import Compositions
from outcrop.survey.simulation.endmembers import ENDMEMBERS, MEASURED
from outcrop.survey.simulation.fields import Seed, Window, fractal, pooled, smooth
from outcrop.survey.simulation.pixels import FineCover
from outcrop.survey.simulation.places import Place
from outcrop.survey.simulation.plots import read_plots, soil_ph
from outcrop.survey.simulation.surfaces import FINE
from outcrop.survey.simulation.units import UNITS, units
from outcrop.survey.simulation.weathering import carbonation, reactive_surface, weather

#: Standard deviation of soil pH from patch to patch.
PH_SPREAD = 0.3
#: Thermal inertia grows with grain size to this power (Presley & Christensen 1997 give 0.4-0.5 at low pressure; in air,
#: where pores conduct, it is less).
INERTIA_POWER = {"mars": 0.4, "earth": 0.2}
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Cover:
    """Base cells of a window.

    Parameters
    ----------
    units : (2, H, W) uint8, the two units with the largest areas; the same one twice where it is alone
    share : (H, W) areal share of the first, at least 0.5; the second has the rest
    fractions : (2, E, H, W) volume fractions of endmembers in each, summing to 1
    grain : (H, W) diameter relative to that of the endmembers' spectra
    coating : (H, W) share of the surface under a weathering coating
    vegetation : (H, W) share under green plants that belong to neither unit
    thermal_inertia : (H, W) in J m-2 K-1 s-1/2
    radioelements : (3, H, W) potassium in %, thorium and uranium in ppm
    truth : ``carbonation`` (0-1, share by mass of carbonates in carbonates and silicates that can carbonate),
        ``reactive_surface`` (m2 of those silicates in a gram of ground), ``soil_ph``, all (H, W)
    """

    units: NDArray[np.uint8]
    share: Floats
    fractions: Floats
    grain: Floats
    coating: Floats
    vegetation: Floats
    thermal_inertia: Floats
    radioelements: Floats
    truth: dict[str, Floats]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """The unit (H, W) with the largest area."""
        return np.asarray(self.units[0])


def measure(place: Place, tables: Compositions, pixels: FineCover, seed: Seed, cells: Window, years: float) -> Cover:
    """The cells of a window whose fine pixels are ``pixels``."""
    present, share = leading(pixels.unit)
    grain, coating = pooled(pixels.grain), pooled(pixels.coating)
    fractions = tables.draw(present, (*seed, 10), cells)
    ph = _native_ph(place, present, share) + np.float32(PH_SPREAD) * fractal((*seed, 11), cells, 20.0, 3)
    if place.farm:
        plots = read_plots(place, (*seed, 3), cells, years)
        ph += plots.ph
        for layer in range(2):
            changed, _ = weather(fractions[layer], grain, soil_ph(place), place.temperature_k, place.farm, years)
            fractions[layer] = np.where((present[layer] == plots.unit) & (plots.rate > 0), changed, fractions[layer])
    masses = _masses(fractions, share)
    truth = {
        "carbonation": carbonation(masses),
        "reactive_surface": reactive_surface(masses, grain),
        "soil_ph": ph,
    }
    return Cover(
        units=present,
        share=share,
        fractions=fractions,
        grain=grain,
        coating=coating,
        vegetation=pooled(pixels.vegetation),
        thermal_inertia=_inertia(place, present, share, grain),
        radioelements=_radioelements(present, share, (*seed, 12), cells),
        truth=truth,
    )


def leading(unit: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], Floats]:
    """The two units (2, H, W) with most of a cell's fine pixels, and the first one's share (H, W) of theirs.

    Of units with as many pixels, the one with the lower value comes first.
    """
    height, width = unit.shape[0] // FINE, unit.shape[1] // FINE
    pixels = unit.reshape(height, FINE, width, FINE)
    counts = np.stack([(pixels == value).sum(axis=(1, 3), dtype=np.int8) for value in range(len(UNITS))])
    first = counts.argmax(axis=0)
    most = np.take_along_axis(counts, first[None], axis=0)[0]
    np.put_along_axis(counts, first[None], -1, axis=0)
    second = counts.argmax(axis=0)
    next_most = np.maximum(np.take_along_axis(counts, second[None], axis=0)[0], 0)
    second = np.where(next_most > 0, second, first)
    share = most / (most + next_most).astype(np.float32)
    return np.stack([first, second]).astype(np.uint8), share.astype(np.float32)


def _mean(values: Floats, present: NDArray[np.uint8], share: Floats) -> Floats:
    """Mean over a cell's area of values (units,)."""
    return np.asarray(values[present[0]] * share + values[present[1]] * (1 - share))


def _native_ph(place: Place, present: NDArray[np.uint8], share: Floats) -> Floats:
    """Soil on a rock takes after it, at the place's own level; what is spread over fields has not made their soil."""
    if place.farm:
        return np.full(share.shape, soil_ph(place), dtype=np.float32)
    return _mean(np.array([each.ph + place.ph for each in units().values()], dtype=np.float32), present, share)


def _masses(fractions: Floats, share: Floats) -> Floats:
    """Fractions by mass (E, H, W) of all that lies in a cell, from fractions by volume in its two units."""
    density = np.array([MEASURED[name].density for name in ENDMEMBERS], dtype=np.float32)[:, None, None]
    masses = density * (fractions[0] * share + fractions[1] * (1 - share))
    total = np.zeros_like(share)
    for mass in masses:
        total += mass
    return np.asarray(masses / total)


def _inertia(place: Place, present: NDArray[np.uint8], share: Floats, grain: Floats) -> Floats:
    inertia = np.array([each.inertia for each in units().values()], dtype=np.float32)
    # Thin air conducts no heat between grains: the same rocks hold a third of it.
    level = np.float32(0.35 if place.planet == "mars" else 1.0)
    return level * _mean(inertia, present, share) * grain ** np.float32(INERTIA_POWER[place.planet])


def _radioelements(present: NDArray[np.uint8], share: Floats, seed: Seed, cells: Window) -> Floats:
    """K, Th and U: log-normal around the units' medians; a magma that has more of one has more of all."""
    spread = np.array([each.radio_spread for each in units().values()], dtype=np.float32)
    common = smooth((*seed, 3), cells, 25.0)
    found = []
    for element in range(3):
        median = np.array([each.radioelements[element] for each in units().values()], dtype=np.float32)
        own = np.float32(0.75) * common + np.float32(0.66) * smooth((*seed, element), cells, 16.0)
        found.append(
            median[present[0]] * np.exp(spread[present[0]] * own) * share
            + median[present[1]] * np.exp(spread[present[1]] * own) * (1 - share)
        )
    return np.stack(found)
