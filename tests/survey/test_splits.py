"""Splits: disjoint, apart by the buffer also in coarse pixels, every class in every split, written once."""

from dataclasses import replace
from math import ceil

import numpy as np
import pytest
from affine import Affine
from conftest import CELL, EAST, SIDE, TinySurvey, write_geotiff

from outcrop.errors import SurveyError
from outcrop.params import Fractions, Split
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.rasters import read_labels, read_split
from outcrop.survey.sites import SPLITS, Scene, Site
from outcrop.survey.splits import block_cores, separate
from outcrop.survey.stratification import stratify

FRACTIONS = Fractions(train=0.6, val=0.2, test=0.2)
THIRDS = np.array([0.6, 0.2, 0.2])


def patch_pixels(row: int, col: int, nesting: Nesting, footprint: int) -> set[tuple[int, int]]:
    """Native pixels of a cell's patch, spelled out."""
    if nesting.coarse == 1:
        half, fine = footprint // 2, nesting.fine
        rows = range((row - half) * fine, (row + half + 1) * fine)
        cols = range((col - half) * fine, (col + half + 1) * fine)
    else:
        half = nesting.patch_side(footprint) // 2
        middle = (row + nesting.row) // nesting.coarse, (col + nesting.col) // nesting.coarse
        rows, cols = (range(m - half, m + half + 1) for m in middle)
    return {(r, c) for r in rows for c in cols}


@pytest.mark.parametrize(
    "nesting",
    [Nesting(), Nesting(fine=2), Nesting(coarse=2), Nesting(coarse=3, row=1, col=2), Nesting(coarse=5, row=3)],
)
@pytest.mark.parametrize("footprint", [3, 5])
def test_no_native_pixel_serves_two_splits(nesting: Nesting, footprint: int) -> None:
    grid, split = Grid(33, 37, Affine.identity()), Split(block=11, buffer=5, fractions=FRACTIONS)
    blocks = np.random.default_rng(5).integers(0, 4, (3, 4)).astype(np.uint8)
    cells = separate(blocks, grid, split, footprint, [nesting] if nesting.coarse > 1 else [])
    users: dict[tuple[int, int], set[int]] = {}
    for row, col in np.argwhere(cells):
        for pixel in patch_pixels(row, col, nesting, footprint):
            users.setdefault(pixel, set()).add(int(cells[row, col]))
    assert max(map(len, users.values())) == 1
    assert set(np.unique(cells)) == {0, 1, 2, 3}


def test_the_buffer_is_exactly_as_wide_as_asked() -> None:
    split, grid = Split(block=9, buffer=5, fractions=FRACTIONS), Grid(27, 31, Affine.identity())
    blocks = np.array([[1, 1, 2, 3], [0, 2, 2, 3], [1, 3, 0, 1]], np.uint8)
    cells = separate(blocks, grid, split, 5, [])
    whole = blocks.repeat(9, 0).repeat(9, 1)[:27, :31]
    reach = ceil(5 / 2)
    for row, col in np.ndindex(27, 31):
        around = whole[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1]
        own = whole[row, col]
        expected = 0 if set(np.unique(around)) - {0, own} else own
        assert cells[row, col] in (0, expected)
        assert cells[row, col] == expected or 0 in whole[max(row - 9, 0) : row + 10, max(col - 9, 0) : col + 10]


def test_the_buffer_holds_across_the_corner_of_empty_blocks() -> None:
    split = Split(block=8, buffer=3, fractions=FRACTIONS)
    cells = separate(np.array([[1, 0], [0, 3]], np.uint8), Grid(16, 16, Affine.identity()), split, 3, [])
    apart = np.abs(np.argwhere(cells == 1)[:, None] - np.argwhere(cells == 3)[None]).max(axis=2)
    assert apart.min() > 3


@pytest.mark.parametrize("nesting", [Nesting(), Nesting(coarse=2), Nesting(coarse=4, row=3, col=1)])
def test_cores_stay_whatever_the_neighbours(nesting: Nesting) -> None:
    grid, split = Grid(64, 70, Affine.identity()), Split(block=32, buffer=9, fractions=FRACTIONS)
    coarse = [nesting] if nesting.coarse > 1 else []
    core = block_cores(grid, split, 9, coarse)
    assert core.any()
    for seed in range(20):
        blocks = np.random.default_rng(seed).integers(0, 4, (2, 3)).astype(np.uint8)
        whole = blocks.repeat(32, 0).repeat(32, 1)[:64, :70]
        assert separate(blocks, grid, split, 9, coarse)[core & (whole > 0)].all()


@pytest.mark.parametrize("seed", range(25))
def test_every_class_with_three_blocks_reaches_every_split(seed: int) -> None:
    rng = np.random.default_rng(seed)
    blocks, classes = int(rng.integers(8, 120)), int(rng.integers(2, 13))
    there = rng.random((blocks, classes)) < rng.choice([0.05, 0.1, 0.3, 0.7], classes)
    cells = there * rng.integers(1, 1000, there.shape)
    counts = np.column_stack([cells, cells.sum(axis=1) + rng.integers(1, 50, blocks)])
    codes = stratify(counts, THIRDS, np.zeros(blocks, np.uint8), seed)
    assert codes.all()
    for each in np.flatnonzero(there.sum(axis=0) >= 3):
        assert set(codes[there[:, each]]) == {1, 2, 3}


def test_shares_are_met_for_every_class_at_once() -> None:
    rng = np.random.default_rng(0)
    cells = rng.gamma(0.5, 100, (300, 4)).astype(np.int64)
    counts = np.column_stack([cells, cells.sum(axis=1) + 10])
    codes = stratify(counts, THIRDS, np.zeros(300, np.uint8), 7)
    found = np.stack([counts[codes == code].sum(axis=0) for code in (1, 2, 3)]) / counts.sum(axis=0)
    np.testing.assert_allclose(found, THIRDS[:, None].repeat(5, 1), atol=0.03)


def test_earlier_blocks_stay_and_empty_ones_get_nothing() -> None:
    counts = np.array([[5, 9], [0, 0], [3, 3], [2, 9], [0, 4], [8, 8]])
    earlier = np.array([0, 0, 3, 3, 2, 0], np.uint8)
    codes = stratify(counts, THIRDS, earlier, 0)
    assert codes[2:5].tolist() == [3, 3, 2] and codes[1] == 0
    assert (stratify(counts, np.array([0, 0, 1.0]), np.zeros(6, np.uint8), 0)[[0, 2, 3, 4, 5]] == 3).all()


def split_of(scene: Scene) -> np.ndarray:
    return read_split(scene, 0, 0, scene.grid.height, scene.grid.width)


def test_a_site_reaches_every_split_with_every_class(tiny_site: Site) -> None:
    scene = tiny_site.scenes[0]
    labels, split = read_labels(scene, 0, 0, SIDE, SIDE), split_of(scene)
    for code in SPLITS.values():
        assert set(np.unique(labels[split == code])) >= {0, 1, 2}


def test_cells_without_data_are_in_no_split(tiny_site: Site) -> None:
    split = split_of(tiny_site.scenes[0])
    assert not split[:3, :3].any() and not split[60:, :2].any()


def add_scene(survey: TinySurvey, shift: float, acquired: str = "2025-07-01", side: int = SIDE) -> None:
    """A second scene, ``shift`` metres to the east."""
    rng = np.random.default_rng(9)
    origin = (EAST + shift, 7_100_000.0)
    values = rng.choice([10, 20, 30], (side, side)).astype(np.uint8)
    write_geotiff(survey.raw / "second/labels.tif", values, origin=origin, nodata=0)
    write_geotiff(survey.raw / "second/elevation.tif", np.ones((side, side), np.int16), origin=origin)
    scenes = survey.entries["sites"]["north"]["scenes"]
    scenes["second"] = {
        "acquired": acquired,
        "rasters": {"elevation": "second/elevation.tif"},
        "labels": "second/labels.tif",
    }


def test_a_split_is_written_once_and_new_scenes_only_add_blocks(tiny_survey: TinySurvey) -> None:
    before = tiny_survey.ingest()
    first = split_of(before.scenes[0])
    add_scene(tiny_survey, shift=SIDE * CELL)
    tiny_survey.entries["params"]["seed"] = 99
    after = tiny_survey.ingest()
    assert [scene.id for scene in after.scenes] == ["first", "second"]
    np.testing.assert_array_equal(split_of(after.scenes[0]), first)
    assert set(np.unique(split_of(after.scenes[1]))) == {0, 1, 2, 3}


def test_other_blocks_would_move_splits_and_are_refused(tiny_survey: TinySurvey) -> None:
    site = tiny_survey.ingest()
    before = split_of(site.scenes[0])
    tiny_survey.entries["params"]["split"]["block"] = 16
    with pytest.raises(SurveyError, match="a block's split never moves"):
        tiny_survey.ingest()
    np.testing.assert_array_equal(split_of(site.scenes[0]), before)


def test_two_scenes_of_one_ground_share_their_blocks(tiny_survey: TinySurvey) -> None:
    add_scene(tiny_survey, shift=0)
    one, other = (split_of(scene) for scene in tiny_survey.ingest().scenes)
    both = (one > 0) & (other > 0)
    assert both.any()
    np.testing.assert_array_equal(one[both], other[both])


def test_scenes_that_overlap_on_different_grids_are_refused(tiny_survey: TinySurvey) -> None:
    add_scene(tiny_survey, shift=10 * CELL)
    with pytest.raises(SurveyError, match="`first` and `second` overlap on different grids"):
        tiny_survey.ingest()


def test_a_sites_own_shares_restrict_its_splits(tiny_survey: TinySurvey) -> None:
    tiny_survey.entries["sites"]["north"]["split"] = {"train": 0.5, "val": 0.5}
    assert set(np.unique(split_of(tiny_survey.ingest().scenes[0]))) == {0, 1, 2}


def test_a_single_split_needs_no_buffer(tiny_survey: TinySurvey) -> None:
    tiny_survey.entries["sites"]["north"]["split"] = {"test": 1.0}
    site = tiny_survey.ingest()
    split = split_of(site.scenes[0])
    assert set(np.unique(split)) == {0, 3}
    assert (split == 0).sum() == 9 + 8  # the corners without data; thermal's last pixel lies outside the site
    assert replace(site.scenes[0], id="first") == site.scenes[0]
