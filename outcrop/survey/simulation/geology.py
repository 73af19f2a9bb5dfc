"""Which geological unit lies where, at any fine pixel.

Oldest first: folded layers of lenses, round stocks, faults that shift both and the veins in them, dykes, and then what
lies loose on top: talus, valley fills, soil, plants. Folds and faults move the point
at which older rocks are looked up.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtr, ndtri

from outcrop.survey.simulation.fields import Seed, Window, fractal, normals, smooth, upsampled
from outcrop.survey.simulation.lattices import across, along, choose, nearest, things
from outcrop.survey.simulation.places import Deposits, Dykes, Faults, Place, Stocks, Talus
from outcrop.survey.simulation.terrain import CELL_M, Terrain
from outcrop.survey.simulation.units import UNITS

#: How far contacts wander (cells), over which distance (cells), and how ragged they are over less than a cell.
WANDER, WANDER_SCALE, RAGGED = 3.0, 14.0, 0.45
#: Distance (cells) over which folds, faults and dykes bend, and by how much the last two do.
BEND_SCALE, BEND = 45.0, 3.0
#: How strongly wetness, against chance, decides where loose ground lies and where plants grow.
WET_GROUND, WET_PLANTS = 0.8, 0.5
CLAY, SOIL, VEGETATION = (UNITS.index(name) for name in ("clay", "soil", "vegetation"))
#: Where there is no vein.
NOTHING = np.uint8(255)
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Setting:
    """Fine pixels of a window: where they lie (cells from the scene's corner), and height and wetness there."""

    window: Window
    down: Floats
    right: Floats
    height: Floats
    wetness: Floats


def map_units(place: Place, terrain: Terrain, seed: Seed, cells: Window) -> Bytes:
    """The unit's value (FINE H, FINE W) at the fine pixels of a window of cells, which may reach into the margin."""
    fine = cells.finer
    down, right = np.meshgrid(fine.rows.astype(np.float32), fine.cols.astype(np.float32), indexing="ij")
    height, wetness = (upsampled(terrain.around(field, cells, 1)) for field in (terrain.elevation, terrain.wetness))
    here = Setting(fine, down, right, height, wetness)
    if place.talus:
        _slide(here, place.talus, terrain, cells, (*seed, 1))
    down += np.float32(WANDER) * fractal((*seed, 2), fine, WANDER_SCALE, 4)
    right += np.float32(WANDER) * fractal((*seed, 3), fine, WANDER_SCALE, 4)
    down += np.float32(RAGGED) * smooth((*seed, 4), fine, 0.6)
    right += np.float32(RAGGED) * smooth((*seed, 5), fine, 0.6)
    veins = _fault(here, place.faults, (*seed, 6)) if place.faults else None
    units = _layers(here, place, (*seed, 7))
    if place.stocks:
        _intrude(units, here, place.stocks, (*seed, 8))
    if veins is not None:
        units = np.where(veins == NOTHING, units, veins)
    if place.dykes:
        _cut(units, here, place.dykes, (*seed, 9))
    _deposit(units, here, place.deposits, (*seed, 10))
    return units


def _layers(here: Setting, place: Place, seed: Seed) -> Bytes:
    """Lenses, longer than thick, of a pile of layers; where layers are flat, their outcrops follow the contours."""
    beds = place.beds
    fold, sway = (np.float32(beds.fold) * smooth((*seed, part), here.window, BEND_SCALE) for part in (0, 1))
    level = np.float32(beds.spread) * (here.height - np.float32(place.relief.base_m))
    thick = (across(here.down, here.right, beds.strike) + fold + level) / np.float32(beds.thickness)
    long = np.asarray((along(here.down, here.right, beds.strike) + sway) / np.float32(beds.length), dtype=np.float32)
    lenses = things((*seed, 2), thick, long)
    return choose(lenses.rank, place.bedrock).ravel()[nearest(lenses, thick, long)[0]]


def _intrude(units: Bytes, here: Setting, stocks: Stocks, seed: Seed) -> None:
    down, right = here.down / np.float32(stocks.spacing), here.right / np.float32(stocks.spacing)
    around = things(seed, down, right)
    found, distance = nearest(around, down, right)
    radius = np.float32(stocks.radius / stocks.spacing) * np.exp(np.clip(0.25 * around.trait, -0.5, 0.5))
    inside = distance < np.where(around.rank < stocks.share, radius, 0).ravel()[found]
    kind = choose(around.rank / np.float32(max(stocks.share, 1e-6)), stocks.units)
    units[inside] = kind.ravel()[found[inside]]


def _fault(here: Setting, faults: Faults, seed: Seed) -> Bytes:
    """Shift the points by the throw of their block; gives what fills the faults between, `NOTHING` elsewhere."""
    bend = np.float32(BEND) * smooth((*seed, 0), here.window, BEND_SCALE)
    blocks = (across(here.down, here.right, faults.strike) + bend) / np.float32(faults.spacing)
    number = np.floor(blocks).astype(np.intp)
    first = int(number.min())
    count = int(number.max()) + 2 - first
    part = blocks - number
    # Veins swell and pinch out along the fault.
    width = np.float32(faults.width) * np.maximum(1 + smooth((*seed, 1), here.window, 8.0), 0)
    open_ = np.minimum(part, 1 - part) * np.float32(2 * faults.spacing) < width
    kind = choose(ndtr(normals((*seed, 2), first, 0, count, 1)[:, 0]), faults.units)
    veins = np.where(open_, kind[number - first + (part > 0.5)], NOTHING)
    throw = np.float32(faults.throw) * normals((*seed, 3), first, 0, count, 2)
    here.down[...] += throw[:, 0][number - first]
    here.right[...] += throw[:, 1][number - first]
    return veins


def _cut(units: Bytes, here: Setting, dykes: Dykes, seed: Seed) -> None:
    """Dykes, each an even breadth broken into segments."""
    bend = np.float32(BEND) * smooth((*seed, 0), here.window, BEND_SCALE)
    lines = (across(here.down, here.right, dykes.strike) + bend) / np.float32(dykes.spacing)
    number = np.floor(lines).astype(np.intp)
    first = int(number.min())
    count = int(number.max()) + 1 - first
    chance = normals((*seed, 1), first, 0, count, 4)
    middle = 0.5 + 0.35 * np.tanh(chance[:, 0])
    half = np.where(ndtr(chance[:, 1]) < dykes.share, 0.5 * dykes.width * np.exp(0.3 * chance[:, 2]), 0)
    away = np.abs(lines - number - middle.astype(np.float32)[number - first]) * np.float32(dykes.spacing)
    broken = smooth((*seed, 2), here.window, 20.0) < -1.0
    inside = (away < half.astype(np.float32)[number - first]) & ~broken
    units[inside] = choose(ndtr(chance[:, 3]), dykes.units)[number - first][inside]


def _slide(here: Setting, talus: Talus, terrain: Terrain, cells: Window, seed: Seed) -> None:
    """Move the points below steep slopes up to them: what is found there has come down, in streaks."""
    halo = int(np.ceil(talus.reach)) + 4
    height = terrain.around(terrain.elevation, cells, halo)
    southward, eastward = np.gradient(ndimage.uniform_filter(height, 3, mode="nearest"), np.float32(CELL_M))
    rise = np.hypot(southward, eastward)
    up, side = (part / np.maximum(rise, 1e-3) for part in (southward, eastward))
    rows, cols = np.indices(height.shape)
    above = rise[
        np.clip(np.rint(rows + talus.reach * up).astype(int), 0, len(rise) - 1),
        np.clip(np.rint(cols + talus.reach * side).astype(int), 0, rise.shape[1] - 1),
    ]
    steep = np.float32(np.tan(np.deg2rad(talus.steep)))
    share = np.where(rise < above, np.clip((above - steep) / (0.3 * steep), 0, 1), 0)
    inner = slice(halo - 1, 1 - halo)
    streaks = np.float32(talus.reach) * ndtr(smooth(seed, here.window, 0.8))
    for point, direction in ((here.down, up), (here.right, side)):
        moved = ndimage.uniform_filter(share * direction, 3, mode="nearest")
        point += upsampled(moved[inner, inner].astype(np.float32)) * streaks


def _deposit(units: Bytes, here: Setting, deposits: Deposits, seed: Seed) -> None:
    """Clay and soil where water gathers, plants where it does not run dry; each covers its share of the site."""
    damp = _blend(here.wetness, fractal((*seed, 0), here.window, 9.0, 4), WET_GROUND)
    loose = deposits.clay + deposits.soil
    units[damp > ndtri(1 - loose)] = SOIL
    units[damp > ndtri(1 - deposits.clay)] = CLAY
    green = _blend(here.wetness, fractal((*seed, 1), here.window, 8.0, 4), WET_PLANTS)
    units[green > ndtri(1 - deposits.vegetation)] = VEGETATION


def _blend(known: Floats, chance: Floats, share: float) -> Floats:
    """Two standard normal fields in one, ``share`` of it the first."""
    return np.float32(share) * known + np.float32(np.sqrt(1 - share**2)) * chance
