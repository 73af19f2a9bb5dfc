"""Which cells are drawn: exactly as many as asked, without replacement, evenly, from the right split, by seed alone."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from nested import Nested

from outcrop.errors import DataError
from outcrop.survey.cells import CellReader, CellSet, join, labelled_cells, lattice_cells, paired_cells, thinned
from outcrop.survey.census import cells_path
from outcrop.survey.sites import SPLITS

Cell = tuple[int, int, int]


def members(nested: Nested, cells: CellSet) -> dict[Cell, int]:
    """(site, row, column) of every cell of a set, and its label; fails if a cell occurs twice."""
    found = {}
    for block in cells.blocks:
        positions = cells.positions(int(block), nested.reader)
        assert len(positions) == cells.counts[block] and (np.diff(positions) > 0).all()
        site = nested.reader.census.blocks[block].site
        for position in positions:
            truth, row, col = nested.cell(int(block), position)
            found[site, row, col] = int(truth.labels[row, col])
    assert len(found) == cells.size
    return found


def usable(nested: Nested, split: str) -> dict[Cell, int]:
    """The same for all usable cells of a split, from the census's own file."""
    found = {}
    for index, (site, truth) in enumerate(zip(nested.sites, nested.truths, strict=True)):
        cells = np.load(cells_path(nested.reader.census.cells, site.name, "one"))
        for row, col in np.argwhere(cells == SPLITS[split]).tolist():
            found[index, row, col] = int(truth.labels[row, col])
    return found


def labelled(nested: Nested, split: str) -> dict[Cell, int]:
    return {cell: label for cell, label in usable(nested, split).items() if label != 255}


@pytest.mark.parametrize("split", SPLITS)
def test_all_labelled_cells(split: str, nested: Nested) -> None:
    assert members(nested, labelled_cells(nested.reader, split, "all", 0)) == labelled(nested, split)


@pytest.mark.parametrize("wanted", [1, 15, 60])
def test_exactly_so_many_of_each_class_where_there_are_so_many(wanted: int, nested: Nested) -> None:
    there = Counter(labelled(nested, "train").values())
    found = members(nested, labelled_cells(nested.reader, "train", wanted, 3))
    assert found.items() <= labelled(nested, "train").items()
    assert Counter(found.values()) == {c: min(wanted, n) for c, n in there.items()}
    assert min(there.values()) < 60 < max(there.values())  # else the last case tests nothing


def test_draws_follow_from_the_seed(nested: Nested) -> None:
    def draw(seed: int) -> list[dict[Cell, int]]:
        few = labelled_cells(nested.reader, "train", 9, seed)
        pairs = paired_cells(nested.reader, "train", 100, seed)
        return [members(nested, cells) for cells in (few, pairs, thinned(nested.reader, pairs, 20, seed))]

    assert draw(5) == draw(5)
    assert all(one != other for one, other in zip(draw(5), draw(6), strict=True))


@pytest.mark.parametrize("limit", [7, 200, 10**6])
def test_pairs_are_drawn_without_replacement_labelled_or_not(limit: int, nested: Nested) -> None:
    there = usable(nested, "train")
    found = members(nested, paired_cells(nested.reader, "train", limit, 0))
    assert found.items() <= there.items() and len(found) == min(limit, len(there))
    assert limit < 100 or 255 in found.values()


@pytest.mark.parametrize("kind", ["labels", "pairs", "thinned"])
def test_every_cell_is_equally_likely(kind: str, nested: Nested) -> None:
    """Over many seeds the share drawn from every block follows its share of the cells (chi-squared, loosely)."""
    reader, seeds, size = nested.reader, 40, 24
    everything = labelled_cells(reader, "train", "all", 0)
    if kind == "labels":
        drawn = [labelled_cells(reader, "train", size, seed) for seed in range(seeds)]
        there = np.where(everything.counts[:, None] > 0, reader.census.counts, 0)
        expected = (there / there.sum(axis=0) * np.minimum(size, there.sum(axis=0))).sum(axis=1)
    else:
        draw = paired_cells if kind == "pairs" else lambda *a: thinned(reader, everything, *a[2:])
        drawn = [draw(reader, "train", size, seed) for seed in range(seeds)]
        blocks = np.isin(np.arange(len(reader.census.blocks)), reader.census.of_split("train"))
        there = np.where(blocks, reader.census.usable, 0) if kind == "pairs" else everything.counts
        expected = there / there.sum() * size
    found = np.mean([cells.counts for cells in drawn], axis=0)
    used = expected > 0
    assert found[~used].sum() == 0
    error = (found - expected)[used] / np.sqrt(expected[used] / seeds)
    assert np.abs(error).max() < 4.5


def test_within_a_block_cells_are_drawn_evenly(nested: Nested) -> None:
    block = int(np.argmax(labelled_cells(nested.reader, "train", "all", 0).counts))
    hits: Counter[int] = Counter()
    for seed in range(100):
        cells = paired_cells(nested.reader, "train", 150, seed)
        hits.update(cells.positions(block, nested.reader).tolist() if cells.counts[block] else [])
    assert set(hits) == set(nested.reader.usable(block).tolist())
    assert max(hits.values()) < 3.5 * np.mean(list(hits.values()))


def test_thinning_keeps_a_subset_and_leaves_small_sets_alone(nested: Nested) -> None:
    cells = labelled_cells(nested.reader, "val", "all", 0)
    thin = thinned(nested.reader, cells, 30, 1)
    assert thin.size == 30 and members(nested, thin).items() <= members(nested, cells).items()
    assert thinned(nested.reader, thin, 30, 1) is thin


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_the_lattice_follows_the_scene_not_the_block(stride: int, nested: Nested) -> None:
    expected = {
        (site, row, col): label
        for (site, row, col), label in labelled(nested, "test").items()
        if row % stride == 0 and col % stride == 0
    }
    assert members(nested, lattice_cells(nested.reader, "test", stride)) == expected


def test_joined_sets_hold_the_cells_of_either(nested: Nested) -> None:
    few = labelled_cells(nested.reader, "train", 9, 0)
    pairs = paired_cells(nested.reader, "train", 300, 0)
    joined = members(nested, join(nested.reader, few, pairs))
    assert joined == members(nested, few) | members(nested, pairs)
    assert members(nested, join(nested.reader, pairs, few)) == joined
    assert len(joined) < few.size + pairs.size  # they overlap, so that this tests something


@pytest.mark.parametrize("draw", [lambda r: labelled_cells(r, "test", 3, 0), lambda r: lattice_cells(r, "test", 1)])
def test_a_split_without_labels_is_told(draw: Callable[[CellReader], CellSet], nested: Nested) -> None:
    census = nested.reader.census
    blocks = tuple(replace(block, split=1) for block in census.blocks)
    with pytest.raises(DataError, match=r"no labelled cell can be .* in the test blocks; check labels.*\.$"):
        draw(CellReader(nested.sites, replace(census, blocks=blocks)))
