"""Where the sun and the sky light the ground: slopes, cast shadows and the part of the sky that relief leaves open."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Rows worked on at a time, so that a large site needs little memory besides the results.
BAND = 128
#: Distances in cells at which the horizon is looked for; far ones may lie far apart, as they weigh little.
DISTANCES = (1, 2, 3, 5, 8, 13, 21, 34)
#: The eight directions (rows, columns) in which it is looked for.
DIRECTIONS = ((-1, 0), (-1, 1), (0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1))
#: Cells across the soft border of a shadow, which runs through the middle of cells.
PENUMBRA = 0.5
Array = NDArray[Any]
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Illumination:
    """How a window is lit: ``direct`` sunlight (H, W), 1 on flat open ground; share of the ``sky`` (H, W) seen."""

    direct: Floats
    sky: Floats


@dataclass(frozen=True, eq=False)
class Light:
    """Sunlight and skylight on a relief.

    Parameters
    ----------
    elevation : (H, W) in metres, the first row in the north
    cell_m : side of a cell in metres
    azimuth_deg : where the sun stands, clockwise from north
    elevation_deg : how high it stands, above 0 to 90
    """

    elevation: Floats
    cell_m: float
    azimuth_deg: float
    elevation_deg: float

    @cached_property
    def cosine(self) -> Floats:
        """Cosine (H, W) between the slope's normal and the sun, 0 where the slope turns away."""
        north, east, up = self._sun
        cosine = np.empty_like(self.elevation)
        for rows, southward, eastward in _slopes(self.elevation, self.cell_m):
            steepness = np.sqrt(1 + southward**2 + eastward**2)
            cosine[rows] = np.maximum((up - eastward * east + southward * north) / steepness, 0)
        return cosine

    @cached_property
    def shadow(self) -> Floats:
        """Share (H, W) of a cell in the shadow of other cells, 0-1. Nothing outside the relief casts any."""
        return _cast(self.elevation, self.cell_m, self.azimuth_deg, self.elevation_deg)

    @cached_property
    def sky(self) -> Floats:
        """Share (H, W) of an even sky's light that reaches a slope over its horizon, 0-1."""
        return _sky_view(self.elevation, self.cell_m)

    def cells(self, row: int, col: int, height: int, width: int) -> Illumination:
        """A window of cells; row and column count from the relief's own corner."""
        part = slice(row, row + height), slice(col, col + width)
        direct: Floats = self.cosine[part] * (1 - self.shadow[part]) / np.float32(self._sun[2])
        return Illumination(direct, self.sky[part])

    def between(self, row: int, col: int, height: int, width: int, fine: int) -> Illumination:
        """A window of finer pixels, ``fine`` along the side of a cell: between the middles of cells, light is linear.

        The window has to stay half a cell away from the relief's edge.
        """
        first_row, down, rows = _weights(row, height, fine)
        first_col, right, cols = _weights(col, width, fine)
        coarse = self.cells(first_row, first_col, rows, cols)
        direct, sky = (np.asarray(down @ part @ right.T, dtype=np.float32) for part in (coarse.direct, coarse.sky))
        return Illumination(direct, sky)

    @property
    def _sun(self) -> tuple[float, float, float]:
        """The direction to the sun: north, east and up."""
        azimuth, height = np.deg2rad(self.azimuth_deg), np.deg2rad(self.elevation_deg)
        return float(np.cos(azimuth) * np.cos(height)), float(np.sin(azimuth) * np.cos(height)), float(np.sin(height))


def _weights(start: int, count: int, fine: int) -> tuple[int, Floats, int]:
    """First cell, weights (count, cells) of the cells for ``count`` fine pixels from ``start`` on, number of cells."""
    position = (np.arange(start, start + count) + 0.5) / fine - 0.5
    first = int(np.floor(position[0]))
    cells = int(np.floor(position[-1])) + 2 - first
    weights = np.clip(1 - np.abs(position[:, None] - first - np.arange(cells)), 0, 1)
    return first, weights.astype(np.float32), cells


def _slopes(elevation: Floats, cell_m: float) -> Iterator[tuple[slice, Floats, Floats]]:
    """Bands of rows, and how steeply the ground rises to the south and to the east, in metres a metre."""
    height = len(elevation)
    for top in range(0, height, BAND):
        bottom = min(top + BAND, height)
        first, last = max(top - 1, 0), min(bottom + 1, height)
        southward, eastward = (np.gradient(elevation[first:last], np.float32(cell_m), axis=axis) for axis in (0, 1))
        yield slice(top, bottom), southward[top - first : bottom - first], eastward[top - first : bottom - first]


def _cast(elevation: Floats, cell_m: float, azimuth_deg: float, elevation_deg: float) -> Floats:
    """Share of each cell in shadow, by one march away from the sun; time and memory are linear in the area.

    The shadow's ceiling is what a ray that grazes some cell nearer the sun still clears. Row by row away from the sun
    it sinks with the sun's slope and rises to the ground where that is higher. It is kept on a lattice that leans with
    the sun's azimuth, so that each ray stays in its column and nothing is smeared on the way.
    """
    shadow = np.empty_like(elevation)
    azimuth = np.deg2rad(azimuth_deg)
    # Rows of `ground` and `result`, views of the relief, run away from the sun; columns are nearly across.
    ground, result, away, across = elevation, shadow, float(np.cos(azimuth)), -float(np.sin(azimuth))
    if abs(away) < abs(across):
        ground, result, away, across = ground.T, result.T, across, away
    if away < 0:
        ground, result, away = ground[::-1], result[::-1], -away
    lean = across / away
    fall = np.float32(cell_m / away * np.tan(np.deg2rad(elevation_deg)))
    soft = np.float32(PENUMBRA * cell_m * np.tan(np.deg2rad(elevation_deg)))
    rows, cols = ground.shape
    reach = int(np.ceil(rows * abs(lean))) + 2
    # The cell of column j in row i lies on ray j - i * lean; rays are counted from `origin`.
    origin = reach if lean > 0 else 1
    ceiling = np.full(cols + reach + 2, np.float32(-1e9))
    for i in range(rows):
        whole, part = divmod(origin - i * lean, 1.0)
        first, share = int(whole), np.float32(part)
        rays = ceiling[first : first + cols + 1]
        above = (1 - share) * rays[:-1] + share * rays[1:] - fall - ground[i]
        result[i] = np.clip(0.5 + above / soft, 0, 1)
        ceiling -= fall
        # Rays pass between two columns of this row; beyond its ends it goes on level.
        edged = np.pad(ground[i], 1, mode="edge")
        np.maximum(rays, share * edged[:-1] + (1 - share) * edged[1:], out=rays)
    return shadow


def _sky_view(elevation: Floats, cell_m: float) -> Floats:
    """Dozier & Frew 1990 (doi:10.1109/36.58986), eq. 7b: an integral over azimuth of the horizon and the slope."""
    halo = DISTANCES[-1]
    view = np.empty_like(elevation)
    for rows, southward, eastward in _slopes(elevation, cell_m):
        level = _edged(elevation, rows, halo)
        height, width = southward.shape
        here = level[halo : halo + height, halo : halo + width]
        upright = 1 / np.sqrt(1 + southward**2 + eastward**2)
        total = np.zeros_like(southward)
        for down, right in DIRECTIONS:
            length = np.float32(np.hypot(down, right))
            rise = np.zeros_like(southward)
            for steps in DISTANCES:
                top, left = halo + down * steps, halo + right * steps
                there = level[top : top + height, left : left + width]
                np.maximum(rise, (there - here) / (steps * length * np.float32(cell_m)), out=rise)
            uphill = (southward * down + eastward * right) / length
            # The sky ends where the ground is level with the eye, or where the slope itself hides it.
            zenith = np.float32(np.pi / 2) - np.arctan(np.maximum(rise, uphill))
            sine, cosine = np.sin(zenith), np.cos(zenith)
            total += upright * (sine**2 - uphill * (zenith - sine * cosine))
        view[rows] = np.clip(total / len(DIRECTIONS), 0, 1)
    return view


def _edged(elevation: Floats, rows: slice, halo: int) -> Floats:
    """A band of rows with ``halo`` cells around it; beyond the relief its edge goes on level."""
    wanted = np.clip(np.arange(rows.start - halo, rows.stop + halo), 0, len(elevation) - 1)
    return np.pad(elevation[wanted], ((0, 0), (halo, halo)), mode="edge")
