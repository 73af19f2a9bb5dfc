"""Labels from points: the cell that holds a point takes its class."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Grid
from outcrop.survey.rasters import Piece, pieces
from outcrop.survey.raw.vectors import counted
from outcrop.survey.sites import NO_LABEL


def find_cells(x: NDArray[np.float64], y: NDArray[np.float64], grid: Grid) -> NDArray[np.intp]:
    """Rows and columns (2, n) of the cells that hold points, -1 for points outside. A cell owns its upper left edge."""
    cols, rows = (np.floor(each) for each in ~grid.transform @ (x, y))
    inside = (rows >= 0) & (rows < grid.height) & (cols >= 0) & (cols < grid.width)
    return np.where(inside, [rows, cols], -1).astype(np.intp)


def lay_points(
    cells: NDArray[np.intp], places: NDArray[np.uint8], grid: Grid
) -> tuple[Callable[[], Iterator[Piece]], list[str]]:
    """Lay classes of points on a grid.

    Parameters
    ----------
    cells : (2, n) row and column of each point
    places : (n,) their places in the vocabulary; those with `NO_LABEL` count for nothing

    Returns
    -------
    contents, notes : labels (1, height, width), piece by piece; how many cells hold two classes, in words
    """
    places = places.astype(np.intp)
    distinct = np.unique(np.vstack([cells, places])[:, places != NO_LABEL], axis=1)
    held, first, classes = np.unique(distinct[:2], axis=1, return_index=True, return_counts=True)
    agreed = classes == 1
    (rows, cols), known = held[:, agreed], distinct[2, first[agreed]]

    def read(row: int, col: int, height: int, width: int) -> NDArray[np.uint8]:
        labels = np.full((1, height, width), NO_LABEL, dtype=np.uint8)
        here = (rows >= row) & (rows < row + height) & (cols >= col) & (cols < col + width)
        labels[0, rows[here] - row, cols[here] - col] = known[here]
        return labels

    contested = int((~agreed).sum())
    notes = [f"{counted(contested, 'cell')} with points of two classes got no label"] if contested else []
    return lambda: pieces(grid, read), notes
