"""Splitting a site: spatial blocks, kept apart so that no measured pixel ever serves two splits."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from outcrop.errors import SurveyError
from outcrop.params import Params, Split
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.rasters import (
    class_raster,
    covered_cells,
    native_pixels,
    pieces,
    read_labels,
    read_split,
    write_cog,
)
from outcrop.survey.sites import SPLITS, Scene, Site
from outcrop.survey.stratification import Codes, Counts, stratify

Cells = NDArray[np.uint8]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Ground:
    """The blocks of scenes that show the same ground: one grid in one CRS. Without a CRS every scene is its own.

    Parameters
    ----------
    usable : by scene, (H, W) the cells that have data in every modality
    counts : (block rows, block columns, classes + 1) cells to share out; the last counts labelled and unlabelled ones
    earlier : (block rows, block columns) values of `SPLITS` that an earlier ingest wrote, else 0
    """

    scenes: tuple[Scene, ...]
    usable: dict[str, Mask]
    counts: Counts
    earlier: Codes


def write_splits(site: Site, params: Params, shares: Mapping[str, float], earlier: Site | None = None) -> None:
    """Write the split raster of every scene of a site whose modalities and labels are written.

    Parameters
    ----------
    shares : share of the cells by split; a split that is not named gets no block
    earlier : the site as it was before; its blocks keep their split, in scenes that are still on the same grid

    Raises
    ------
    SurveyError : scenes overlap on different grids, or the site was split by other blocks before.
    """
    if earlier is not None and (earlier.block, earlier.buffer) != (site.block, site.buffer):
        raise SurveyError(
            f"the site is split in blocks of {earlier.block} with a buffer of {earlier.buffer}, the parameters say "
            f"{site.block} and {site.buffer}, but a block's split never moves",
            where=earlier.path,
            remedy="restore split.block and split.buffer, or delete the site's folder to split it anew",
        )
    grounds = [_ground(scenes, site, params, earlier) for scenes in _same_ground(site.scenes)]
    codes = _assign(grounds, shares, params.seed)
    for ground, blocks in zip(grounds, codes, strict=True):
        for scene in ground.scenes:
            cells = separate(blocks, scene.grid, params.split, params.footprint, _coarse(ground.scenes))
            _write_split(scene, np.where(ground.usable[scene.id], cells, 0).astype(np.uint8))


def _same_ground(scenes: Iterable[Scene]) -> list[tuple[Scene, ...]]:
    grounds: list[list[Scene]] = []
    for scene in scenes:
        for ground in grounds:
            if scene.grid.crs is not None and ground[0].grid == scene.grid:
                ground.append(scene)
                break
            _check_apart(ground[0], scene)
        else:
            grounds.append([scene])
    return [tuple(ground) for ground in grounds]


def _check_apart(one: Scene, other: Scene) -> None:
    if one.grid.crs is None or one.grid.crs != other.grid.crs:
        return
    (left, bottom, right, top), (west, south, east, north) = one.grid.bounds, other.grid.bounds
    if left < east and west < right and bottom < north and south < top:
        raise SurveyError(
            f"the scenes `{one.id}` and `{other.id}` overlap on different grids: the ground of one's training blocks "
            "could be tested in the other",
            where=other.labels.parent.parent.name,
            remedy="cut their label rasters to one grid",
        )


def _ground(scenes: tuple[Scene, ...], site: Site, params: Params, earlier: Site | None) -> Ground:
    grid, block = scenes[0].grid, site.block
    shape = (ceil(grid.height / block), ceil(grid.width / block))
    core = block_cores(grid, params.split, params.footprint, _coarse(scenes))
    counts = np.zeros((*shape, len(site.classes) + 1), dtype=np.int64)
    codes = np.zeros(shape, dtype=np.uint8)
    usable = {scene.id: usable_cells(scene) for scene in scenes}
    for scene in scenes:
        labels = read_labels(scene, 0, 0, grid.height, grid.width)
        for each in site.classes:
            counts[..., each.value] += _by_block(usable[scene.id] & core & (labels == each.value), block)
        counts[..., -1] += _by_block(usable[scene.id], block)
        codes = np.maximum(codes, _earlier_blocks(scene, earlier, block, shape))
    return Ground(scenes, usable, counts, codes)


def usable_cells(scene: Scene) -> Mask:
    """Cells (H, W) of a scene that have data in every modality."""
    usable = np.ones((scene.grid.height, scene.grid.width), dtype=bool)
    for raster in scene.rasters.values():
        usable &= covered_cells(raster, scene.grid)
    return usable


def _coarse(scenes: tuple[Scene, ...]) -> tuple[Nesting, ...]:
    nestings = {raster.nesting for scene in scenes for raster in scene.rasters.values()}
    return tuple(sorted((n for n in nestings if n.coarse > 1), key=lambda n: (n.coarse, n.row, n.col)))


def _by_block(cells: Mask, block: int) -> NDArray[np.int64]:
    starts = [np.arange(0, side, block) for side in cells.shape]
    by_row = np.add.reduceat(cells, starts[0], axis=0, dtype=np.int64)
    return np.asarray(np.add.reduceat(by_row, starts[1], axis=1), dtype=np.int64)


def _earlier_blocks(scene: Scene, earlier: Site | None, block: int, shape: tuple[int, int]) -> Codes:
    for known in earlier.scenes if earlier is not None else ():
        if known.id == scene.id and known.grid == scene.grid:
            cells = read_split(known, 0, 0, known.grid.height, known.grid.width)
            starts = [np.arange(0, side, block) for side in cells.shape]
            by_row = np.maximum.reduceat(cells, starts[0], axis=0)
            return np.asarray(np.maximum.reduceat(by_row, starts[1], axis=1), dtype=np.uint8)
    return np.zeros(shape, dtype=np.uint8)


def _assign(grounds: list[Ground], shares: Mapping[str, float], seed: int) -> list[Codes]:
    counts = np.concatenate([ground.counts.reshape(-1, ground.counts.shape[-1]) for ground in grounds])
    earlier = np.concatenate([ground.earlier.ravel() for ground in grounds])
    wanted = np.array([shares.get(split, 0.0) for split in SPLITS])
    codes = stratify(counts, wanted, earlier, seed)
    ends = np.cumsum([ground.earlier.size for ground in grounds])[:-1]
    return [part.reshape(ground.earlier.shape) for part, ground in zip(np.split(codes, ends), grounds, strict=True)]


def separate(blocks: Codes, grid: Grid, split: Split, footprint: int, coarse: Iterable[Nesting]) -> Cells:
    """Split of every cell, 0 where cells of two splits would come too close.

    Parameters
    ----------
    blocks : (block rows, block columns) values of `SPLITS`
    coarse : how the coarser modalities nest; none of their pixels will serve cells of two splits

    Returns
    -------
    (H, W) values of `SPLITS`
    """
    whole = np.repeat(np.repeat(blocks, split.block, axis=0), split.block, axis=1)[: grid.height, : grid.width]
    cells = whole.copy()
    side = 2 * ceil(split.buffer / 2) + 1
    for code in SPLITS.values():
        near = ndimage.maximum_filter((whole == code).astype(np.uint8), size=side, mode="constant").astype(bool)
        cells[near & (whole != code)] = 0
    # Across the corner of an empty block, cells that keep clear of each other's blocks can still be too close.
    cells[_contested(cells, grid, Nesting(), side)] = 0
    for nesting in coarse:
        cells[_contested(cells, grid, nesting, nesting.patch_side(footprint))] = 0
    return cells


def _contested(cells: Cells, grid: Grid, nesting: Nesting, side: int) -> Mask:
    """Cells whose patch of ``side`` native pixels holds a pixel that a patch of another split's cell holds too."""
    rows, cols = native_pixels(nesting, grid)
    users = np.zeros((rows[-1] + 1, cols[-1] + 1), dtype=np.uint8)
    for code in SPLITS.values():
        centres = np.zeros_like(users)
        row, col = np.nonzero(cells == code)
        centres[rows[row], cols[col]] = 1
        users += ndimage.maximum_filter(centres, size=side, mode="constant")
    shared = ndimage.maximum_filter((users > 1).astype(np.uint8), size=side, mode="constant")
    return np.asarray(shared[np.ix_(rows, cols)] > 0)


def block_cores(grid: Grid, split: Split, footprint: int, coarse: Iterable[Nesting]) -> Mask:
    """Cells (H, W) that stay usable whatever the splits of the blocks around theirs: they make a block separable."""
    half = ceil(split.buffer / 2)
    margin = max([half, *(n.coarse * (2 * (n.patch_side(footprint) // 2) + 1) - 1 - half for n in coarse)])
    margin = min(margin, (split.block - 1) // 2)
    rows, cols = (_core(side, split.block, margin) for side in (grid.height, grid.width))
    return rows[:, None] & cols[None, :]


def _core(side: int, block: int, margin: int) -> Mask:
    """Cells along one axis that are ``margin`` cells away from their block's borders with other blocks."""
    place = np.arange(side) % block
    first, last = np.arange(side) < block, np.arange(side) >= (ceil(side / block) - 1) * block
    return (first | (place >= margin)) & (last | (place < block - margin))


def _write_split(scene: Scene, cells: Cells) -> None:
    raster = class_raster("split", scene.split, scene.grid, nodata=0)
    write_cog(
        raster,
        pieces(scene.grid, lambda row, col, height, width: cells[None, row : row + height, col : col + width]),
    )
