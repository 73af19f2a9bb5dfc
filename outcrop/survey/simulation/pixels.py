"""Fine pixels of the ground: units, single plants, grain, coating, and the texture that the last two give."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, ndtr, ndtri

from outcrop.survey.simulation.fields import Seed, Window, fractal, smooth, upsampled
from outcrop.survey.simulation.geology import map_units
from outcrop.survey.simulation.places import Place
from outcrop.survey.simulation.plots import Plots, read_plots
from outcrop.survey.simulation.terrain import Terrain
from outcrop.survey.simulation.units import UNITS, units
from outcrop.survey.simulation.weathering import GREENING

#: Standard deviation of the logarithm of grain diameters, over patches and from pixel to pixel.
GRAIN_SPREAD, GRAIN_NOISE = 0.18, 0.06
#: Standard deviation of the coating's share on the scale of logits, and how it grows a year.
COATING_SPREAD, COATING_GROWTH = 0.5, 0.02
#: How unevenly single plants stand (standard deviation of the logarithm of their cover), and how broad they are, cells.
PLANT_SPREAD, PLANT = 0.8, 0.7
#: Standard deviation of the texture, of the finest grains and of the coarsest; coating smooths it by up to this share.
TEXTURE, SMOOTHED = (0.05, 0.12), 0.5
VEGETATION, SOIL = UNITS.index("vegetation"), UNITS.index("soil")
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class FineCover:
    """Fine pixels of a window, all (H, W).

    Parameters
    ----------
    unit : uint8, the geological unit
    vegetation : share under green plants that do not belong to the unit, 0-1
    grain : diameter relative to that of the endmembers' spectra
    coating : share of the surface under a weathering coating, 0-1
    texture : deviation of the logarithm of brightness, which follows from grain and coating, never from the unit
    """

    unit: NDArray[np.uint8]
    vegetation: Floats
    grain: Floats
    coating: Floats
    texture: Floats


def survey_pixels(place: Place, terrain: Terrain, seed: Seed, cells: Window, years: float) -> FineCover:
    """The fine pixels of a window of cells."""
    fine = cells.finer
    unit = map_units(place, terrain, (*seed, 2), cells)
    plots = read_plots(place, (*seed, 3), fine, years) if place.farm else None
    spread = _spread(unit, plots, (*seed, 4), fine) if plots else np.zeros(unit.shape, dtype=bool)
    wetness = upsampled(terrain.around(terrain.wetness, cells, 1))
    risen = plots.ph if plots else np.zeros(unit.shape, dtype=np.float32)
    green = _plants(place, unit, wetness, risen, (*seed, 5), fine)
    grain = _grain(place, unit, (*seed, 6), fine)
    if plots:
        fresh = plots.grain * np.exp(np.float32(GRAIN_NOISE) * smooth((*seed, 7), fine, 1.0))
        grain = np.where(spread, fresh, grain)
    coating = _coating(place, unit, years, (*seed, 8), fine)
    return FineCover(unit, green, grain, coating, _texture(grain / np.float32(place.grain), coating, (*seed, 9), fine))


def _spread(unit: NDArray[np.uint8], plots: Plots, seed: Seed, fine: Window) -> NDArray[np.bool_]:
    """Lay crushed rock on the ground in clumps, each plot's share of it, but not on plants; gives where it lies."""
    clumps = fractal(seed, fine, 4.0, 4, gain=0.8)
    covered = (clumps > ndtri(1 - plots.rate)) & (unit != VEGETATION)
    unit[covered] = plots.unit[covered]
    unit[plots.lane & (clumps > 0)] = VEGETATION
    return np.asarray(covered)


def _plants(place: Place, unit: NDArray[np.uint8], wetness: Floats, risen: Floats, seed: Seed, fine: Window) -> Floats:
    if not place.plants:
        return np.zeros(unit.shape, dtype=np.float32)
    uneven = np.float32(0.6) * wetness + np.float32(0.8) * smooth((*seed, 0), fine, 12.0)
    share = np.float32(place.plants * np.exp(-(PLANT_SPREAD**2) / 2)) * np.exp(np.float32(PLANT_SPREAD) * uneven)
    share = np.minimum(share * (1 + np.float32(GREENING) * risen), np.float32(0.45))
    above = smooth((*seed, 1), fine, PLANT) - ndtri(1 - share).astype(np.float32)
    return np.where(unit == VEGETATION, np.float32(0), np.clip(above * 3 + np.float32(0.5), 0, 1))


def _grain(place: Place, unit: NDArray[np.uint8], seed: Seed, fine: Window) -> Floats:
    median = np.array([place.grain * each.grain for each in units().values()], dtype=np.float32)
    patches = np.float32(GRAIN_SPREAD) * fractal((*seed, 0), fine, 12.0, 3)
    return median[unit] * np.exp(patches + np.float32(GRAIN_NOISE) * smooth((*seed, 1), fine, 0.5))


def _coating(place: Place, unit: NDArray[np.uint8], years: float, seed: Seed, fine: Window) -> Floats:
    readiness = np.array([max(each.coats, 1e-6) for each in units().values()])
    middle = (logit(place.coating.amount) + np.log(readiness) + COATING_GROWTH * years).astype(np.float32)
    return np.asarray(expit(middle[unit] + np.float32(COATING_SPREAD) * fractal(seed, fine, 15.0, 5, gain=0.6)))


def _texture(grain: Floats, coating: Floats, seed: Seed, fine: Window) -> Floats:
    """Coarse grains cast shadows and make blotches, fine ones an even ground; a coating hides some of it."""
    coarse = ndtr(np.log(grain) / np.float32(GRAIN_SPREAD))
    strength = np.float32(TEXTURE[0]) + np.float32(TEXTURE[1] - TEXTURE[0]) * coarse
    strength *= 1 - np.float32(SMOOTHED) * coating
    turn = np.float32(np.pi / 2) * coarse
    small, large = smooth((*seed, 0), fine, 0.25), smooth((*seed, 1), fine, 0.8)
    return np.asarray(strength * (np.cos(turn) * small + np.sin(turn) * large))
