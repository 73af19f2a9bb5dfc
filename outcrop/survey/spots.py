"""Patches of single cells, read one by one: for a handful of cells that lie anywhere in a site."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.blocks import FloatArray, Tile, read_tile
from outcrop.survey.rasters import read_split
from outcrop.survey.sites import Site


def spot_patches(
    site: Site, cells: NDArray[np.intp], modalities: Sequence[str], footprint: int
) -> dict[str, FloatArray]:
    """Patches of cells.

    Parameters
    ----------
    cells : (n, 3) scene, row, column

    Returns
    -------
    by modality, (n, bands, side, side) in the modality's unit, NaN where there is no data
    """
    found: dict[str, list[FloatArray]] = {name: [] for name in modalities}
    for scene, row, col in cells:
        for name in modalities:
            _, pixels = read_tile(site.scenes[scene].rasters[name], Tile(int(row), int(col), 1, 1), footprint)
            found[name].append(pixels)
    return {name: np.stack(patches) for name, patches in found.items()}


def spot_splits(site: Site, cells: NDArray[np.intp]) -> NDArray[np.uint8]:
    """The split (n,) that each cell (n, 3) belongs to: a value of `SPLITS`, 0 where none may use it."""
    windows = [read_split(site.scenes[scene], int(row), int(col), 1, 1) for scene, row, col in cells]
    return np.array([window[0, 0] for window in windows], dtype=np.uint8)
