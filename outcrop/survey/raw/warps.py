"""Resampling raw rasters that do not nest in the base grid: in another CRS, with other pixels, or not north-up.

The result nests in the base grid by the whole ratio that is nearest to the raster's own resolution. It is made window
by window, of more raw pixels than the window covers, so that windows fit each other. Places are found as GDAL does by
default, to an eighth of a pixel at worst.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.warp import reproject, transform

from outcrop.errors import SurveyError
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.ground import crs_title
from outcrop.survey.rasters import to_unit
from outcrop.survey.raw.headers import Read
from outcrop.survey.raw.sources import Source, opened
from outcrop.survey.sites import Raster

Points = NDArray[np.float64]
#: What both grids are taken to be in where neither has a CRS: with no curvature to mind, any plane will do.
PLANE = "EPSG:3857"
#: Points along a side of a window by which its place in the other raster is found.
SAMPLES = 17
#: Departure, in pixels, up to which two places are the same.
SAME = 0.01
#: Raw pixels around a window that its edges may need: two for the widest kernel (cubic), and two for curved edges.
MARGIN = 4


@dataclass(frozen=True)
class Warp:
    """How a raw raster comes to lie on ``grid``, which nests in the base grid."""

    source: Source
    grid: Grid
    nesting: Nesting
    resampling: str

    @property
    def fractions(self) -> bool:
        """Whether it makes new numbers, as float32 and NaN where there is no data, and does not repeat the raw ones."""
        return self.resampling != "nearest"

    @property
    def whole(self) -> bool:
        """Whether the raw raster covers the grid."""
        places = _places(self.source, self.grid, 0, 0, self.grid.height, self.grid.width)
        sides = np.array([[self.source.header.width], [self.source.header.height]])
        return places.shape[1] == SAMPLES**2 and bool(((places > -SAME) & (places < sides + SAME)).all())

    @property
    def note(self) -> str:
        """What was done, in words."""
        theirs, ours = self.source.header.crs, self.grid.crs
        done = "resampled" if theirs is None or theirs == ours else f"reprojected from {crs_title(theirs)}"
        return f"{done}, {self.resampling}"


def plan_warp(source: Source, base: Grid, resampling: str) -> Warp:
    """Choose the nesting whose pixels are nearest in size to the raster's, where the two overlap.

    Raises
    ------
    SurveyError : they do not overlap.
    """
    limits = np.array([[source.header.width], [source.header.height]])
    places = _places(source, base, 0, 0, base.height, base.width)
    first, last = np.zeros((2, 1)), np.zeros((2, 1))
    if places.size:
        first, last = places.min(axis=1, keepdims=True).clip(0), np.minimum(places.max(axis=1, keepdims=True), limits)
    middle = (first + last) / 2 + [[0, 1, 0], [0, 0, 1]]
    cells = _apply(~base.transform, _convert(source.header.crs, base.crs, _apply(source.transform, middle)))
    spans = cells[:, 1:] - cells[:, :1]
    if (first >= last).any() or not np.isfinite(spans).all():
        raise SurveyError("the raster and the labels do not overlap", where=source.path, remedy="check both files")
    side = float(np.sqrt(abs(np.linalg.det(spans))))  # of a raw pixel, in base cells
    nesting = Nesting(fine=max(1, round(1 / side)), coarse=max(1, round(side)))
    return Warp(source, nesting.grid(base), nesting, resampling)


def same_places(source: Source, crs: str | None) -> bool:
    """Whether ``crs`` is the raster's own under another name: its corners lie where they lay, to 1 % of a pixel."""
    header = source.header
    corners = np.array([[0, header.width, header.width, 0], [0, 0, header.height, header.height]])
    moved = _apply(~source.transform, _convert(header.crs, crs, _apply(source.transform, corners)))
    return bool((abs(moved - corners) < SAME).all())


@contextmanager
def opened_warp(warp: Warp, stored: Raster, fill: float) -> Iterator[Read]:
    """Open a raw raster for reading windows of the grid that it is warped to; ``fill`` stands where there is no data.

    ``stored`` says which of the raw numbers mean "no data".
    """
    dtype = "float32" if warp.fractions else warp.source.dtype
    with opened(warp.source) as read:

        def read_warped(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            values = np.full((warp.source.count, height, width), fill, dtype)
            window = _window(warp, row, col, height, width)
            if window is None:
                return values
            pixels, void = read(*window), None
            if warp.fractions:
                pixels, void = to_unit(pixels, replace(stored, scale=1.0, offset=0.0)), np.nan
            reproject(
                pixels,
                values,
                src_transform=warp.source.transform @ Affine.translation(window[1], window[0]),
                src_crs=warp.source.header.crs or PLANE,
                src_nodata=void,
                dst_transform=warp.grid.transform @ Affine.translation(col, row),
                dst_crs=warp.grid.crs or PLANE,
                dst_nodata=void,
                init_dest_nodata=False,
                resampling=Resampling[warp.resampling],
                XSCALE=1,  # not what GDAL makes of each window's shape: no blur, and no seams
                YSCALE=1,
            )
            return values

        yield read_warped


def _window(warp: Warp, row: int, col: int, height: int, width: int) -> tuple[int, int, int, int] | None:
    """Row, column, height and width of the raw pixels that a window of the grid needs; None where there are none."""
    places = _places(warp.source, warp.grid, row, col, height, width)
    if not places.size:
        return None
    left, top = (max(0, int(low)) for low in np.floor(places.min(axis=1)) - MARGIN)
    right, bottom = (int(high) for high in np.ceil(places.max(axis=1)) + MARGIN)
    right, bottom = min(right, warp.source.header.width), min(bottom, warp.source.header.height)
    return (top, left, bottom - top, right - left) if bottom > top and right > left else None


def _places(source: Source, grid: Grid, row: int, col: int, height: int, width: int) -> Points:
    """Raw columns and rows (2, n) of points in a window of ``grid`` and on its edges, without those that have none."""
    cols, rows = np.meshgrid(np.linspace(col, col + width, SAMPLES), np.linspace(row, row + height, SAMPLES))
    points = _apply(grid.transform, np.array([cols.ravel(), rows.ravel()]))
    places = _apply(~source.transform, _convert(grid.crs, source.header.crs, points))
    return places[:, np.isfinite(places).all(axis=0)]


def _apply(affine: Affine, points: Points) -> Points:
    """Points (2, n), transformed."""
    matrix: Points = np.array(affine[:6]).reshape(2, 3)
    return matrix[:, :2] @ points + matrix[:, 2:]


def _convert(crs: str | None, other: str | None, points: Points) -> Points:
    """Points (2, n) of one CRS in another, NaN where they have no place in it."""
    if crs == other:
        return points
    try:
        return np.array(transform(crs, other, *points))
    except CPLE_BaseError:  # for all, if one point has no place
        if points.shape[1] == 1:
            return np.full((2, 1), np.nan)
        half = points.shape[1] // 2
        return np.hstack([_convert(crs, other, points[:, :half]), _convert(crs, other, points[:, half:])])
