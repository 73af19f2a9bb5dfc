"""Derived modalities against chosen truths: spectra whose integrals are known, planes, and brute force."""

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.derive import FWHM, lay_derived, roughness, slope, view
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.rasters import pieces, read_window, write_cog
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.sites import Band, Raster
from outcrop.survey.surveys import DATA_VARIABLE, Survey

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
#: Real reflectance is stored in ten thousandths.
STORED = {"scale": 1e-4, "offset": 0.0, "nodata": -9999.0}
MEASURED = {"unit": "reflectance", "range": [0, 2]}
ELEVATION = {"bands": ["elevation", "error"], "unit": "m", "range": [0, 9000]}


def make_survey(**modalities: dict[str, Any]) -> Survey:
    classes = [{"name": name, "value": value, "colour": "#808080"} for value, name in enumerate(("basalt", "tuff"))]
    return Survey.model_validate({"survey": "s", "classes": classes, "modalities": modalities, "sites": {"a": {}}})


SURVEY = make_survey(
    hyperspectral={"sensor": "neon_ais_idtrees", **MEASURED},
    multispectral={"from": "hyperspectral", "srf": "sentinel2_l2a"},
    visible={"from": "hyperspectral", "srf": "sentinel2_l2a", "bands": ["B04", "B03"]},
    rgb={"from": "multispectral", "bands": ["B04", "B03", "B02"]},
    picked={"from": "hyperspectral", "bands": ["b319", "b001"], "unit": "1"},
    cirrus={"from": "hyperspectral", "srf": "sentinel2"},
    elevation=ELEVATION,
    slope={"from": "elevation", "measure": "slope"},
    roughness={"from": "elevation", "measure": "roughness"},
    seen={"from": "elevation", "srf": "aster"},
    missing={"from": "elevation", "bands": ["slope"]},
    unknown={"from": "elevation", "srf": "hubble"},
)


def write_derived(parent: Raster, modality: str, survey: Survey, target: Path) -> Raster:
    layer = lay_derived(parent, modality, survey, target)
    write_cog(layer.raster, layer.contents())
    return layer.raster


def write_parent(path: Path, modality: str, values: np.ndarray, bands: tuple[Band, ...], **changes: Any) -> Raster:
    grid = Grid(*values.shape[1:], Affine(10, 0, 500_000, 0, -10, 7_000_000), "EPSG:32627")
    raster = Raster(modality, path, grid, Nesting(), bands, "reflectance", str(values.dtype), None)
    raster = replace(raster, **changes)
    write_cog(raster, pieces(grid, lambda row, col, h, w: values[:, row : row + h, col : col + w]))
    return raster


@pytest.fixture
def cube(tmp_path: Path) -> Raster:
    """Some reflectances of the bands of an imaging spectrometer, with one pixel without data."""
    bands = sensor_bands("neon_ais_idtrees")
    values = np.random.default_rng(2).integers(0, 9000, (len(bands), 5, 7)).astype(np.int16)
    values[:, 2, 3] = -9999
    return write_parent(tmp_path / "cube.tif", "hyperspectral", values, bands, approximate=True, **STORED)


def write_elevation(folder: Path, heights: np.ndarray, **changes: Any) -> Raster:
    values = np.stack([heights, np.zeros_like(heights)]).astype(np.float32)
    changes = {"unit": "m", "nodata": float("nan")} | changes
    return write_parent(folder / "elevation.tif", "elevation", values, (Band("elevation"), Band("error")), **changes)


# What another sensor would see


@pytest.mark.parametrize("through", ["neon_ais_idtrees", "aviris"])
def test_a_sensor_sees_level_and_slope_and_curvature_of_a_spectrum_at_its_own_width(through: str) -> None:
    """The Gaussian mean of 1, x and x^2 around a band's centre is 1, 0 and its variance."""
    bands, seen = sensor_bands(through), view(sensor_bands("sentinel2_l2a"), sensor_bands(through))
    centres = np.array([band.centre_um for band in bands])
    widths = np.array([band.fwhm_um for band in bands])
    np.testing.assert_allclose(seen.weights.sum(axis=1), 1)
    for band, weights in zip(seen.bands, seen.weights, strict=True):
        away = centres - band.centre_um
        variance = (band.fwhm_um / FWHM) ** 2
        assert abs(weights @ away) < 0.03 * band.fwhm_um
        assert weights @ (away**2 + (widths / FWHM) ** 2) == pytest.approx(variance, rel=0.06)


def test_weights_do_not_depend_on_the_order_of_the_bands_or_on_others_far_away() -> None:
    target, bands = sensor_bands("sentinel2_l2a")[:3], sensor_bands("aviris")
    weights = view(target, bands).weights
    np.testing.assert_allclose(view(target, bands[::-1]).weights[:, ::-1], weights, atol=1e-12)
    np.testing.assert_allclose(view(target, bands[:40]).weights, weights[:, :40], atol=1e-6)


def test_bands_beside_a_gap_do_not_stand_for_it() -> None:
    bands = tuple(Band(str(i), centre, 0.01) for i, centre in enumerate([0.5, 0.51, 0.52, 0.6, 0.61, 0.62]))
    seen = view((Band("in", 0.51, 0.01), Band("beside", 0.53, 0.02), Band("out", 0.56, 0.03)), bands)
    np.testing.assert_allclose(seen.coverage, [1, 0.38, 0.02], atol=0.02)


def test_bands_without_widths_stand_for_the_distance_to_the_next() -> None:
    bands = tuple(Band(str(i), 0.4 + 0.01 * i) for i in range(30))
    seen = view((Band("green", 0.55, 0.04),), bands)
    wide = view((Band("green", 0.55, 0.04),), tuple(replace(band, fwhm_um=0.01) for band in bands))
    np.testing.assert_allclose(seen.weights, wide.weights)
    assert view((Band("green", 0.55, 0.04),), (Band("alone", 0.55),)).coverage == 0


def test_some_bands_of_another_sensor(cube: Raster, tmp_path: Path) -> None:
    whole = write_derived(cube, "multispectral", SURVEY, tmp_path / "whole.tif")
    some = write_derived(cube, "visible", SURVEY, tmp_path / "some.tif")
    assert [band.name for band in some.bands] == ["B04", "B03"]
    np.testing.assert_allclose(read_window(some, 0, 0, 5, 7), read_window(whole, 0, 0, 5, 7)[[3, 2]], rtol=1e-6)


def test_another_sensor_is_computed_pixel_by_pixel(cube: Raster, tmp_path: Path) -> None:
    raster = write_derived(cube, "multispectral", SURVEY, tmp_path / "out.tif")
    weights = view(sensor_bands("sentinel2_l2a"), cube.bands).weights
    expected = np.einsum("tb,bhw->thw", weights, read_window(cube, 0, 0, 5, 7))
    np.testing.assert_allclose(read_window(raster, 0, 0, 5, 7), expected, rtol=1e-5)
    assert np.isnan(expected[:, 2, 3]).all() and np.isfinite(expected).sum() == 12 * 34
    assert raster.bands == sensor_bands("sentinel2_l2a")
    assert (raster.modality, raster.derived_from, raster.approximate) == ("multispectral", "hyperspectral", True)
    assert (raster.unit, raster.dtype, raster.scale, raster.offset) == ("reflectance", "float32", 1, 0)
    assert (raster.grid, raster.nesting, raster.notes) == (cube.grid, cube.nesting, ())


def test_a_chain_of_derived_modalities(cube: Raster, tmp_path: Path) -> None:
    multispectral = write_derived(cube, "multispectral", SURVEY, tmp_path / "multispectral.tif")
    rgb = write_derived(multispectral, "rgb", SURVEY, tmp_path / "rgb.tif")
    whole = read_window(multispectral, 0, 0, 5, 7)
    np.testing.assert_array_equal(read_window(rgb, 0, 0, 5, 7), whole[[3, 2, 1]])
    assert (rgb.derived_from, rgb.approximate, rgb.bands[0].centre_um) == ("multispectral", True, 0.6646)


def test_a_band_that_rests_on_a_part_of_its_response_is_noted(cube: Raster, tmp_path: Path) -> None:
    short = tuple(band for band in cube.bands if band.centre_um < 2.25)
    part = replace(cube, bands=short)
    layer = lay_derived(part, "multispectral", SURVEY, tmp_path / "out.tif")
    assert layer.raster.notes == ("B12 rests on 75% of its response: the bands of hyperspectral hold no more",)


# Some of the bands


def test_chosen_bands_keep_their_stored_numbers(cube: Raster, tmp_path: Path) -> None:
    raster = write_derived(cube, "picked", SURVEY, tmp_path / "out.tif")
    with rasterio.open(cube.path) as parent, rasterio.open(raster.path) as child:
        names = [band.name for band in cube.bands]
        np.testing.assert_array_equal(child.read(), parent.read([names.index("b319") + 1, 1]))
        assert (child.dtypes[0], child.nodata, child.scales[0]) == ("int16", -9999, 1e-4)
    assert [band.name for band in raster.bands] == ["b319", "b001"]
    assert raster.unit == "1" and raster.bands[1] == cube.bands[0]


# Measures of the terrain


def spelled_out(heights: np.ndarray, cell: tuple[float, float]) -> Iterator[tuple[int, int, float, float]]:
    """Row, column, slope (Horn) and roughness of the cells whose neighbours are all known, one by one."""
    height, width = heights.shape
    for row, col in product(range(1, height - 1), range(1, width - 1)):
        (a, b, c), (d, e, f), (g, h, i) = heights[row - 1 : row + 2, col - 1 : col + 2]
        if np.isfinite([a, b, c, d, e, f, g, h, i]).all():
            x = ((c + 2 * f + i) - (a + 2 * d + g)) / (8 * cell[0])
            y = ((g + 2 * h + i) - (a + 2 * b + c)) / (8 * cell[1])
            rough = max(a, b, c, d, e, f, g, h, i) - min(a, b, c, d, e, f, g, h, i)
            yield row, col, np.degrees(np.arctan((x * x + y * y) ** 0.5)), rough


def test_terrain_measures_against_brute_force_over_several_windows(tmp_path: Path) -> None:
    heights = np.random.default_rng(4).normal(800, 6, (262, 265)).cumsum(axis=1).astype(np.float32) / 100
    heights[100:103, 200] = np.nan
    parent = write_elevation(tmp_path, heights)
    steep = write_derived(parent, "slope", SURVEY, tmp_path / "slope.tif")
    rough = write_derived(parent, "roughness", SURVEY, tmp_path / "roughness.tif")
    slopes, roughs = (read_window(raster, 0, 0, *heights.shape)[0] for raster in (steep, rough))
    rows, cols, expected_slopes, expected_roughs = (
        np.array(column) for column in zip(*spelled_out(heights, (10, 10)), strict=True)
    )
    np.testing.assert_allclose(slopes[rows, cols], expected_slopes, rtol=1e-4)
    np.testing.assert_allclose(roughs[rows, cols], expected_roughs, rtol=1e-5)
    for values in (slopes, roughs):
        np.testing.assert_array_equal(np.isnan(values), np.isnan(heights))
    assert (steep.unit, rough.unit, steep.bands, rough.bands) == ("degree", "m", (Band("slope"),), (Band("roughness"),))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, np.degrees(np.arctan(np.hypot(0.3, 0.2)))),
        ({"grid": Grid(9, 11, Affine(1, 0, 0, 0, -1, 9))}, np.degrees(np.arctan(np.hypot(3, 2)))),
        (
            {"grid": Grid(9, 11, Affine(10, 0, 0, 0, -20, 0), "EPSG:2229")},  # feet of the US survey
            np.degrees(np.arctan(np.hypot(0.3, 0.1) / 0.3048006)),
        ),
    ],
    ids=["metres", "pixels", "feet"],
)
def test_a_plane_has_one_slope_up_to_its_edges_and_holes(
    tmp_path: Path, changes: dict[str, Any], expected: float
) -> None:
    rows, cols = np.mgrid[:9, :11]
    heights = 1000.0 + 3 * cols - 2 * rows
    heights[4, 5:7] = np.nan
    raster = write_derived(write_elevation(tmp_path, heights, **changes), "slope", SURVEY, tmp_path / "slope.tif")
    values = read_window(raster, 0, 0, 9, 11)[0]
    np.testing.assert_allclose(values, np.where(np.isnan(heights), np.nan, expected), rtol=1e-4)


def test_a_lonely_cell_is_flat() -> None:
    heights = np.full((5, 5), np.nan)
    heights[2, 2] = 7
    alone = np.where(np.isnan(heights[1:-1, 1:-1]), np.nan, 0)
    np.testing.assert_array_equal(slope(heights, (1, 1)), alone)
    np.testing.assert_array_equal(roughness(heights), alone)


# What does not work

Bad = tuple[str, Callable[[Path], Raster], str]


def elevation(**changes: Any) -> Callable[[Path], Raster]:
    return lambda folder: write_elevation(folder, np.ones((4, 4)), **changes)


def spectrometer(folder: Path) -> Raster:
    bands = sensor_bands("neon_ais_idtrees")
    return write_parent(folder / "cube.tif", "hyperspectral", np.ones((len(bands), 2, 2), np.int16), bands)


BAD: dict[str, Bad] = {
    "no wavelengths": ("seen", elevation(), "bands of `elevation` have no wavelengths, `aster` cannot .*; declare"),
    "not covered": ("cirrus", spectrometer, "`hyperspectral` do not cover B10 of `sentinel2` .*; name the others"),
    "no such sensor": ("unknown", elevation(), "the sensor `hubble` is not known"),
    "no such band": ("missing", elevation(), "which `missing` is derived from, has no band `slope`; choose among"),
    "degrees": (
        "slope",
        elevation(grid=Grid(4, 4, Affine(0.001, 0, 10, 0, -0.001, 50), "EPSG:4326")),
        "`elevation` lies on a grid in degrees, a slope needs metres .*; reproject",
    ),
    "feet": ("slope", elevation(unit="ft"), "`elevation` is in `ft`, a slope needs metres .*; declare the unit m"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_the_parent_does_not_allow_is_one_sentence(name: str, tmp_path: Path) -> None:
    modality, parent, message = BAD[name]
    with pytest.raises(SurveyError, match=message) as caught:
        write_derived(parent(tmp_path), modality, SURVEY, tmp_path / "out.tif")
    assert "\n" not in str(caught.value) and not (tmp_path / "out.tif").exists()


# Real spectra

#: Largest root mean square error of reflectance by band, against the measured response; most of it is because a real
#: response is no Gaussian.
ERRORS = {"B02": 0.004, "B08": 0.004, "B12": 0.006} | dict.fromkeys(["B05", "B11"], 0.003)


@pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
@pytest.mark.parametrize("through", ["neon_ais_idtrees", "aviris"])
def test_real_rocks_look_as_through_the_measured_responses(through: str) -> None:
    library = np.load(RAW / "spectra/vswir.npz")
    wavelength, stored = library["wavelength_um"], library["refl_u16"]
    whole = (stored[:, wavelength > 0.36] < 65535).all(axis=1)
    spectra = np.where(stored[whole] < 65535, stored[whole] * 1e-4, 0)
    assert len(spectra) > 400
    bands = sensor_bands(through)
    measured = np.stack([np.exp(-4 * np.log(2) * ((wavelength - b.centre_um) / b.fwhm_um) ** 2) for b in bands])
    measured = spectra @ (measured / measured.sum(axis=1, keepdims=True)).T
    curves = defaultdict(list)
    with (RAW / "spectra/srf.csv").open() as table:
        for row in csv.DictReader(table):
            if row["sensor"] == "Sentinel2A_MSI":
                name = row["band"][1:]
                curves["B" + name.zfill(2)].append((float(row["wavelength_um"]), float(row["response"])))
    seen = view(sensor_bands("sentinel2_l2a"), bands)
    for band, weights in zip(seen.bands, seen.weights, strict=True):
        response = np.interp(wavelength, *np.array(curves[band.name]).T, left=0, right=0).clip(min=0)
        truth = spectra @ (response / response.sum())
        error = np.sqrt(np.mean((measured @ weights - truth) ** 2))
        assert error < ERRORS.get(band.name, 0.002), band.name
