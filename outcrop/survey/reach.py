"""How easily a block of a site can be walked to: as far as its rasters tell."""

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.census import Census
from outcrop.survey.derive import slope
from outcrop.survey.ground import cell_size
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import Site

ELEVATION = "elevation"
#: Mean slope, in degrees, at which a block is reached 1 / e as easily as a flat one.
STEEP = 25.0


def block_reachability(site: Site, census: Census) -> NDArray[np.float64]:
    """Share of each block (blocks,) that has data, less where the ground is steep.

    The slope is that of the modality ``elevation``, in metres; without it, or without a known cell size, the ground
    counts as flat.
    """
    return np.array([_share(site, census, index) * np.exp(-_steepness(site, census, index) / STEEP)
                     for index in range(len(census.blocks))])  # fmt: skip


def _share(site: Site, census: Census, index: int) -> float:
    tile = census.blocks[index].tile
    return float(census.usable[index] / (tile.height * tile.width))


def _steepness(site: Site, census: Census, index: int) -> float:
    """Mean slope of a block in degrees; 0 where it is not known."""
    block = census.blocks[index]
    raster = site.scenes[block.scene].rasters.get(ELEVATION)
    size = cell_size(raster.grid) if raster is not None and raster.unit.split(" ")[0] == "m" else None
    if raster is None or size is None:
        return 0.0
    nesting, tile = raster.nesting, block.tile
    row, col = (_native(first, nesting.fine, nesting.coarse) for first in (tile.row, tile.col))
    height, width = (max(1, _native(side, nesting.fine, nesting.coarse)) for side in (tile.height, tile.width))
    heights = read_window(raster, row - 1, col - 1, height + 2, width + 2)[0].astype(np.float64)
    degrees = slope(heights, (size.width, size.height))
    return float(np.nanmean(degrees)) if np.isfinite(degrees).any() else 0.0


def _native(cells: int, fine: int, coarse: int) -> int:
    return cells * fine // coarse


def reachability_of(places: NDArray[np.intp], by_block: NDArray[np.float64], census: Census) -> NDArray[np.float64]:
    """Reachability (n,) of the blocks that cells (n, 3; scene, row, column) lie in; 0 outside of all."""
    found = np.zeros(len(places))
    for index, block in enumerate(census.blocks):
        tile = block.tile
        inside = (places[:, 0] == block.scene) & _between(places[:, 1], tile.row, tile.height)
        found[inside & _between(places[:, 2], tile.col, tile.width)] = by_block[index]
    return found


def _between(values: NDArray[np.intp], first: int, length: int) -> NDArray[np.bool_]:
    return np.asarray((values >= first) & (values < first + length))
