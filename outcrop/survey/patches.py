"""Patches, cut at native resolution from a pool of whole blocks.

Memory is bounded: blocks are loaded whole into a pool of fixed size, all cells drawn from the blocks of one filling of
the pool are shuffled together, and their patches are cut from there. A survey larger than the pool takes several
fillings an epoch; one that fits is read once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from outcrop.errors import ParamsError
from outcrop.survey.blocks import FloatArray, read_tile
from outcrop.survey.cells import CellReader, CellSet
from outcrop.survey.grids import Nesting
from outcrop.survey.sites import NO_LABEL

MEGABYTE = 2**20


@dataclass(frozen=True)
class Batch:
    """Patches of N cells.

    Parameters
    ----------
    patches : by modality, (N, bands, side, side) float32 in the modality's unit
    labels : (N,) int64 class, -1 where there is none or where it must not be seen
    blocks : (N,) index of the block in the census
    positions : (N,) position of the cell in its block
    hard : (N,) bool, whether the cell was drawn for its label
    """

    patches: dict[str, FloatArray]
    labels: NDArray[np.int64]
    blocks: NDArray[np.intp]
    positions: NDArray[np.int64]
    hard: NDArray[np.bool_]


class _Layer:
    """The pool's storage of one modality: ``slots`` blocks of equal size, and where each one's patches begin."""

    def __init__(self, slots: int, bands: int, side: int, extent: int, block: int) -> None:
        self.side = side
        self.pixels = np.zeros((slots, bands, extent, extent), dtype=np.float32)
        self.row_starts = np.zeros((slots, block), dtype=np.intp)
        self.col_starts = np.zeros((slots, block), dtype=np.intp)
        self.patches = sliding_window_view(self.pixels, (side, side), axis=(2, 3))

    def cut(self, slots: NDArray[np.intp], rows: NDArray[np.int64], cols: NDArray[np.int64]) -> FloatArray:
        return self.patches[slots, :, self.row_starts[slots, rows], self.col_starts[slots, cols]]


class BlockPool:
    """A fixed number of blocks in memory, for the modalities that a model sees.

    Raises
    ------
    ParamsError : not even one block fits into ``megabytes``.
    """

    def __init__(self, reader: CellReader, modalities: Sequence[str], megabytes: int) -> None:
        self.reader, self.modalities = reader, tuple(modalities)
        census, rasters = reader.census, reader.sites[0].scenes[0].rasters
        self._block = max(site.block for site in reader.sites)
        extents = {name: _extent(rasters[name].nesting, self._block, census.footprint) for name in modalities}
        size = sum(4 * len(rasters[name].bands) * extents[name] ** 2 for name in modalities)
        self.slots = min(len(census.blocks), megabytes * MEGABYTE // size)
        if not self.slots:
            raise ParamsError(
                f"one block of {self._block} cells takes {size / MEGABYTE:.0f} MB, "
                f"more than patches.pool_mb ({megabytes})",
                remedy="raise patches.pool_mb or ingest with a smaller split.block",
            )
        self._layers = {}
        for name in modalities:
            side = rasters[name].nesting.patch_side(census.footprint)
            self._layers[name] = _Layer(self.slots, len(rasters[name].bands), side, extents[name], self._block)
        self._slot_of: dict[int, int] = {}
        self._labels: dict[int, NDArray[np.uint8]] = {}

    def load(self, blocks: Sequence[int]) -> None:
        """Make ``blocks`` (at most ``slots``) present; those that already are stay where they are."""
        wanted = set(blocks)
        free = [slot for slot in range(self.slots) if slot not in self._slot_of.values()]
        for gone in [block for block in self._slot_of if block not in wanted]:
            if len(free) >= len(wanted - self._slot_of.keys()):
                break
            free.append(self._slot_of.pop(gone))
            del self._labels[gone]
        for block in blocks:
            if block not in self._slot_of:
                self._fill(free.pop(), block)

    def _fill(self, slot: int, block: int) -> None:
        entry = self.reader.census.blocks[block]
        scene = self.reader.sites[entry.site].scenes[entry.scene]
        for name, layer in self._layers.items():
            window, pixels = read_tile(scene.rasters[name], entry.tile, self.reader.census.footprint)
            layer.pixels[slot, :, : window.height, : window.width] = pixels
            layer.row_starts[slot, : entry.tile.height] = window.row_starts
            layer.col_starts[slot, : entry.tile.width] = window.col_starts
        self._slot_of[block] = slot
        self._labels[block] = self.reader.labels(block)

    def cut(self, blocks: NDArray[np.intp], positions: NDArray[np.int64], hard: NDArray[np.bool_]) -> Batch:
        """Patches of cells of loaded blocks."""
        slots = np.array([self._slot_of[int(block)] for block in blocks], dtype=np.intp)
        widths = np.array([self.reader.census.blocks[block].tile.width for block in blocks])
        rows, cols = positions // widths, positions % widths
        raw = (self._labels[int(block)][position] for block, position in zip(blocks, positions, strict=True))
        labels = np.fromiter(raw, dtype=np.int64, count=len(blocks))
        # A pair is drawn for its pixels: a label that happens to lie there is not among the scarce ones.
        labels[(labels == NO_LABEL) | ~hard] = -1
        patches = {name: layer.cut(slots, rows, cols) for name, layer in self._layers.items()}
        return Batch(patches, labels, blocks, positions, hard)


def _extent(nesting: Nesting, block: int, footprint: int) -> int:
    """Native pixels along one side of a block with its halo, at any alignment."""
    steps = (block - 1) // nesting.coarse + 1 if nesting.coarse > 1 else (block - 1) * nesting.fine
    return steps + nesting.patch_side(footprint)


@dataclass(frozen=True)
class Draw:
    """``samples`` patches an epoch from one set of cells; ``hard`` when they are drawn for their labels."""

    cells: CellSet
    samples: int
    hard: bool = True


class PatchStream:
    """Batches of randomly drawn patches; which cells an epoch holds follows from (seed, epoch) alone.

    So does their order, for a given number of slots: cells are mixed within a filling of the pool.
    Every batch mixes the draws in the ratio of their samples. Each cell is drawn equally often, up to rounding: where
    an epoch takes more samples than there are cells, cells come again.
    """

    def __init__(self, pool: BlockPool, draws: Sequence[Draw], batch: int, seed: int) -> None:
        self.pool, self.draws, self.batch, self.seed = pool, tuple(draws), batch, seed

    def __len__(self) -> int:
        """Batches an epoch, about (exact when the survey fits into the pool)."""
        return max(1, round(sum(draw.samples for draw in self.draws) / self.batch))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch."""
        rng = np.random.default_rng([self.seed, epoch])
        quotas = [_quotas(rng, draw) for draw in self.draws]
        order = rng.permutation(np.flatnonzero(np.sum(quotas, axis=0)))
        fillings = np.array_split(order, -(-len(order) // self.pool.slots))
        for blocks in fillings:
            self.pool.load([int(block) for block in blocks])
            total = int(sum(quota[blocks].sum() for quota in quotas))
            batches = max(1, round(total / self.batch))
            drawn = [rng.permutation(self._cells(epoch, index, quota, blocks)) for index, quota in enumerate(quotas)]
            cuts = [np.linspace(0, len(cells), batches + 1).astype(int) for cells in drawn]
            for part in range(batches):
                parts = [cells[cut[part] : cut[part + 1]] for cells, cut in zip(drawn, cuts, strict=True)]
                hard = np.repeat([draw.hard for draw in self.draws], [len(cells) for cells in parts])
                cells = np.concatenate(parts)
                yield self.pool.cut(cells[:, 0], cells[:, 1], hard)

    def _cells(self, epoch: int, index: int, quota: NDArray[np.int64], blocks: NDArray[np.intp]) -> NDArray[np.int64]:
        """(n, 2) block and position of the cells of draw ``index`` from ``blocks``."""
        parts = [np.empty((0, 2), dtype=np.int64)]
        for block in blocks[quota[blocks] > 0]:
            positions = self.draws[index].cells.positions(int(block), self.pool.reader)
            repeats, rest = divmod(int(quota[block]), len(positions))
            # Of its own, so that the cells do not depend on how the blocks were spread over fillings.
            rng = np.random.default_rng([self.seed, epoch, index, int(block)])
            drawn = np.concatenate([np.tile(positions, repeats), rng.choice(positions, size=rest, replace=False)])
            parts.append(np.stack([np.full(len(drawn), block), drawn], axis=1))
        return np.concatenate(parts)


def _quotas(rng: np.random.Generator, draw: Draw) -> NDArray[np.int64]:
    """Samples to take from each block: proportional to its cells, rounded at random so that the sum is exact."""
    share = draw.cells.counts * (draw.samples / max(draw.cells.size, 1))
    edges = np.concatenate([[0.0], np.cumsum(share)]) + rng.random()
    return np.diff(np.floor(edges)).astype(np.int64)


def sweep(pool: BlockPool, cells: CellSet, batch: int) -> Iterator[Batch]:
    """Every cell of a set once, block by block: for scoring and for teacher outputs."""
    blocks = cells.blocks
    for first in range(0, len(blocks), pool.slots):
        chunk = [int(block) for block in blocks[first : first + pool.slots]]
        pool.load(chunk)
        positions = [cells.positions(block, pool.reader) for block in chunk]
        owners = np.repeat(np.array(chunk, dtype=np.intp), [len(part) for part in positions])
        flat = np.concatenate(positions)
        cuts = range(0, len(flat) + batch, batch)
        for low, high in pairwise(cuts):
            yield pool.cut(owners[low:high], flat[low:high], np.ones(len(flat[low:high]), dtype=bool))
