"""Co-registration: planted shifts are found whatever the sensors make of the ground, and nothing is found that is not.

The ground is one map of covers; every sensor gives each cover a value of its own, at its own resolution.
"""

import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import PROJECT, write_geotiff
from scipy import ndimage

from outcrop.survey.coregistration import USED, Shift, measure_shifts
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import Band, Raster, Scene
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
#: Base cells along one side, and how many of the finest pixels one of them has along its side.
SIDE, FINE, MARGIN = 160, 4, 8
NESTINGS = {
    "rgb": Nesting(fine=4),
    "hyperspectral": Nesting(),
    "elevation": Nesting(),
    "thermal": Nesting(coarse=2, row=1, col=0),
    "gamma": Nesting(coarse=3, row=2, col=1),
}
BANDS = {"rgb": 3, "hyperspectral": 9}


def ground(seed: int) -> np.ndarray:
    """Covers on the finest grid, with a margin all around."""
    rng = np.random.default_rng(seed)
    rough = ndimage.gaussian_filter(rng.normal(size=2 * [(SIDE + 2 * MARGIN) * FINE]), 3 * FINE)
    return np.digitize(rough, np.quantile(rough, [0.2, 0.4, 0.6, 0.8]))


def seen(covers: np.ndarray, modality: str, moved: tuple[int, int] = (0, 0)) -> np.ndarray:
    """(bands, rows, columns) of what a sensor sees, its content moved by base cells down and right."""
    rng = np.random.default_rng(len(modality))
    nesting = NESTINGS[modality]
    covers = np.roll(covers, (moved[0] * FINE, moved[1] * FINE), (0, 1))
    bands = []
    for _ in range(BANDS.get(modality, 1)):
        values = rng.permutation(5)[covers] + rng.normal(0, 0.2, covers.shape)
        pixel = FINE * nesting.coarse // nesting.fine
        first = [MARGIN * FINE - offset * FINE for offset in (nesting.row, nesting.col)]
        count = [-(-(SIDE + offset) // nesting.coarse) * nesting.fine for offset in (nesting.row, nesting.col)]
        cut = values[first[0] :, first[1] :][: count[0] * pixel, : count[1] * pixel]
        bands.append(cut.reshape(count[0], pixel, count[1], pixel).mean(axis=(1, 3)))
    return np.stack(bands).astype(np.float32)


def scene_of(folder: Path, images: dict[str, np.ndarray], side: int = SIDE) -> Scene:
    base = Grid(side, side, Affine.identity())
    rasters = {}
    for name, image in images.items():
        path = write_geotiff(folder / f"{name}.tif", image)
        bands = tuple(Band(str(index)) for index in range(len(image)))
        rasters[name] = Raster(
            name, path, NESTINGS[name].grid(base), NESTINGS[name], bands, "1", str(image.dtype), float("nan")
        )
    return Scene("one", base, rasters, folder, folder, (date(2024, 7, 1), date(2024, 7, 1)))


def shifts_of(scene: Scene) -> dict[tuple[str, str], Shift]:
    return {(shift.first, shift.second): shift for shift in measure_shifts(scene)}


PAIRS = [("rgb", "hyperspectral"), ("rgb", "thermal"), ("hyperspectral", "gamma"), ("thermal", "gamma")]


@pytest.mark.parametrize("pair", PAIRS, ids=" and ".join)
@pytest.mark.parametrize("moved", [(0, 0), (1, 0), (-1, 2)])
def test_a_planted_shift_is_found(pair: tuple[str, str], moved: tuple[int, int], tmp_path: Path) -> None:
    covers = ground(3)
    images = {pair[0]: seen(covers, pair[0]), pair[1]: seen(covers, pair[1], moved)}
    found = shifts_of(scene_of(tmp_path, images))[pair]
    coarse = max(NESTINGS[name].coarse for name in pair)
    assert found.pixel == coarse and found.windows >= 6 and found.agreeing >= 5
    tolerance = 0.15 * coarse
    assert (found.down, found.right) == (
        pytest.approx(-moved[0], abs=tolerance),
        pytest.approx(-moved[1], abs=tolerance),
    )


def test_unrelated_images_are_not_measured(tmp_path: Path) -> None:
    images = {name: seen(ground(seed), name) for seed, name in enumerate(NESTINGS)}
    found = shifts_of(scene_of(tmp_path, images))
    assert len(found) == 10
    for shift in found.values():
        assert 6 <= shift.windows <= USED and shift.agreeing < 5
        assert np.isnan([shift.down, shift.right]).all()


def test_windows_without_data_or_structure_are_left_out(tmp_path: Path) -> None:
    covers = ground(4)
    images = {name: seen(covers, name) for name in ("rgb", "hyperspectral", "elevation")}
    images["hyperspectral"][:, : SIDE // 2] = np.nan
    images["elevation"][:] = 7
    found = shifts_of(scene_of(tmp_path, images))
    half = found["rgb", "hyperspectral"]
    assert 6 <= half.windows < 40 and (half.down, half.right) == (pytest.approx(0, abs=0.1),) * 2
    assert found["rgb", "elevation"].windows == found["hyperspectral", "elevation"].windows == 0
    assert np.isnan(found["rgb", "elevation"].down)


def test_a_scene_too_small_for_windows_is_not_measured(tmp_path: Path) -> None:
    images = {name: seen(ground(5), name)[:, :20, :20] for name in ("hyperspectral", "elevation")}
    [shift] = measure_shifts(scene_of(tmp_path, images, side=20))
    assert shift.windows == shift.agreeing == 0 and np.isnan(shift.right)


def test_what_is_derived_is_not_compared(tmp_path: Path) -> None:
    scene = scene_of(tmp_path, {name: seen(ground(6), name) for name in ("rgb", "hyperspectral", "elevation")})
    rgb = replace(scene.rasters["rgb"], derived_from="hyperspectral")
    assert list(shifts_of(replace(scene, rasters=scene.rasters | {"rgb": rgb}))) == [("hyperspectral", "elevation")]


# Real data: four modalities of three regions of Mars, published as co-registered.
MARS = {"rgb": "rgb", "elevation": "elevation", "slope": "slope", "thermal": "thermal_inertia"}


def mars(region: str) -> Scene:
    rasters = {}
    for name, stem in MARS.items():
        path = RAW / "mars" / region / f"{stem}.tif"
        with rasterio.open(path) as dataset:
            grid = Grid(dataset.height, dataset.width, dataset.transform)
            bands = tuple(Band(str(index)) for index in dataset.indexes)
            nodata = 0.0 if name in ("rgb", "thermal") else float("nan")
            rasters[name] = Raster(name, path, grid, Nesting(), bands, "1", dataset.dtypes[0], nodata)
    return Scene("mosaic", grid, rasters, RAW, RAW)


def mutual_information(scene: Scene, first: str, second: str, moved: tuple[int, int]) -> float:
    """Of what varies within some cells, ``second`` moved down and right: values, not edges; signs do not matter."""
    images = []
    for name in (first, second):
        with rasterio.open(scene.rasters[name].path) as dataset:
            image = dataset.read().astype(np.float64)
        image[:, (image == (scene.rasters[name].nodata or 0)).all(axis=0)] = np.nan
        images.append(image.mean(axis=0))
    one, other = images[0], np.roll(images[1], moved, (0, 1))
    whole = ndimage.binary_erosion(np.isfinite(one) & np.isfinite(other), iterations=20)
    ranks = []
    for image in (one, other):
        detail = image - ndimage.gaussian_filter(np.nan_to_num(image), 6)
        edges = np.quantile(detail[whole], np.linspace(0, 1, 25)[1:-1])
        ranks.append(np.digitize(detail[whole], edges))
    joint = np.bincount(ranks[0] * 24 + ranks[1], minlength=576).reshape(24, 24) / whole.sum()
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0, keepdims=True)
    return float((joint[joint > 0] * np.log(joint[joint > 0] / apart[joint > 0])).sum())


@pytest.mark.skipif(not (RAW / "mars").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
@pytest.mark.parametrize("region", ["west", "east", "south"])
def test_what_is_told_of_mars_is_so(region: str) -> None:
    """Slope is computed from elevation; of other pairs, a shift is told only if the values themselves confirm it."""
    scene = mars(region)
    found = shifts_of(scene)
    assert len(found) == 6
    slope = found["elevation", "slope"]
    if region != "west":  # there, slope lies a fraction of a row beside the gradient of elevation
        assert (slope.down, slope.right) == (pytest.approx(0, abs=0.3), pytest.approx(0, abs=0.3))
    for (first, second), shift in found.items():
        if np.hypot(shift.down, shift.right) > 0.5:
            moved = (round(shift.down), round(shift.right))
            told = mutual_information(scene, first, second, moved)
            assert told > mutual_information(scene, first, second, (0, 0)), (first, second, moved)
