"""Labels from polygons: a cell takes the class of the polygon that holds its centre."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from outcrop.survey.grids import Grid
from outcrop.survey.rasters import Piece, pieces, windows
from outcrop.survey.raw.vectors import counted
from outcrop.survey.sites import NO_LABEL

#: Rows by which centres are looked at too low: GDAL gives a centre on the border between two polygons to both of them.
NUDGE = 1e-6


@dataclass(frozen=True)
class Burnt:
    """Labels (height, width) of a window, and where polygons of two classes or more contest a cell."""

    labels: NDArray[np.uint8]
    contested: NDArray[np.bool_]


def lay_polygons(
    shapes: NDArray[Any], places: NDArray[np.uint8], grid: Grid, overlap: str
) -> tuple[Callable[[], Iterator[Piece]], list[str]]:
    """Lay classes of polygons on a grid.

    Parameters
    ----------
    shapes : (n,) valid polygons, in the order of the file and the coordinates of the grid
    places : (n,) their places in the vocabulary; those with `NO_LABEL` count for nothing
    overlap : which polygon wins where two classes overlap, see `PolygonEntry`

    Returns
    -------
    contents, notes : labels (1, height, width), piece by piece; what became of contested cells, in words
    """
    labelled = places != NO_LABEL
    shapes, places = shapes[labelled], places[labelled]
    order = _painting_order(shapes, overlap)
    shapes, places = shapes[order], places[order]
    tree = shapely.STRtree(shapes)

    def burn(row: int, col: int, height: int, width: int) -> Burnt:
        left, top = grid.transform @ (col, row)
        right, bottom = grid.transform @ (col + width, row + height)
        near = np.sort(tree.query(shapely.box(left, bottom, right, top)))
        # Clipped, a map's long borders cost each window only what lies in it.
        clipped = shapely.clip_by_rect(shapes[near], left, bottom, right, top)
        there = shapely.area(clipped) > 0
        transform = grid.transform @ Affine.translation(col, row + NUDGE)
        return _burn(clipped[there], places[near][there], transform, (height, width), overlap)

    contested = sum(int(burn(*window).contested.sum()) for window in windows(grid))
    outcome = "got no label" if overlap == "unlabelled" else f"took the class of the {overlap} one"
    notes = [f"{counted(contested, 'cell')} in polygons of two classes {outcome}"] if contested else []
    return lambda: pieces(grid, lambda *window: burn(*window).labels[np.newaxis]), notes


def _painting_order(shapes: NDArray[Any], overlap: str) -> NDArray[np.intp]:
    """The winner is painted last; of polygons of the same size, that is the first in the file."""
    order = np.arange(len(shapes))
    if overlap == "first":
        return order[::-1]
    if overlap in ("smallest", "largest"):
        area = shapely.area(shapes)
        return np.lexsort((-order, -area if overlap == "smallest" else area))
    return order


def _burn(
    shapes: NDArray[Any], places: NDArray[np.uint8], transform: Affine, shape: tuple[int, int], overlap: str
) -> Burnt:
    labels = np.full(shape, NO_LABEL, dtype=np.uint8)
    depth = np.zeros(shape, dtype=np.uint8)
    for place in np.unique(places):
        depth += rasterize(shapes[places == place], out_shape=shape, transform=transform, dtype="uint8")
    if depth.any():
        rasterize(zip(shapes, places, strict=True), out=labels, transform=transform)
    if overlap == "unlabelled":
        labels[depth > 1] = NO_LABEL
    return Burnt(labels, depth > 1)
