"""The census: usable cells, counts, statistics and normalisation, each from the full arrays; and who is refused."""

import json
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import TINY_SURVEY, TinySurvey, write_geotiff
from nested import BLOCK, FOOTPRINT, MODALITIES, RANGES, Nested

from outcrop.errors import DataError
from outcrop.record.digests import digest_folder
from outcrop.survey.census import (
    STATISTICS,
    Census,
    Counted,
    Counting,
    Places,
    cells_path,
    load_census,
    take_census,
    training_files,
)
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import read_split, write_cog
from outcrop.survey.sites import SPLITS, Band, Raster, Site


def split_of(site: Site) -> np.ndarray:
    grid = site.scenes[0].grid
    return read_split(site.scenes[0], 0, 0, grid.height, grid.width)


def test_usable_cells_are_those_of_a_split_with_whole_patches(nested: Nested) -> None:
    for site, truth in zip(nested.sites, nested.truths, strict=True):
        expected = split_of(site)
        for row, col in np.argwhere(expected):
            if not truth.whole(row, col):
                expected[row, col] = 0
        found = np.load(cells_path(nested.reader.census.cells, site.name, "one"))
        np.testing.assert_array_equal(found, expected)
        assert set(np.unique(found)) == {0, 1, 2, 3}


def test_counts_of_blocks_and_of_lost_labels(nested: Nested) -> None:
    census = nested.reader.census
    rows = [dict(zip(census.labels, row, strict=True)) for row in zip(*census.labels.values(), strict=True)]
    assert len(rows) == 2 * 3
    for row in rows:
        place = [site.name for site in nested.sites].index(row["site"])
        truth, used = nested.truths[place], np.load(cells_path(census.cells, row["site"], row["scene"])) > 0
        labelled = truth.labels == census.class_names.index(row["class"])
        cells = np.argwhere(labelled)
        assert (row["scene"], row["labelled"], row["usable"]) == ("one", len(cells), (labelled & used).sum())
        assert row["lost"] == sum(not truth.whole(*cell) for cell in cells) > 0
        for name in MODALITIES:
            assert row[f"lost_in_{name}"] == sum(not np.isfinite(truth.patch(name, *cell)).all() for cell in cells)
    for block, counts, usable in zip(census.blocks, census.counts, census.usable, strict=True):
        cells = np.load(cells_path(census.cells, nested.sites[block.site].name, "one"))
        part = np.s_[block.tile.row : block.tile.row + BLOCK, block.tile.col : block.tile.col + BLOCK]
        own, labels = cells[part], nested.truths[block.site].labels[part]
        assert usable == (own > 0).sum() and block.split == own.max()
        assert counts.tolist() == [((labels == c) & (own > 0)).sum() for c in range(3)]
    total = sum((np.load(path) > 0).sum() for path in census.cells.glob("*.npy"))
    assert census.usable.sum() == total
    for split in SPLITS:
        support = sum(c for b, c in zip(census.blocks, census.counts, strict=True) if b.split == SPLITS[split])
        np.testing.assert_array_equal(census.support(split), support)


def test_normalisation_is_that_of_the_pixels_of_training_cells(nested: Nested) -> None:
    for name in MODALITIES:
        values = []
        for site, truth in zip(nested.sites, nested.truths, strict=True):
            raster, nesting = truth.rasters[name], truth.nestings[name]
            rows, cols = np.nonzero(split_of(site) == SPLITS["train"])
            blocks = (rows // BLOCK) * 100 + cols // BLOCK
            for block in np.unique(blocks):
                here = np.zeros(raster.shape[1:], bool)
                r, c = rows[blocks == block], cols[blocks == block]
                if nesting.coarse > 1:
                    here[(r + nesting.row) // 3, (c + nesting.col) // 3] = True
                for i, j in np.ndindex(nesting.fine, nesting.fine):
                    if nesting.coarse == 1:
                        here[r * nesting.fine + i, c * nesting.fine + j] = True
                values.append(raster[:, here])
        together = np.concatenate(values, axis=1).astype(np.float64)
        found = nested.reader.census.normalisation[name]
        np.testing.assert_allclose(found.mean, np.nanmean(together, axis=1), rtol=1e-10)
        np.testing.assert_allclose(found.std, np.nanstd(together, axis=1), rtol=1e-10)


def test_what_test_cells_see_does_not_reach_the_normalisation(tmp_path: Path) -> None:
    """Coarse pixels of eleven cells reach across blocks of eight: those that test patches use are not fitted on."""
    survey = coarse_survey(tmp_path)
    site = survey.ingest()
    ranges = {"elevation": (-1e9, 1e9), "thermal": (-1e9, 1e9)}
    before = take_census([site], 3, ranges, tmp_path / "before").normalisation
    scene = site.scenes[0]
    cells = np.argwhere(split_of(site) == SPLITS["test"])
    for raster in scene.rasters.values():
        nesting, reach = raster.nesting, raster.nesting.patch_side(3) // 2
        seen = np.zeros((raster.grid.height, raster.grid.width), bool)
        for row, col in (cells + np.array([nesting.row, nesting.col])) // nesting.coarse:
            seen[max(row - reach, 0) : row + reach + 1, max(col - reach, 0) : col + reach + 1] = True
        assert 0 < seen.sum() < seen.size
        change(raster, seen)
    after = take_census([site], 3, ranges, tmp_path / "after").normalisation
    assert after == before


def change(raster: Raster, where: np.ndarray) -> None:
    with rasterio.open(raster.path) as dataset:
        stored = dataset.read()
    stored[:, where] = 12_345
    write_cog(raster, [(0, 0, stored)])


def coarse_survey(folder: Path) -> TinySurvey:
    rng = np.random.default_rng(1)
    side = 64
    labels = rng.choice(np.array([10, 20, 30], np.uint8), (side, side))
    write_geotiff(folder / "raw/first/labels.tif", labels)
    write_geotiff(folder / "raw/first/elevation.tif", rng.integers(0, 9, (side, side)).astype(np.int16))
    write_geotiff(folder / "raw/first/thermal.tif", rng.normal(0, 1, (6, 6)).astype(np.float32), cell=110.0)
    entries = json.loads(json.dumps(TINY_SURVEY))
    del entries["modalities"]["rgb"], entries["sites"]["north"]["scenes"]["first"]["rasters"]["rgb"]
    entries["params"].update(distil={"rungs": ["all", ["thermal"]]})
    none = np.empty(0)
    return TinySurvey(folder / "raw", folder / "sites", entries, labels, none, none, none)


def test_statistics_of_every_band(nested: Nested) -> None:
    columns = nested.reader.census.bands
    rows = {
        tuple(map(str, key)): dict(zip(columns, row, strict=True))
        for key, row in zip(
            zip(columns["site"], columns["modality"], columns["band"], strict=True),
            zip(*columns.values(), strict=True),
            strict=True,
        )
    }
    assert len(rows) == len(columns["band"]) == 2 * (3 + 1 + 2)
    for site, truth in zip(nested.sites, nested.truths, strict=True):
        for modality in ("rgb", "elevation"):  # pixels of a coarser one belong to more than one block
            low, high = RANGES[modality]
            for band, values in zip(site.scenes[0].rasters[modality].bands, truth.rasters[modality], strict=True):
                row, seen = rows[site.name, modality, band.name], values[np.isfinite(values)].astype(np.float64)
                assert row["pixels"] == values.size
                assert row["nodata_share"] == pytest.approx(1 - seen.size / values.size)
                assert row["outside_share"] == pytest.approx(np.mean((seen < low) | (seen > high)))
                assert row["saturated_share"] == pytest.approx(np.mean(seen >= high))
                assert (row["minimum"], row["maximum"]) == (seen.min(), seen.max())
                assert (row["mean"], row["std"]) == (pytest.approx(seen.mean()), pytest.approx(seen.std()))
                assert row["duplicate_of"] == ""


def test_a_census_is_read_back_as_it_was_taken(nested: Nested) -> None:
    taken, read = nested.reader.census, load_census(nested.folder / "census")
    for name in ("counts", "usable"):
        np.testing.assert_array_equal(getattr(read, name), getattr(taken, name))
    for name in STATISTICS:
        stored, known = getattr(read, name), getattr(taken, name)
        assert list(stored) == list(known)
        for column in known:
            np.testing.assert_array_equal(stored[column], known[column])
    blank = dict.fromkeys(("counts", "usable", *STATISTICS))
    assert replace(read, **blank) == replace(taken, **blank)


def test_what_is_only_told_is_not_trained_on(nested: Nested, tmp_path: Path) -> None:
    """Taken again with other ranges, the census tells of other values out of range; the training files are the same."""
    ranges = {name: (low / 2, high / 2) for name, (low, high) in RANGES.items()}
    again = take_census(nested.sites, FOOTPRINT, ranges, tmp_path)
    assert (again.bands["outside_share"] != nested.reader.census.bands["outside_share"]).any()
    before, after = training_files(nested.folder / "census"), training_files(tmp_path)
    assert [path.name for path in after] == ["census.json", "blocks.npz", "east.one.npy", "west.one.npy"]
    assert [path.read_bytes() for path in after] == [path.read_bytes() for path in before]


def test_scenes_that_are_counted_elsewhere_and_come_in_any_order_give_the_same(nested: Nested, tmp_path: Path) -> None:
    """Each is counted by a copy, as in another process."""
    told: list[int] = []

    def backwards(count: Counting, places: Places) -> Iterator[Counted]:
        for place in reversed(places):
            yield deepcopy(deepcopy(count)(place))

    take_census(nested.sites, FOOTPRINT, RANGES, tmp_path, told.append, backwards)
    assert digest_folder(tmp_path) == digest_folder(nested.folder / "census") and told == [30, 30]


def with_raster(site: Site, **changes: object) -> Site:
    scene = site.scenes[0]
    rasters = {**scene.rasters, "thermal": replace(scene.rasters["thermal"], **changes)}
    return replace(site, scenes=(replace(scene, rasters=rasters),))


def without_thermal(site: Site) -> Site:
    scene = site.scenes[0]
    return replace(site, scenes=(replace(scene, rasters={"rgb": scene.rasters["rgb"]}),))


BAD_LAYOUTS = {
    "buffer": (lambda site: replace(site, buffer=3), "buffer of 3 cells, less than the footprint of 5"),
    "classes": (lambda site: replace(site, classes=site.classes[:2]), "other classes than the survey's first"),
    "modality": (without_thermal, "modality elevation is not in every scene"),
    "bands": (lambda site: with_raster(site, bands=(Band("one"),)), "thermal has another number of bands than in east"),
    "finer": (lambda site: with_raster(site, nesting=Nesting(fine=2)), "thermal has another resolution than in east"),
    # 5 cells are 3 pixels of 3 and of 4 cells alike
    "coarser": (lambda site: with_raster(site, nesting=Nesting(coarse=4)), "thermal has another resolution"),
}


@pytest.mark.parametrize("name", BAD_LAYOUTS)
def test_sites_that_do_not_go_together_are_refused(name: str, nested: Nested, tmp_path: Path) -> None:
    damage, message = BAD_LAYOUTS[name]
    with pytest.raises(DataError, match=message) as caught:
        take_census([nested.sites[0], damage(nested.sites[1])], FOOTPRINT, RANGES, tmp_path)
    assert "west, scene one" in str(caught.value) and ";" in str(caught.value)


def test_progress_tells_of_every_block(nested: Nested, tmp_path: Path) -> None:
    told: list[int] = []
    census = take_census(nested.sites[:1], FOOTPRINT, RANGES, tmp_path, told.append)
    assert isinstance(census, Census) and sum(told) == 6 * 5
