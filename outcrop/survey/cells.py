"""Which cells a model is trained on or scored on: drawn once, by seed, and counted by block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.survey.blocks import tile_labels
from outcrop.survey.census import Census, cells_path
from outcrop.survey.sites import NO_LABEL, SPLITS, Site

Positions = NDArray[np.int64]


class CellReader:
    """Usable cells and labels of a block, by its index in the census.

    A position is a cell's place in its block, counted row by row.
    """

    def __init__(self, sites: Sequence[Site], census: Census) -> None:
        self.sites, self.census = sites, census

    def usable(self, block: int) -> Positions:
        """Positions of the usable cells of a block."""
        entry = self.census.blocks[block]
        tile, site = entry.tile, self.sites[entry.site]
        path = cells_path(self.census.cells, site.name, site.scenes[entry.scene].id)
        cells = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.flatnonzero(cells[tile.row : tile.row + tile.height, tile.col : tile.col + tile.width])

    def labels(self, block: int) -> NDArray[np.uint8]:
        """Labels of all cells of a block, by position."""
        entry = self.census.blocks[block]
        return tile_labels(self.sites[entry.site].scenes[entry.scene], entry.tile).ravel()

    def labelled(self, block: int) -> tuple[Positions, NDArray[np.uint8]]:
        """Positions of the usable labelled cells of a block, and their labels."""
        usable = self.usable(block)
        labels = self.labels(block)[usable]
        return usable[labels != NO_LABEL], labels[labels != NO_LABEL]


@dataclass(frozen=True)
class CellSet:
    """Cells of some blocks.

    Parameters
    ----------
    counts : (blocks of the census,) cells of each block
    chosen : positions by block, sorted; None when every labelled usable cell of those blocks belongs to the set
    """

    counts: NDArray[np.int64]
    chosen: dict[int, Positions] | None = None

    @property
    def size(self) -> int:
        """Number of cells."""
        return int(self.counts.sum())

    @property
    def blocks(self) -> NDArray[np.intp]:
        """Blocks that hold cells of the set."""
        return np.flatnonzero(self.counts)

    def positions(self, block: int, reader: CellReader) -> Positions:
        """Positions of the set's cells in a block, ascending."""
        return reader.labelled(block)[0] if self.chosen is None else self.chosen[block]


def _chosen(census: Census, positions: dict[int, Positions]) -> CellSet:
    counts = np.zeros(len(census.blocks), dtype=np.int64)
    for block, cells in positions.items():
        counts[block] = len(cells)
    return CellSet(counts, {block: np.sort(cells) for block, cells in positions.items() if len(cells)})


def labelled_cells(reader: CellReader, split: str, per_class: int | Literal["all"], seed: int) -> CellSet:
    """Labelled cells of a split: all, or ``per_class`` of each class drawn evenly from its cells.

    Raises
    ------
    DataError : the split has no labelled cell.
    """
    census = reader.census
    blocks = census.of_split(split)
    counts = np.zeros_like(census.counts)
    counts[blocks] = census.counts[blocks]
    if not counts.any():
        raise DataError(f"no labelled cell can be used in the {split} blocks", remedy="check labels, nodata and split")
    if per_class == "all":
        return CellSet(counts.sum(axis=1))
    rng = np.random.default_rng([seed, SPLITS[split], 1])
    wanted = np.stack([_share_out(rng, counts[:, c], per_class) for c in range(counts.shape[1])], axis=1)
    positions = {}
    for block in np.flatnonzero(wanted.any(axis=1)):
        cells, labels = reader.labelled(int(block))
        drawn = [rng.choice(cells[labels == c], size=n, replace=False) for c, n in enumerate(wanted[block]) if n]
        positions[int(block)] = np.concatenate(drawn)
    return _chosen(census, positions)


def paired_cells(reader: CellReader, split: str, limit: int, seed: int) -> CellSet:
    """At most ``limit`` usable cells of a split, labelled or not, drawn evenly: unlabelled pairs for distillation."""
    census = reader.census
    counts = np.zeros_like(census.usable)
    counts[census.of_split(split)] = census.usable[census.of_split(split)]
    rng = np.random.default_rng([seed, SPLITS[split], 2])
    wanted = _share_out(rng, counts, limit)
    positions = {}
    for block in np.flatnonzero(wanted):
        usable = reader.usable(int(block))
        positions[int(block)] = rng.choice(usable, size=wanted[block], replace=False)
    return _chosen(census, positions)


def _share_out(rng: np.random.Generator, counts: NDArray[np.int64], wanted: int) -> NDArray[np.int64]:
    """How many of ``wanted`` cells fall in each block when all cells are equally likely, without replacement."""
    if counts.sum() <= wanted:
        return counts.copy()
    # "marginals" is the one method of numpy that is fast for many blocks and exact.
    return rng.multivariate_hypergeometric(counts, wanted, method="marginals")


def thinned(reader: CellReader, cells: CellSet, limit: int, seed: int) -> CellSet:
    """At most ``limit`` cells of a set, drawn evenly."""
    if cells.size <= limit:
        return cells
    rng = np.random.default_rng([seed, 3])
    wanted = _share_out(rng, cells.counts, limit)
    positions = {}
    for block in np.flatnonzero(wanted):
        positions[int(block)] = rng.choice(cells.positions(int(block), reader), size=wanted[block], replace=False)
    return _chosen(reader.census, positions)


def lattice_cells(reader: CellReader, split: str, stride: int) -> CellSet:
    """Labelled cells of a split on every ``stride``-th row and column of their scene: an even sample that maps well."""
    positions = {}
    for block in reader.census.of_split(split):
        tile = reader.census.blocks[block].tile
        cells, _ = reader.labelled(int(block))
        rows, cols = cells // tile.width + tile.row, cells % tile.width + tile.col
        positions[int(block)] = cells[(rows % stride == 0) & (cols % stride == 0)]
    drawn = _chosen(reader.census, positions)
    if not drawn.size:
        raise DataError(f"no labelled cell can be scored in the {split} blocks", remedy="check labels and split")
    return drawn


def join(reader: CellReader, first: CellSet, second: CellSet) -> CellSet:
    """Cells of either set."""
    blocks = set(map(int, first.blocks)) | set(map(int, second.blocks))
    empty = np.empty(0, dtype=np.int64)
    positions = {}
    for block in sorted(blocks):
        parts = [s.positions(block, reader) if s.counts[block] else empty for s in (first, second)]
        positions[block] = np.union1d(*parts)
    return _chosen(reader.census, positions)
