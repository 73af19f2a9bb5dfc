"""The relief of a place: rivers cut its large forms, craters and a delta are laid on, and fractal detail fills in.

The large forms stand on a grid of at most `NODES` nodes a side, whatever the size of the site; detail below their
spacing comes from lattice noise. On Mars little is eroded.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.special import ndtri

from outcrop.survey.simulation.drainage import drained_area, erode, fill
from outcrop.survey.simulation.fields import Seed, Window, fractal, smooth
from outcrop.survey.simulation.places import Relief
from outcrop.survey.simulation.surfaces import MARGIN

#: Side of a base cell in metres.
CELL_M = 4.0
#: Most nodes along one side of the grid on which rivers run, and base cells between them where these are fewer.
NODES, STRIDE = 160, 2
#: Wavelength of the largest forms in metres; they have as many octaves as the nodes can hold.
LARGEST_M = 420.0
#: Steps of uplift and erosion, what one lifts (of the hills' range) and how readily one erodes (nodes^(1 - 2 m)).
STEPS, UPLIFT, ERODIBILITY = 24, 0.05, 0.4
#: How far a step's creep of hillslopes smooths, in nodes.
CREEP = 0.7
#: A site's range of heights grows with its side to this power.
HEIGHT_GROWTH = 0.6
#: Rows worked on at a time.
BAND = 256
#: Diameters of craters in metres, from those that a few cells show.
LEAST_CRATER_M, LARGEST_CRATER_M = 20.0, 300.0
#: How steeply a delta's front falls (rise over run).
FRONT = 0.55
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Terrain:
    """``elevation`` in metres and ``wetness``, how readily water gathers, as normal scores.

    Both are (size + 2 MARGIN, size + 2 MARGIN) base cells, the scene's first cell at [MARGIN, MARGIN].
    """

    elevation: Floats
    wetness: Floats

    def around(self, field: Floats, cells: Window, halo: int) -> Floats:
        """A window of one of them, ``halo`` cells larger on each side; beyond its edge it goes on level."""
        rows, cols = (
            np.clip(np.arange(start - halo, start + count + halo) + MARGIN, 0, len(field) - 1)
            for start, count in ((cells.row, cells.height), (cells.col, cells.width))
        )
        return field[rows[:, None], cols]


def make_terrain(relief: Relief, size: int, seed: Seed) -> Terrain:
    """The relief of a site of ``size`` x ``size`` base cells."""
    side = size + 2 * MARGIN
    nodes = min(NODES, max(side // STRIDE, 8))
    spacing = side / (nodes - 1)
    large = _large_forms(relief, nodes, spacing, seed)
    elevation = _enlarged(large, side)
    if relief.craters:
        _add_craters(elevation, relief, np.random.default_rng([*seed, 30]))
    wet = _wetness(large, spacing * CELL_M)
    wetness = _enlarged(wet, side)
    _add_detail(elevation, relief, spacing, (*seed, 40))
    _add_hollows(wetness, elevation)
    _normalise(wetness)
    return Terrain(elevation, wetness)


def _large_forms(relief: Relief, nodes: int, spacing: float, seed: Seed) -> NDArray[np.float64]:
    """Heights (nodes, nodes): fractal hills, of which rivers make valleys; a delta lies on top."""
    octaves = int(np.clip(np.log2(LARGEST_M / CELL_M / spacing), 1, 6)) + 1
    scale = LARGEST_M / CELL_M / spacing
    hills = _ranged(fractal((*seed, 10), Window(0, 0, nodes, nodes), scale, octaves, gain=0.45).astype(float), 1)
    side_m = (nodes - 1) * spacing * CELL_M
    span = relief.height_m * (side_m / 1000) ** HEIGHT_GROWTH
    height = _ranged((1 - relief.erosion) * hills + relief.erosion * _valleys(hills, (*seed, 11)), span)
    if relief.delta_m:
        height = np.maximum(height, _delta(height, relief.delta_m, side_m, (*seed, 20)))
    return height + relief.base_m


def _valleys(hills: NDArray[np.float64], seed: Seed) -> NDArray[np.float64]:
    """What is left of rising hills (0-1) between rivers, 0-1, in units of the nodes' spacing."""
    rng = np.random.default_rng(seed)
    rise = UPLIFT * (0.4 + 0.6 * hills)
    height = 0.1 * hills
    for _ in range(STEPS):
        # Small slides keep rivers from running in straight lines along the grid.
        height = erode(height + rise * rng.uniform(0.5, 1.5, hills.shape), 1.0, ERODIBILITY)
        height = ndimage.gaussian_filter(height, CREEP, mode="nearest")
    return _ranged(height, 1)


def _ranged(height: NDArray[np.float64], span: float) -> NDArray[np.float64]:
    return np.asarray((height - height.min()) * (span / np.ptp(height)))


def _delta(ground: NDArray[np.float64], front_m: float, side_m: float, seed: Seed) -> NDArray[np.float64]:
    """The surface of a fan that enters over the western border: nearly flat on top, lobed, with a steep front.

    Its shape is Jezero's western delta, described from memory (Goudge et al. 2015, doi:10.1002/2014JE004782).
    """
    nodes = len(ground)
    rows, cols = np.mgrid[:nodes, :nodes] / (nodes - 1)
    apex = (0.35 + 0.3 * np.random.default_rng(seed).random(), -0.08)
    distance, angle = np.hypot(rows - apex[0], cols - apex[1]), np.arctan2(rows - apex[0], cols - apex[1])
    # Lobes of the front and channels on top follow the angle seen from the apex.
    polar = np.stack([(angle + np.pi) * 14, np.full_like(angle, 3.0)])
    lobes, channels = (
        ndimage.map_coordinates(smooth((*seed, part), Window(0, 0, 96, 8), scale).astype(float), polar, order=1)
        for part, scale in ((1, 6.0), (2, 1.6))
    )
    reach = 0.58 + 0.07 * lobes + 0.05 * fractal((*seed, 3), Window(0, 0, nodes, nodes), nodes / 5, 3)
    top = np.quantile(ground, 0.3) + front_m * (1 - 0.35 * distance) - 0.05 * front_m * np.maximum(channels, 0)
    return np.asarray(top - FRONT * side_m * np.maximum(distance - reach, 0))


def _enlarged(nodes: Array, side: int) -> Floats:
    """Cubic interpolation of a grid of nodes to (side, side) cells, in bands of rows."""
    result = np.empty((side, side), dtype=np.float32)
    spline = ndimage.spline_filter(nodes.astype(float), order=3, mode="nearest")
    position = np.linspace(0, len(nodes) - 1, side)
    for top in range(0, side, BAND):
        rows = position[top : top + BAND]
        where = np.stack(np.broadcast_arrays(rows[:, None], position[None]))
        result[top : top + BAND] = ndimage.map_coordinates(spline, where, order=3, mode="nearest", prefilter=False)
    return result


def _add_detail(elevation: Floats, relief: Relief, spacing: float, seed: Seed) -> None:
    """Add octaves from the spacing of the nodes down to a cell; Hurst exponent 0.74, and more of it on slopes."""
    side = len(elevation)
    octaves = max(int(np.ceil(np.log2(spacing))) + 2, 2)
    scale = 2.0 ** (octaves - 1)
    amplitude = relief.roughness_m * np.float32(0.6**-0.5 * 1.67 ** (octaves - 2))
    for top in range(0, side, BAND):
        window = Window(top, 0, min(BAND, side - top), side)
        elevation[top : top + BAND] += amplitude * fractal(seed, window, scale, octaves, gain=0.6)


def _add_craters(elevation: Floats, relief: Relief, rng: np.random.Generator) -> None:
    """Dig simple craters of all ages: depth 0.21 D^0.81 km (Garvin et al. 2003).

    Rims stand 0.036 D^1.01 (Pike 1977, for the Moon) above the ground, and fall off with the cube of the distance;
    degradation takes its share of both. The number above a diameter falls with its square.
    """
    side = len(elevation)
    area_km2 = (side * CELL_M / 1000) ** 2
    largest = min(0.3 * side * CELL_M, LARGEST_CRATER_M)
    count = rng.poisson(relief.craters * area_km2)
    # Diameters by inversion of N(> D) ~ D^-2, cut off above the largest.
    least, most = LEAST_CRATER_M**-2, largest**-2
    for diameter, row, col, age in zip(
        (least - rng.random(count) * (least - most)) ** -0.5,
        *(rng.random((2, count)) * side),
        rng.random(count),
        strict=True,
    ):
        kept = 1 - relief.degradation * age
        depth, rim = kept * 210 * (diameter / 1000) ** 0.81, kept * 36 * (diameter / 1000) ** 1.01
        radius = diameter / 2 / CELL_M
        reach = int(3 * radius) + 1
        top, left = max(int(row) - reach, 0), max(int(col) - reach, 0)
        part = elevation[top : int(row) + reach + 1, left : int(col) + reach + 1]
        down, right = np.ogrid[top : top + part.shape[0], left : left + part.shape[1]]
        away = np.hypot(down - row, right - col) / radius
        bowl = (depth + rim) * (np.minimum(away, 1) ** 2 - 1) + rim
        ejecta = rim * np.maximum(np.maximum(away, 1e-3) ** -3.0 - 3.0**-3, 0) * 27 / 26
        part += np.where(away < 1, bowl, ejecta).astype(np.float32)


def _wetness(height: NDArray[np.float64], spacing_m: float) -> NDArray[np.float64]:
    """Topographic wetness index (n, n), ln(a / tan slope) (Beven & Kirkby 1979), standardised."""
    filled = fill(height)
    southward, eastward = np.gradient(filled, spacing_m)
    slope = np.maximum(np.hypot(southward, eastward), 0.01)
    index = np.log(drained_area(filled, spacing_m) / spacing_m / slope)
    index = ndimage.gaussian_filter(index, 0.7, mode="nearest")
    return np.asarray((index - index.mean()) / index.std())


def _add_hollows(wetness: Floats, elevation: Floats, cells: int = 17) -> None:
    """Add how deep a cell lies below the mean of its surroundings."""
    hollow = ndimage.uniform_filter(elevation, cells, mode="nearest")
    hollow -= elevation
    wetness += hollow * np.float32(0.7 / max(float(hollow.std(dtype=np.float64)), 1e-6))


def _normalise(field: Floats) -> None:
    """Replace values by the standard normal ones of the same rank: shares of the site are then known beforehand."""
    ranks = np.linspace(0.001, 0.999, 500)
    quantiles, scores = np.quantile(field[::2, ::2], ranks), ndtri(ranks)
    for top in range(0, len(field), BAND):
        field[top : top + BAND] = np.interp(field[top : top + BAND], quantiles, scores)
