"""The statistics of a site are those that numpy finds in the arrays that were written."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine

from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, LabelClass, Raster, Scene, Site
from outcrop.survey.summaries import count_cells, most_labelled, summarise, windows_of

CLASSES = (LabelClass("basalt", 0, "#444444"), LabelClass("olivine", 1, "#88aa33"))
SIDE = 300  # more than one window


def grid(side: int, crs: str | None = "EPSG:32627") -> Grid:
    cell = 10.0 * SIDE / side
    return Grid(side, side, Affine(cell, 0, 5e5, 0, -cell, 7.1e6), crs)


def store(path: Path, values: np.ndarray, crs: str | None = "EPSG:32627") -> Path:
    layout = {"driver": "GTiff", "count": len(values), "height": values.shape[1], "width": values.shape[2]}
    path.parent.mkdir(parents=True, exist_ok=True)
    where = grid(values.shape[1], crs)
    with rasterio.open(path, "w", **layout, dtype=values.dtype, crs=crs, transform=where.transform) as target:
        target.write(values)
    return path


def raster(path: Path, modality: str, values: np.ndarray, crs: str | None = "EPSG:32627", **fields: Any) -> Raster:
    side = values.shape[1]
    nesting = Nesting(fine=max(1, side // SIDE), coarse=max(1, SIDE // side))
    fields = {"nodata": None, "unit": "K"} | fields
    bands = fields.pop("bands", tuple(Band(f"b{index}") for index in range(len(values))))
    stored = store(path / f"{modality}.tif", values, crs)
    return Raster(modality, stored, grid(side, crs), nesting, bands, dtype=str(values.dtype), **fields)


def scene(folder: Path, rng: np.random.Generator, crs: str | None = "EPSG:32627", **rasters: Raster) -> Scene:
    labels = rng.choice(np.array([0, 1, 255], np.uint8), (1, SIDE, SIDE))
    split = rng.integers(0, 4, (1, SIDE, SIDE)).astype(np.uint8)
    paths = store(folder / "labels.tif", labels, crs), store(folder / "split.tif", split, crs)
    return Scene(folder.name, grid(SIDE, crs), rasters, *paths)


def site(*scenes: Scene) -> Site:
    return Site("north", Path("north"), "tiny", CLASSES, scenes, 8, 3)


def test_bands_are_summarised_over_all_scenes_in_their_unit(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    first, second = (rng.integers(1, 999, (2, SIDE, SIDE)).astype(np.int16) for _ in range(2))
    first[:, 280:] = -9
    fields: dict[str, Any] = {"nodata": -9.0, "scale": 0.5, "offset": 2.0}
    folders = tmp_path / "a", tmp_path / "b"
    scenes = [
        scene(folder, rng, thermal=raster(folder, "thermal", values, **fields, notes=(f"note {folder.name}", "both")))
        for folder, values in zip(folders, (first, second), strict=True)
    ]
    (found,) = summarise(site(*scenes)).modalities
    truth = [
        np.concatenate([first[band, :280].ravel(), second[band].ravel()]).astype(float) * 0.5 + 2 for band in (0, 1)
    ]
    for band, values in zip(found.bands, truth, strict=True):
        expected = (values.min(), values.mean(), values.max(), values.std())
        assert (band.minimum, band.mean, band.maximum, band.std) == pytest.approx(expected, rel=1e-6)
    assert found.nodata_share == pytest.approx(20 / 600)
    assert found.scenes == ("a", "b")
    assert found.notes == ("note a", "both", "note b")
    assert found.pixel == (10, 10)


def test_a_modality_without_data_has_no_values(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    empty = raster(tmp_path / "a", "thermal", np.full((1, SIDE, SIDE), np.nan, np.float32))
    (found,) = summarise(site(scene(tmp_path / "a", rng, thermal=empty))).modalities
    assert (found.nodata_share, found.bands[0].mean) == (1.0, None)


def test_scenes_with_other_bands_are_summarised_apart(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    scenes = [
        scene(tmp_path / name, rng, rgb=raster(tmp_path / name, "rgb", np.ones((count, SIDE, SIDE), np.uint8)))
        for name, count in (("a", 3), ("b", 4), ("c", 3))
    ]
    assert [(len(m.bands), m.scenes) for m in summarise(site(*scenes)).modalities] == [(3, ("a", "c")), (4, ("b",))]


def test_many_bands_and_coarse_pixels(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0, 1, (40, SIDE // 2, SIDE // 2)).astype(np.float32)
    bands = tuple(Band(f"b{index}", 0.4 + 0.05 * index) for index in range(40))
    one = scene(tmp_path / "a", rng, hyperspectral=raster(tmp_path / "a", "hyperspectral", values, bands=bands))
    steps: list[int] = []
    (found,) = summarise(site(one), steps.append).modalities
    assert [band.mean for band in found.bands] == pytest.approx(values.mean(axis=(1, 2)).tolist(), abs=1e-6)
    assert found.wavelengths == pytest.approx((0.4, 2.35))
    assert found.pixel == (20, 20)
    assert sum(steps) == windows_of(site(one))


def test_cells_are_counted_by_class_and_split(tmp_path: Path) -> None:
    one = scene(tmp_path / "a", np.random.default_rng(2))
    with rasterio.open(one.labels) as labels, rasterio.open(one.split) as split:
        codes, parts = labels.read(1), split.read(1)
    counted = count_cells(one, CLASSES)
    for row, code in enumerate((0, 1, 255)):
        assert counted[row].tolist() == [int(((codes == code) & (parts == part)).sum()) for part in (1, 2, 3, 0)]


def test_areas_need_a_crs_in_every_scene(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    placed, lost = scene(tmp_path / "a", rng), scene(tmp_path / "b", rng, crs=None)
    found = summarise(site(placed))
    assert found.areas is not None
    assert found.areas == pytest.approx(found.cells * 100.0)
    both = summarise(site(placed, lost))
    assert both.areas is None
    assert both.cells.sum() == 2 * SIDE**2


def test_the_scenes_with_the_most_labels_in_the_order_of_the_site() -> None:
    cells = [np.array([[count, 0, 0, 0], [999, 0, 0, 0]]) for count in (5, 9, 1, 9, 7)]
    assert most_labelled(cells, 3) == [1, 3, 4]
    assert most_labelled(cells, 9) == [0, 1, 2, 3, 4]
