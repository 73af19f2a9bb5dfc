"""Fields of a farm: square plots in rows, over each of which one crushed rock was spread at one rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from outcrop.survey.simulation.fields import Seed, Window, normals
from outcrop.survey.simulation.lattices import across, along, choose, things
from outcrop.survey.simulation.places import Place, mean_composition
from outcrop.survey.simulation.units import UNITS, units
from outcrop.survey.simulation.weathering import risen_ph, weather

SOIL = UNITS.index("soil")
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Plots:
    """What was done at the pixels of a window, all (H, W).

    ``unit`` was spread over the share ``rate`` of the ground, 0 on lanes and where nothing was spread; ``grain`` is
    that of the rock, relative to the endmembers' spectra; ``ph`` is by how much the pH has risen since.
    """

    lane: NDArray[np.bool_]
    unit: NDArray[np.uint8]
    rate: Floats
    grain: Floats
    ph: Floats


def read_plots(place: Place, seed: Seed, window: Window, years: float) -> Plots:
    """The plots of a place that has a farm."""
    farm = place.farm
    assert farm is not None
    down, right = np.meshgrid(window.rows.astype(np.float32), window.cols.astype(np.float32), indexing="ij")
    pitch = np.float32(farm.plot + farm.lane)
    rows, cols = -along(down, right, farm.strike) / pitch, across(down, right, farm.strike) / pitch
    around = things((*seed, 0), rows, cols)
    here = (np.floor(rows) - around.row).astype(np.intp), (np.floor(cols) - around.col).astype(np.intp)
    chance = ndtr(normals((*seed, 1), around.row, around.col, *around.rank.shape))
    unit = choose(around.rank, farm.treatments)
    rate = np.where(unit == SOIL, 0, farm.rate[0] + (farm.rate[1] - farm.rate[0]) * chance).astype(np.float32)
    grain = (farm.grain[0] * (farm.grain[1] / farm.grain[0]) ** ndtr(around.trait)).astype(np.float32)
    risen = _risen(place, unit, rate, grain, years)
    edge = np.float32(farm.plot) / pitch
    lane = (rows % 1 > edge) | (cols % 1 > edge)
    return Plots(lane, unit[here], np.where(lane, 0, rate[here]), grain[here], np.where(lane, 0, risen[here]))


def soil_ph(place: Place) -> float:
    """pH of a place's soil before anything is spread over it."""
    return units()["soil"].ph + place.ph


def _risen(place: Place, unit: NDArray[np.uint8], rate: Floats, grain: Floats, years: float) -> Floats:
    """By how much the pH of each plot has risen."""
    assert place.farm is not None
    ph = soil_ph(place)
    risen = np.zeros(rate.shape, dtype=np.float32)
    for name in place.farm.treatments:
        plots = unit == UNITS.index(name)
        if name == "soil" or not plots.any():
            continue
        fresh = np.repeat(mean_composition(place, name).astype(np.float32)[:, None], int(plots.sum()), axis=1)
        _, charge = weather(fresh, grain[plots], ph, place.temperature_k, place.farm, years)
        risen[plots] = risen_ph(ph, charge * rate[plots], place.farm) - np.float32(ph)
    return risen
