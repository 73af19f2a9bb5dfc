"""Point clouds against chosen truths: points made for each cell, and what every measure of them must be."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from clouds import CELL, GRID, RETURNS, check, lay, make_points, make_survey, one_sentence, read, terrain, write_points
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.entries import RasterEntry
from outcrop.survey.geotiffs import grid_of
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.raw import returns
from outcrop.survey.raw.pointclouds import NO_GROUND, fill, is_point_cloud
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))


@pytest.mark.parametrize(("name", "point_format"), [("a.las", 1), ("a.las", 6), ("a.LAZ", 3), ("a.laz", 7)])
def test_every_measure_of_points_made_for_each_cell(tmp_path: Path, name: str, point_format: int) -> None:
    write_points(tmp_path / name, make_points(), point_format=point_format)
    layer = lay(tmp_path, files=(name,))
    found = read(layer)
    check(found, terrain=terrain(), height=12.0, surface=terrain() + 12, intensity=30.0, density=3 / CELL**2)
    raster = layer.raster
    assert (raster.grid, raster.nesting, raster.dtype, raster.unit) == (GRID, Nesting(), "float32", "m")
    assert np.isnan(raster.nodata) and raster.notes == ()
    check(read(layer), **found)  # it can be read again


def test_the_bands_come_in_the_order_of_the_survey(tmp_path: Path) -> None:
    write_points(tmp_path / "a.las", make_points())
    layer = lay(tmp_path, survey=make_survey(["density", "terrain"], scale=0.5, offset=1.0))
    assert list(read(layer)) == ["density", "terrain"]
    assert (layer.raster.scale, layer.raster.offset) == (0.5, 1.0)


def test_cells_without_any_return_have_no_data(tmp_path: Path) -> None:
    points = make_points()
    empty = np.zeros((6, 8), bool)
    empty[2, 3:5] = empty[:, 7] = True
    kept = np.tile(~empty.ravel(), len(RETURNS))
    kept[3 * 48 + 19] = True  # only a bird in (2, 3)
    write_points(tmp_path / "a.las", {name: values[kept] for name, values in points.items()})
    for values in read(lay(tmp_path)).values():
        np.testing.assert_array_equal(np.isnan(values), empty)


def test_terrain_under_the_trees_is_interpolated(tmp_path: Path) -> None:
    points = make_points()
    kept = np.ones(len(points["x"]), bool)
    kept[[17, 18, 19, 25, 26, 27]] = False  # the ground of rows 2 and 3, columns 1 to 3
    write_points(tmp_path / "a.las", {name: values[kept] for name, values in points.items()})
    found = read(lay(tmp_path))
    np.testing.assert_allclose(found["terrain"], terrain(), atol=0.1)
    np.testing.assert_allclose(found["height"], 12, atol=0.1)


def test_gaps_on_a_slope_are_filled_and_what_is_known_stays() -> None:
    rows, cols = np.mgrid[:40, :50]
    plane = (100 + 0.3 * cols + 0.2 * rows).astype(np.float32)
    known = np.ones(plane.shape, bool)
    known[10:16, 20:26] = known[::3, ::4] = False
    known[:, 45:] = False
    filled = fill(np.where(known, plane, np.inf), known)
    np.testing.assert_array_equal(filled[known], plane[known])
    np.testing.assert_allclose(filled[:, 2:43], plane[:, 2:43], atol=0.35)
    assert filled.min() >= plane.min() and filled.max() <= plane[known].max()


def test_without_ground_returns_the_lowest_are_the_terrain_and_a_note_says_so(tmp_path: Path) -> None:
    points = make_points()
    points["classification"][points["classification"] == 2] = 1
    write_points(tmp_path / "a.las", points)
    layer = lay(tmp_path)
    assert layer.raster.notes == (NO_GROUND,)
    check(read(layer), terrain=terrain(), height=12.0)
    assert lay(tmp_path, survey=make_survey(["density", "surface"])).raster.notes == ()


def test_withheld_returns_and_both_kinds_of_noise_do_not_count(tmp_path: Path) -> None:
    points = make_points()
    birds = points["classification"] == 7
    points["classification"][birds] = np.where(np.arange(birds.sum()) % 2, 18, 5)
    points["withheld"] = birds & (points["classification"] == 5)
    write_points(tmp_path / "a.las", points)
    check(read(lay(tmp_path)), surface=terrain() + 12, density=3 / CELL**2, intensity=30.0)


def test_tiles_are_one_cloud_however_they_are_cut_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = make_points()
    write_points(tmp_path / "a.las", points)
    whole = read(lay(tmp_path))
    monkeypatch.setattr(returns, "CHUNK", 1000)
    tile = np.random.default_rng(1).integers(0, 3, len(points["x"]))
    names = [f"{i}.laz" for i in range(3)]
    for i, name in enumerate(names):
        write_points(tmp_path / name, {key: values[tile == i] for key, values in points.items()})
    for name, values in read(lay(tmp_path, files=names)).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-6)


def test_a_cloud_that_covers_a_part_leaves_the_rest_without_data(tmp_path: Path) -> None:
    write_points(tmp_path / "a.las", make_points())
    grid = Grid(9, 9, GRID.transform @ Affine.translation(4, -2), GRID.crs)
    expected = np.full((9, 9), np.nan)
    expected[2:8, :4] = terrain()[:, 4:]
    check(read(lay(tmp_path, grid=grid)), terrain=expected)


def test_point_clouds_are_known_by_their_suffix() -> None:
    assert is_point_cloud(RasterEntry(files=("x/a.LAZ",))) and not is_point_cloud(RasterEntry(files=("las.tif",)))


FAR = Grid(6, 8, GRID.transform @ Affine.translation(8, 0), GRID.crs)
BARE = Grid(6, 8, GRID.transform)
#: What the survey or the labels say that a good cloud does not allow.
MISFITS: dict[str, tuple[dict[str, Any], str]] = {
    "unknown measure": (
        {"survey": make_survey(["colour"])},
        "`colour` of .*; choose among terrain, height, surface, in",
    ),
    "no measures": ({"survey": make_survey(None)}, "no `bands` say what to measure; choose among terrain"),
    "logarithm": ({"survey": make_survey(log_floor=0.1)}, "`log_floor` .* does not apply"),
    "other files": ({"files": ("a.las", "b.tif")}, "files of `elevation` are point clouds and others .*b.tif"),
    "missing": ({"files": ("b.las",)}, "the raw file is missing .*b.las"),
    "elsewhere": ({"grid": FAR}, "the point cloud and the labels do not overlap .*a.las"),
    "labels without CRS": ({"grid": BARE}, "the point cloud has a CRS, the labels have none"),
    "no such CRS": ({"crs": "EPSG:1"}, "CRS of the point cloud is not known .*; declare"),
    "another planet": ({"crs": "IAU_2015:49900"}, "no way from the point cloud's CRS .Mars .* to that of the labels"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_cloud_that_does_not_fit_is_told_in_one_sentence(name: str, tmp_path: Path) -> None:
    changes, message = MISFITS[name]
    write_points(tmp_path / "a.las", make_points())
    with pytest.raises(SurveyError, match=message) as caught:
        lay(tmp_path, **changes)
    assert one_sentence(caught.value)


# Real forest


@pytest.mark.skipif(not (RAW / "neon").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_height_of_real_trees_agrees_with_the_canopy_model_of_the_same_flight() -> None:
    """NEON's canopy model is made of the same returns, free of pits and with another terrain."""
    ours, theirs = [], []
    for path in sorted((RAW / "neon/CHM").glob("*.tif"))[::5]:
        with rasterio.open(path) as canopy:
            grid = grid_of(canopy)
            theirs.append(canopy.read(1))
        layer = lay(RAW, files=(f"neon/LAS/{path.stem}.las",), survey=make_survey(["height", "terrain"]), grid=grid)
        assert layer.raster.notes == ()
        ours.append(read(layer)["height"])
    height, canopy = np.concatenate(ours), np.concatenate(theirs)
    hit = np.isfinite(height)
    assert hit.mean() > 0.99
    difference = height[hit] - canopy[hit]
    assert np.corrcoef(height[hit], canopy[hit])[0, 1] > 0.93
    assert abs(np.median(difference)) < 0.35 and np.median(np.abs(difference)) < 0.5
