"""The same cells of several dates are compared, and what is new to the model is told block by block."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import SIDE

from outcrop.field.drift import Measured
from outcrop.field.watched import Drift, Sign, Usual, examine_scene, quantities_of, watch
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import Band, Raster, Scene, Site

USUAL = Usual(Measured(0.02, 0.5, 0.015), unfamiliar=0.2, level=0.05)


def brighter(scene: Scene, folder: Path, gain: float) -> Scene:
    """The scene with another RGB raster."""
    raster = scene.rasters["rgb"]
    with rasterio.open(raster.path) as dataset:
        profile, values = dataset.profile, dataset.read()
    with rasterio.open(folder / "rgb.tif", "w", **profile) as dataset:
        dataset.write(np.clip(np.rint(values * gain), 0, 255).astype(np.uint8))
    return replace(scene, rasters=scene.rasters | {"rgb": replace(raster, path=folder / "rgb.tif")})


def look(scene: Scene, accepted: list[Scene], strange: np.ndarray | None = None) -> Drift:
    return examine_scene(scene, accepted, ["rgb"], strange, USUAL, side=8, cells=200, seed=1)


def test_watched_cells_are_means_of_the_same_cells(tiny_site: Site, tmp_path: Path) -> None:
    scene = tiny_site.scenes[0]
    (seen,) = watch([scene.rasters["rgb"]], 200, 1)
    pixels = read_window(scene.rasters["rgb"], 0, 0, 2 * SIDE, 2 * SIDE)
    means = {tuple(row) for row in pixels.reshape(3, SIDE, 2, SIDE, 2).mean((2, 4)).reshape(3, -1).T.round(2)}
    assert {tuple(row) for row in seen.round(2)} <= means and 150 < len(seen) <= 208
    first, second = watch([scene.rasters["rgb"], brighter(scene, tmp_path, 0.5).rasters["rgb"]], 200, 1)
    np.testing.assert_allclose(second / first, 0.5, atol=0.02)


def test_a_camera_that_has_become_brighter_is_told(tiny_site: Site, tmp_path: Path) -> None:
    scene = tiny_site.scenes[0]
    assert look(scene, [scene]).kind == "none"
    found = look(brighter(scene, tmp_path, 0.85), [scene])
    assert found.kind == "sensor" and found.compared == 1 and found.tests == 1
    assert [(sign.where, sign.name) for sign in found.signs] == [("rgb", "gain")] and "-1" in found.signs[0].sentence
    assert found.untold == ("of rgb, a shift of the wavelengths is not told with 3 bands",)


def test_dates_on_another_grid_are_not_compared(tiny_site: Site) -> None:
    scene = tiny_site.scenes[0]
    moved = replace(scene, grid=replace(scene.grid, height=scene.grid.height - 1))
    found = look(moved, [scene])
    assert (found.kind, found.compared, found.tests) == ("none", 0, 0)


@pytest.mark.parametrize(("share", "kind"), [(0.15, "none"), (0.5, "unclear")])
def test_ground_that_is_new_to_the_model_is_told(share: float, kind: str, tiny_site: Site) -> None:
    strange = (np.random.default_rng(0).random((SIDE, SIDE)) < share).astype(np.uint8)
    strange[:3] = 255
    found = look(tiny_site.scenes[0], [], strange)
    assert found.kind == kind and found.unfamiliar == pytest.approx(share, abs=0.02)


def raster_of(bands: int, *, wavelengths: bool, derived: bool = False) -> Raster:
    named = tuple(Band(str(band), 0.4 + 0.01 * band if wavelengths else None) for band in range(bands))
    return Raster("any", Path(), None, None, named, "1", "uint8", None, derived_from="x" if derived else None)  # type: ignore[arg-type]


TOLD = [
    (raster_of(224, wavelengths=True), False, ("gain", "shift", "new")),
    (raster_of(4, wavelengths=True), False, ("gain",)),
    (raster_of(3, wavelengths=False), True, ("gain",)),
    (raster_of(3, wavelengths=False), False, ()),
    (raster_of(1, wavelengths=False), True, ()),
    (raster_of(12, wavelengths=True, derived=True), True, ()),
]


@pytest.mark.parametrize(("raster", "is_input", "told"), TOLD)
def test_what_can_be_told_depends_on_the_bands(raster: Raster, is_input: bool, told: tuple[str, ...]) -> None:
    assert quantities_of(raster, is_input) == told


def test_sensor_and_ground_are_told_apart() -> None:
    def kind(*names: str) -> str:
        return Drift(tuple(Sign("rgb", name, "", 0.0) for name in names), 1, 3, None).kind

    assert kind("gain", "unfamiliar") == kind("shift") == "sensor"
    assert kind("new") == "geology" and kind("new", "gain") == "sensor and geology"
    assert kind("unfamiliar") == "unclear" and kind() == "none"
