"""Cells of a site that are seen at all its dates: through several networks, and as they truly are."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.learning.material import Material
from outcrop.learning.models import Model
from outcrop.learning.properties import Property, require_truth
from outcrop.learning.recipes import SWEEP_BATCH
from outcrop.survey.cells import CellSet
from outcrop.survey.patches import BlockPool, sweep
from outcrop.survey.sites import SPLITS

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Ground:
    """Cells that can be used at every date of a site.

    Parameters
    ----------
    scenes : how many dates
    cells : the same places at every date
    tiles : by tile, the census' block at each date
    places : (n,) tile of each cell: one ground is one block, whatever the date
    """

    scenes: int
    cells: CellSet
    tiles: tuple[tuple[int, ...], ...]
    places: NDArray[np.intp]

    @property
    def size(self) -> int:
        """Cells at one date."""
        return len(self.places)


def draw_ground(material: Material, split: str, cells: int, seed: int) -> Ground:
    """Draw about ``cells`` cells of a split, as many from every block, that are usable at all dates of the one site.

    Raises
    ------
    DataError : no block of the split is usable at all dates.
    """
    (site,) = material.sites
    census = material.census
    found: dict[tuple[int, int], dict[int, int]] = {}
    for block in census.of_split(split):
        entry = census.blocks[block]
        found.setdefault((entry.tile.row, entry.tile.col), {})[entry.scene] = int(block)
    scenes = range(len(site.scenes))
    usable = {
        tuple(each[scene] for scene in scenes): reduce(np.intersect1d, map(material.reader.usable, each.values()))
        for each in found.values()
        if len(each) == len(scenes)
    }
    tiles = tuple(tile for tile, positions in usable.items() if len(positions))
    if not tiles:
        raise DataError(f"no {split} block can be used at all dates", where=site.path, remedy="check nodata and split")
    rng = np.random.default_rng([seed, SPLITS[split], 6])
    drawn = [np.sort(rng.permutation(usable[tile])[: -(-cells // len(tiles))]) for tile in tiles]
    counts = np.zeros(len(census.blocks), dtype=np.int64)
    chosen = {block: positions for tile, positions in zip(tiles, drawn, strict=True) for block in tile}
    counts[list(chosen)] = [len(positions) for positions in chosen.values()]
    places = np.repeat(np.arange(len(tiles)), [len(positions) for positions in drawn])
    return Ground(len(scenes), CellSet(counts, chosen), tiles, places)


def look_at(ground: Ground, material: Material, model: Model) -> NDArray[np.float32]:
    """Features (dates, n, d) of a network, in front of its classifier."""
    inputs = [entry.modality for entry in model.config.inputs]
    pool = BlockPool(material.reader, inputs, material.params.patches.pool_mb)
    network, device = material.fabric.to_device(model.network).eval(), material.fabric.device
    by_block: dict[int, list[NDArray[np.float32]]] = {}
    with torch.inference_mode():
        for batch in sweep(pool, ground.cells, SWEEP_BATCH):
            patches = {name: torch.from_numpy(batch.patches[name]).to(device) for name in inputs}
            seen = network(patches).features.float().cpu().numpy()
            for block in np.unique(batch.blocks):
                by_block.setdefault(int(block), []).append(seen[batch.blocks == block])
    return np.stack([np.concatenate([part for tile in ground.tiles for part in by_block[tile[scene]]])
                     for scene in range(ground.scenes)])  # fmt: skip


def read_truth(ground: Ground, material: Material, property_: Property) -> Array:
    """The truth (dates, n) of a property, NaN where it means nothing; of one that changes, of all dates but the first.

    Raises
    ------
    DataError : the site does not know it.
    """
    (site,) = material.sites
    require_truth(site, property_)
    rows = []
    for scene in range(ground.scenes)[int(property_.changes) :]:
        parts = []
        for tile in ground.tiles:
            entry = material.census.blocks[tile[scene]]
            values = property_.read(site, scene, entry.tile).ravel()
            parts.append(values[ground.cells.positions(tile[scene], material.reader)])
        rows.append(np.concatenate(parts))
    return np.stack(rows)


@dataclass(frozen=True)
class Rows:
    """Cells and dates one below the other, as heads see them.

    Parameters
    ----------
    features : by network, (m, d)
    truth : (m,)
    blocks : (m,) the ground that each lies on
    """

    features: Mapping[str, Array]
    truth: Array
    blocks: NDArray[np.intp]


def rows_of(
    property_: Property, truth: Array, seen: Mapping[str, NDArray[np.float32]], places: NDArray[np.intp]
) -> Rows:
    """The rows of a property where it is known: the features of each date, and of a change also those of the first.

    Parameters
    ----------
    truth : (dates, n), see `read_truth`
    seen : by network, (all dates, n, d)
    places : (n,)
    """

    def placed(features: NDArray[np.float32]) -> Array:
        return joined(features) if property_.changes else features.reshape(-1, features.shape[2]).astype(np.float64)

    known = np.isfinite(truth.ravel())
    features = {name: placed(values)[known] for name, values in seen.items()}
    return Rows(features, truth.ravel()[known], np.tile(places, len(truth))[known])


def joined(features: NDArray[np.float32]) -> Array:
    """Features (dates, n, d) as a change is told from: those of the first date, and what each later one adds to them.

    Returns
    -------
    ((dates - 1) n, 2 d), date after date
    """
    pairs = [np.concatenate([features[0], later - features[0]], axis=1) for later in features[1:]]
    return np.concatenate(pairs).astype(np.float64)
