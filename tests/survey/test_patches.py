"""Patches cut from the pool against a brute-force cut from the full arrays; what an epoch holds, and in which order."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from nested import MODALITIES, Nested

from outcrop.errors import ParamsError
from outcrop.survey.cells import CellReader, CellSet, labelled_cells, lattice_cells, paired_cells
from outcrop.survey.patches import Batch, BlockPool, Draw, PatchStream, sweep


def pool_of(nested: Nested, slots: int = 10**6, modalities: Sequence[str] = MODALITIES) -> BlockPool:
    pool = BlockPool(nested.reader, modalities, 64)
    pool.slots = min(pool.slots, slots)
    return pool


def cells_of(batch: Batch) -> list[tuple[int, int]]:
    return list(zip(batch.blocks.tolist(), batch.positions.tolist(), strict=True))


@pytest.fixture(scope="module")
def few(nested: Nested) -> CellSet:
    return labelled_cells(nested.reader, "train", 40, 0)


@pytest.fixture(scope="module")
def pairs(nested: Nested) -> CellSet:
    return paired_cells(nested.reader, "train", 300, 0)


@pytest.mark.parametrize("slots", [1, 3, 10**6])
def test_patches_are_those_of_the_full_arrays(slots: int, nested: Nested) -> None:
    """At least one cell of every block of either site, the partial ones at the edges included."""
    counts = np.zeros(len(nested.reader.census.blocks), np.int64)
    chosen = {}
    for block in range(len(counts)):
        usable = nested.reader.usable(block)
        chosen[block] = np.unique(usable[[0, len(usable) // 2, -1]])
        counts[block] = len(chosen[block])
    cells = CellSet(counts, chosen)
    seen = 0
    for batch in sweep(pool_of(nested, slots), cells, 32):
        for i, (block, position) in enumerate(cells_of(batch)):
            truth, row, col = nested.cell(block, position)
            for name in MODALITIES:
                np.testing.assert_array_equal(batch.patches[name][i], truth.patch(name, row, col))
            label = truth.labels[row, col]
            assert batch.labels[i] == (-1 if label == 255 else label)
            seen += 1
    assert seen == cells.size
    shapes = {(b.tile.height, b.tile.width) for b in nested.reader.census.blocks}
    assert shapes == {(11, 11), (11, 6), (3, 11)}  # whole blocks, and those that the scenes' edges cut


@pytest.mark.parametrize("slots", [1, 4, 10**6])
@pytest.mark.parametrize("batch", [1, 7, 10**4])
def test_a_sweep_visits_each_cell_once_in_order(slots: int, batch: int, few: CellSet, nested: Nested) -> None:
    found = [cells_of(part) for part in sweep(pool_of(nested, slots, ["elevation"]), few, batch)]
    visited = [cell for part in found for cell in part]
    assert visited == [(b, p) for b in few.blocks.tolist() for p in few.positions(b, nested.reader).tolist()]
    assert all(0 < len(part) <= batch for part in found)


def test_a_sweep_in_pieces_that_fit_exactly(nested: Nested) -> None:
    cells = lattice_cells(nested.reader, "test", 1)
    pool = pool_of(nested, modalities=["elevation"])
    sizes = [len(part.blocks) for part in sweep(pool, cells, cells.size)]
    assert sizes == [cells.size]


def epoch(nested: Nested, draws: Sequence[Draw], number: int, *, slots: int = 10**6, seed: int = 7) -> list[Batch]:
    return list(PatchStream(pool_of(nested, slots, ["elevation"]), draws, 16, seed).epoch(number))


def order(batches: Sequence[Batch]) -> list[tuple[int, int]]:
    return [cell for batch in batches for cell in cells_of(batch)]


def test_order_depends_on_seed_and_epoch_alone(few: CellSet, nested: Nested) -> None:
    draws = [Draw(few, 64)]
    stream = PatchStream(pool_of(nested, 4, ["elevation"]), draws, 16, 7)
    straight = [order(list(stream.epoch(number))) for number in range(3)]
    assert order(epoch(nested, draws, 2, slots=4)) == straight[2]  # a fresh pool, the earlier epochs left out
    assert straight[0] != straight[1] != straight[2]
    assert order(epoch(nested, draws, 2, slots=4, seed=8)) != straight[2]
    assert sorted(straight[0]) != sorted(straight[1])  # other cells, not only another order


@pytest.mark.parametrize("samples", [30, 85, 400])
def test_a_small_pool_gives_the_cells_of_a_large_one(
    samples: int, few: CellSet, pairs: CellSet, nested: Nested
) -> None:
    draws = [Draw(few, samples), Draw(pairs, 3 * samples, hard=False)]

    def drawn(slots: int) -> Counter[tuple[int, int, bool]]:
        batches = epoch(nested, draws, 1, slots=slots)
        return Counter((*cell, hard) for b in batches for cell, hard in zip(cells_of(b), b.hard.tolist(), strict=True))

    assert drawn(2) == drawn(5) == drawn(10**6)


@pytest.mark.parametrize("rounds", [0.3, 1, 2, 2.6])
def test_each_cell_comes_equally_often(rounds: float, few: CellSet, nested: Nested) -> None:
    samples = round(rounds * few.size)
    times = Counter(order(epoch(nested, [Draw(few, samples)], 4)))
    assert times.total() == samples
    assert len(times) == (few.size if rounds >= 1 else samples)
    assert max(times.values()) - min(times.values()) <= (rounds != int(rounds)) and max(times.values()) <= rounds + 1


def test_over_many_epochs_no_cell_is_preferred(few: CellSet, nested: Nested) -> None:
    stream = PatchStream(pool_of(nested, modalities=["elevation"]), [Draw(few, few.size // 4)], 64, 0)
    times = Counter(cell for number in range(160) for cell in order(list(stream.epoch(number))))
    expected = 160 * (few.size // 4) / few.size
    assert len(times) == few.size
    assert max(abs(count - expected) for count in times.values()) < 4.5 * np.sqrt(expected)


@pytest.mark.parametrize("slots", [3, 10**6])
def test_batches_mix_labels_and_pairs_and_pairs_have_no_labels(
    slots: int, few: CellSet, pairs: CellSet, nested: Nested
) -> None:
    batches = epoch(nested, [Draw(few, 40), Draw(pairs, 120, hard=False)], 0, slots=slots)
    assert sum(len(batch.blocks) for batch in batches) == 160
    assert sum(int(batch.hard.sum()) for batch in batches) == 40
    beneath = []
    for batch in batches:
        assert abs(batch.hard.mean() - 0.25) <= (0.05 if slots > 3 else 0.5)
        assert (batch.labels[~batch.hard] == -1).all()
        for (block, position), label, hard in zip(cells_of(batch), batch.labels, batch.hard, strict=True):
            truth, row, col = nested.cell(block, position)
            assert label == (truth.labels[row, col] if hard else -1)
            beneath += [] if hard else [int(truth.labels[row, col])]
    assert set(beneath) > {0, 1}  # labels did lie under some of the pairs


def test_the_number_of_batches_is_as_announced(few: CellSet, nested: Nested) -> None:
    stream = PatchStream(pool_of(nested, modalities=["elevation"]), [Draw(few, 100)], 16, 0)
    batches = list(stream.epoch(0))
    assert len(batches) == len(stream) == 6
    sizes = [len(batch.blocks) for batch in batches]
    assert max(sizes) - min(sizes) <= 1 and sum(sizes) == 100


def test_a_pool_without_room_for_one_block_is_refused(nested: Nested) -> None:
    large = tuple(replace(site, block=400) for site in nested.sites)
    with pytest.raises(ParamsError, match=r"of 400 cells takes \d+ MB, more than patches.pool_mb \(1\); raise"):
        BlockPool(CellReader(large, nested.reader.census), ["rgb"], 1)
