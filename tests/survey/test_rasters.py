"""Windows: values, units, places, nodata, and what lies outside; and files that are the same whenever written."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import TinySurvey

from outcrop.errors import WorkspaceError
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.rasters import (
    Piece,
    covered_cells,
    pieces,
    read_labels,
    read_split,
    read_window,
    to_unit,
    write_cog,
    write_cogs,
)
from outcrop.survey.sites import Band, Raster, Site


def make_raster(path: Path, values: np.ndarray, **changes: object) -> Raster:
    grid = Grid(*values.shape[1:], Affine(1, 0, 100, 0, -1, 200))
    bands = tuple(Band(f"b{i}") for i in range(len(values)))
    raster = Raster("some", path, grid, Nesting(), bands, "m", str(values.dtype), None)
    raster = replace(raster, **changes)
    write_cog(raster, pieces(grid, lambda r, c, h, w: values[:, r : r + h, c : c + w]))
    return raster


@pytest.mark.parametrize("window", [(0, 0, 5, 7), (-3, -2, 6, 6), (270, 290, 60, 40), (250, 250, 20, 20)])
def test_window_holds_the_pixels_of_its_place_and_nan_outside(tmp_path: Path, window: tuple[int, ...]) -> None:
    values = np.arange(2 * 300 * 310, dtype=np.float32).reshape(2, 300, 310)
    raster = make_raster(tmp_path / "a.tif", values)
    row, col, height, width = window
    around = np.pad(values, ((0, 0), (50, 50), (50, 50)), constant_values=np.nan)
    expected = around[:, row + 50 : row + 50 + height, col + 50 : col + 50 + width]
    np.testing.assert_array_equal(read_window(raster, *window), expected)


def test_window_beside_the_raster_is_empty(tmp_path: Path) -> None:
    raster = make_raster(tmp_path / "a.tif", np.ones((1, 20, 20), np.float32))
    assert np.isnan(read_window(raster, 20, 0, 3, 3)).all()
    assert np.isnan(read_window(raster, -3, -3, 3, 3)).all()


def test_scale_and_offset_give_the_unit(tmp_path: Path) -> None:
    values = np.array([[[100, 200], [300, 65535]]], np.uint16)
    raster = make_raster(tmp_path / "a.tif", values, scale=0.5, offset=-10.0, nodata=65535.0)
    np.testing.assert_array_equal(read_window(raster, 0, 0, 2, 2)[0], [[40, 90], [140, np.nan]])


@pytest.mark.parametrize(
    ("dtype", "nodata", "stored", "empty"),
    [
        ("uint8", 0.0, [[0, 0, 5], [0, 7, 5]], [True, False, False]),  # dark in one band is not missing
        ("uint8", 255.0, [[255, 1, 5], [255, 255, 5]], [True, True, False]),
        ("float32", 0.0, [[0, 1, 5], [0, 0, 5]], [True, True, False]),
        ("float32", float("nan"), [[np.nan, 1, 5], [2, np.inf, 5]], [True, True, False]),
        ("float32", None, [[np.nan, 1, 5], [2, -np.inf, 5]], [True, True, False]),
        ("int16", None, [[0, 0, 5], [0, 7, 5]], [False, False, False]),
    ],
)
def test_a_pixel_without_data_is_nan_in_all_bands(
    dtype: str, nodata: float | None, stored: list[list[float]], empty: list[bool]
) -> None:
    bands = (Band("a"), Band("b"))
    raster = Raster("x", Path(), Grid(1, 3, Affine.identity()), Nesting(), bands, "", dtype, nodata)
    values = to_unit(np.array(stored, dtype=dtype)[:, None], raster)
    np.testing.assert_array_equal(np.isnan(values[:, 0]), [empty, empty])


def test_labels_and_split_are_filled_outside_the_scene(tiny_site: Site, tiny_truth: TinySurvey) -> None:
    scene = tiny_site.scenes[0]
    labels = read_labels(scene, -2, -2, 68, 68)
    np.testing.assert_array_equal(labels[2:-2, 2:-2], tiny_truth.labels)
    split = read_split(scene, -2, -2, 68, 68)
    for values, fill in ((labels, 255), (split, 0)):
        border = np.ones(values.shape, bool)
        border[2:-2, 2:-2] = False
        assert (values[border] == fill).all()


def test_covered_cells_need_all_their_native_pixels(tiny_site: Site) -> None:
    rasters, base = tiny_site.scenes[0].rasters, tiny_site.scenes[0].grid
    rgb = covered_cells(rasters["rgb"], base)
    assert not rgb[:3, :3].any() and rgb.sum() == rgb.size - 9
    elevation = covered_cells(rasters["elevation"], base)
    assert not elevation[60:, :2].any() and elevation.sum() == elevation.size - 8


def test_the_same_pixels_give_the_same_bytes_and_a_valid_cog(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 1000, (20, 300, 300)).astype(np.uint16)
    paths = [make_raster(tmp_path / name, values).path for name in ("a.tif", "b.tif")]
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    assert len(digests) == 1
    with rasterio.open(tmp_path / "a.tif") as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.overviews(1)
        assert dataset.descriptions[3] == "b3"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.tif", "b.tif"]


def test_overviews_of_classes_hold_classes_only(tmp_path: Path) -> None:
    values = np.random.default_rng(0).choice([3, 9], (1, 600, 600)).astype(np.uint8)
    raster = replace(make_raster(tmp_path / "a.tif", values), path=tmp_path / "c.tif", unit="class")
    write_cog(raster, pieces(raster.grid, lambda r, c, h, w: values[:, r : r + h, c : c + w]))
    with rasterio.open(raster.path, overview_level=0) as overview:
        assert set(np.unique(overview.read(1))) == {3, 9}


def test_rasters_written_in_step_are_those_written_alone(tmp_path: Path) -> None:
    asked = []

    def watched(raster: Raster, values: np.ndarray, side: int) -> Iterator[Piece]:
        for row, col, found in pieces(raster.grid, lambda r, c, h, w: values[:, r : r + h, c : c + w], side):
            asked.append((raster.path.name, row * 256 // side, col * 256 // side))
            yield row, col, found

    rng = np.random.default_rng(0)
    fine = rng.integers(0, 1000, (3, 600, 1200)).astype(np.uint16)
    coarse = rng.normal(size=(1, 150, 300)).astype(np.float32)
    alone = [make_raster(tmp_path / "fine.tif", fine), make_raster(tmp_path / "coarse.tif", coarse)]
    (tmp_path / "step").mkdir()
    together = [replace(raster, path=tmp_path / "step" / raster.path.name) for raster in alone]
    sides = (512, 128)
    contents = [watched(r, v, side) for r, v, side in zip(together, (fine, coarse), sides, strict=True)]
    write_cogs(list(zip(together, contents, strict=True)))
    for one, other in zip(alone, together, strict=True):
        assert one.path.read_bytes() == other.path.read_bytes()
    assert [place for name, *place in asked if name == "fine.tif"] == [place for _, *place in asked[1::2]]
    assert [name for name, *_ in asked] == ["fine.tif", "coarse.tif"] * 6


def test_a_raster_that_cannot_be_written_is_a_workspace_error(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError, match="cannot be written"):
        make_raster(tmp_path / "missing" / "a.tif", np.ones((1, 4, 4), np.float32))
