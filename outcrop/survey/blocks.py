"""Blocks: the unit of splitting, of reading and of resampling; and the cells of a block that may be used.

A block is read whole, with the halo that the patches of its outermost cells need, once for every modality and at that
modality's native resolution.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import read_labels, read_window
from outcrop.survey.sites import Raster, Scene

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Tile:
    """A square of base cells: ``row`` and ``col`` of its first cell, and its extent (smaller at the scene's edges)."""

    row: int
    col: int
    height: int
    width: int


def tiles(scene: Scene, side: int) -> list[Tile]:
    """All blocks of a scene, row by row."""
    grid = scene.grid
    return [
        Tile(row, col, min(side, grid.height - row), min(side, grid.width - col))
        for row in range(0, grid.height, side)
        for col in range(0, grid.width, side)
    ]


@dataclass(frozen=True)
class Window:
    """The native pixels that the patches of a tile need, and where in it each patch begins.

    Parameters
    ----------
    row, col, height, width : the window in the raster's native pixels; it may reach outside the raster
    side : side of a patch in native pixels
    reach : native pixels of halo on every side of the tile's own pixels
    row_starts : (tile height,) first window row of the patches of each row of cells
    col_starts : (tile width,) first window column of the patches of each column of cells
    """

    row: int
    col: int
    height: int
    width: int
    side: int
    reach: int
    row_starts: NDArray[np.intp]
    col_starts: NDArray[np.intp]


def native_window(nesting: Nesting, tile: Tile, footprint: int) -> Window:
    """The window that covers every patch of ``tile``."""
    side = nesting.patch_side(footprint)
    # From the anchor (the cell's first native pixel, or the one that holds it) back to the patch's first pixel.
    reach = side // 2 if nesting.coarse > 1 else (footprint // 2) * nesting.fine
    rows = _anchors(tile.row, tile.height, nesting, nesting.row)
    cols = _anchors(tile.col, tile.width, nesting, nesting.col)
    return Window(
        row=int(rows[0]) - reach,
        col=int(cols[0]) - reach,
        height=int(rows[-1] - rows[0]) + side,
        width=int(cols[-1] - cols[0]) + side,
        side=side,
        reach=reach,
        row_starts=rows - rows[0],
        col_starts=cols - cols[0],
    )


def _anchors(first: int, count: int, nesting: Nesting, offset: int) -> NDArray[np.intp]:
    cells = np.arange(first, first + count)
    return (cells + offset) // nesting.coarse if nesting.coarse > 1 else cells * nesting.fine


def read_tile(raster: Raster, tile: Tile, footprint: int) -> tuple[Window, FloatArray]:
    """Native pixels (bands, height, width) of a tile with its halo, NaN where there are none."""
    window = native_window(raster.nesting, tile, footprint)
    return window, read_window(raster, window.row, window.col, window.height, window.width)


def with_data(pixels: FloatArray) -> NDArray[np.bool_]:
    """Pixels (height, width) of (bands, height, width) that have data in all bands."""
    return np.asarray(np.isfinite(pixels).all(axis=0))


def complete_patches(finite: NDArray[np.bool_], window: Window) -> NDArray[np.bool_]:
    """Cells (height, width) of a tile whose whole patch has data: a footprint that touches nodata is nodata.

    By sums over rectangles from the first corner on, four of which count a patch's gaps: SciPy's filter takes a third
    of a second to import, longer than the rest of what a map begins with.

    Parameters
    ----------
    finite : native pixels (height, width) of the tile's window that have data in all bands
    """
    gaps = np.zeros((window.height + 1, window.width + 1), dtype=np.int32)
    gaps[1:, 1:] = (~finite).cumsum(axis=0, dtype=np.int32).cumsum(axis=1, dtype=np.int32)
    bands = gaps[window.row_starts + window.side] - gaps[window.row_starts]
    return np.asarray(bands[:, window.col_starts + window.side] == bands[:, window.col_starts])


def pixels_of(cells: NDArray[np.bool_], window: Window, nesting: Nesting) -> NDArray[np.bool_]:
    """Native pixels (height, width) of a tile's window that hold one of ``cells`` (tile height, tile width)."""
    held = np.zeros((window.height, window.width), dtype=bool)
    rows, cols = np.nonzero(cells)
    for row, col in np.ndindex(nesting.fine, nesting.fine):
        held[window.reach + window.row_starts[rows] + row, window.reach + window.col_starts[cols] + col] = True
    return held


def tile_labels(scene: Scene, tile: Tile) -> NDArray[np.uint8]:
    """Labels (height, width) of a tile, 255 where there is none."""
    return read_labels(scene, tile.row, tile.col, tile.height, tile.width)
