"""Raw rasters laid over the base grid: values at known places, and the sentences for those that do not fit."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import CELL, CRS, EAST, NORTH, SIDE, TinySurvey, write_geotiff
from rasterio.warp import Resampling, reproject, transform, transform_bounds
from rawfiles import CELLS, lay, stored, write_envi

from outcrop.errors import SurveyError
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import Band, Raster

GRID = Affine(CELL, 0, EAST, 0, -CELL, NORTH)


def unit(raster: Raster) -> np.ndarray:
    return read_window(raster, 0, 0, raster.grid.height, raster.grid.width)


def plane(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """A field that is linear in metres, so that bilinear resampling keeps it."""
    return 300 + (x - EAST) / 100 - (y - NORTH) / 50


def centres(grid: Affine, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    return grid @ (cols, rows)


def write_plane(path: Path, place: Affine, height: int, width: int, crs: str = CRS, **profile: Any) -> Path:
    """`plane`, sampled at the pixel centres of a raster in any CRS."""
    x, y = (part.ravel() for part in centres(place, height, width))
    x, y = map(np.array, transform(crs, CRS, x, y))
    values = plane(x, y).reshape(1, height, width).astype(np.float32)
    return write_geotiff(path, values, crs=crs, transform=place, **profile)


def around(crs: str, pixel: float, margin: float = 100.0) -> tuple[Affine, int, int]:
    """Transform, height and width of a raster with square pixels in ``crs`` that holds the base grid."""
    sides = (EAST - margin, NORTH - SIDE * CELL - margin, EAST + SIDE * CELL + margin, NORTH + margin)
    left, bottom, right, top = transform_bounds(CRS, crs, *sides)
    return Affine(pixel, 0, left, 0, -pixel, top), int((top - bottom) / pixel), int((right - left) / pixel)


@pytest.mark.parametrize(
    ("crs", "pixel", "side"),
    [
        ("EPSG:32628", 9.0, 10.0),
        ("EPSG:32628", 4.8, 5.0),
        ("EPSG:32628", 31.0, 30.0),
        ("EPSG:4326", 1.5e-4, 10.0),  # 16.7 m of latitude, 7.3 m of longitude
    ],
)
def test_another_crs_is_reprojected_to_the_nearest_nesting(
    crs: str, pixel: float, side: float, tiny_survey: TinySurvey
) -> None:
    path = write_plane(tiny_survey.raw / "a.tif", *around(crs, pixel), crs)
    raster = lay(tiny_survey, path)
    assert raster.grid.transform.a == side and raster.grid.crs == CRS and raster.dtype == "float32"
    assert raster.notes == (f"reprojected from {crs}, bilinear",)
    values = unit(raster)[0]
    x, y = centres(raster.grid.transform, *values.shape)
    inside = (x < EAST + SIDE * CELL) & (y > NORTH - SIDE * CELL)
    np.testing.assert_allclose(values[inside], plane(x, y)[inside], atol=0.01)


def test_windows_of_a_reprojected_raster_fit_each_other(tiny_survey: TinySurvey) -> None:
    """Against one call of GDAL's for the whole: 640 pixels are three windows a side."""
    place, height, width = around("EPSG:32628", 1.02, margin=-100.0)  # smaller than the base grid
    values = np.sin(np.add.outer(np.arange(height), np.arange(width)) / 10 + [[[0]], [[1]]]).astype(np.float32)
    values[:, 200:210, 300:320] = -9
    path = write_geotiff(tiny_survey.raw / "a.tif", values, crs="EPSG:32628", transform=place, nodata=-9)
    for resampling in ("bilinear", "cubic"):
        found = unit(lay(tiny_survey, path, resampling=resampling))
        expected = np.full((2, 640, 640), np.nan, np.float32)
        reproject(
            np.where(values == -9, np.nan, values),
            expected,
            src_transform=place,
            src_crs="EPSG:32628",
            src_nodata=np.nan,
            dst_transform=GRID @ Affine.scale(0.1),
            dst_crs=CRS,
            dst_nodata=np.nan,
            resampling=Resampling[resampling],
            XSCALE=1,
            YSCALE=1,
        )
        assert 0.1 < np.isnan(expected).mean() < 0.6
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, atol=1e-3)


def test_nearest_keeps_numbers_and_nodata(tiny_survey: TinySurvey) -> None:
    values = np.arange(80 * 80, dtype=np.uint16).reshape(1, 80, 80) + 7
    place = Affine(9, 0, EAST + 3, 0, -9, NORTH - 3)
    path = write_geotiff(tiny_survey.raw / "a.tif", values, transform=place, nodata=5)
    raster = lay(tiny_survey, path, resampling="nearest")
    x, y = centres(GRID, SIDE, SIDE)
    cols, rows = (np.floor(part).astype(int) for part in ~place @ (x, y))
    np.testing.assert_array_equal(stored(raster)[0], values[0, rows, cols])
    assert raster.dtype == "uint16" and raster.nodata == 5 and raster.notes == ("resampled, nearest",)
    write_geotiff(path, values[:, :40], transform=place, nodata=5)
    found = stored(lay(tiny_survey, path, resampling="nearest"))[0]
    assert (found[40:] == 5).all() and (found[:30] == values[0, rows, cols][:30]).all()


def test_a_raster_that_does_not_nest_is_resampled_where_the_survey_says_how(tiny_survey: TinySurvey) -> None:
    path = write_plane(tiny_survey.raw / "a.tif", Affine(7, 0, EAST - 50, 0, -7, NORTH + 50), 130, 130)
    with pytest.raises(SurveyError, match=r"do not nest .*, or state `resampling` of the modality in the survey\.$"):
        lay(tiny_survey, path)
    raster = lay(tiny_survey, path, resampling="cubic")
    np.testing.assert_allclose(unit(raster)[0], plane(*centres(GRID, SIDE, SIDE)), atol=2e-4)
    assert raster.notes == ("resampled, cubic",)


def test_a_raster_that_nests_is_cut_even_so(tiny_survey: TinySurvey) -> None:
    raster = lay(tiny_survey, write_geotiff(tiny_survey.raw / "a.tif", CELLS), resampling="cubic")
    np.testing.assert_array_equal(stored(raster), CELLS)
    assert raster.notes == () and raster.dtype == "int16"


@pytest.mark.parametrize("place", [GRID @ Affine.rotation(30, (32, 32)), Affine(10, 0, EAST, 0, 10, NORTH - 640)])
def test_a_raster_that_is_not_north_up_is_warped_where_the_survey_says_how(
    place: Affine, tiny_survey: TinySurvey
) -> None:
    path = write_plane(tiny_survey.raw / "a.tif", place, SIDE, SIDE)
    with pytest.raises(SurveyError, match=r"is not north-up .*, or state `resampling`"):
        lay(tiny_survey, path)
    values = unit(lay(tiny_survey, path, resampling="bilinear"))[0]
    expected = plane(*centres(GRID, SIDE, SIDE))
    np.testing.assert_allclose(values[10:54, 10:54], expected[10:54, 10:54], atol=1e-3)


def test_a_dark_pixel_does_not_become_a_hole(tiny_survey: TinySurvey) -> None:
    """Of whole numbers with nodata 0, a pixel is missing when all its bands are 0."""
    values = np.full((3, 80, 80), 100, np.uint8)
    values[0, 20, 20], values[:, 40, 40] = 0, 0
    path = write_geotiff(tiny_survey.raw / "a.tif", values, cell=9.5, origin=(EAST - 20, NORTH + 20), nodata=0)
    found = unit(lay(tiny_survey, path, resampling="nearest"))
    assert np.isnan(found).any(axis=0).sum() == 1
    found = unit(lay(tiny_survey, path, resampling="bilinear"))
    assert np.nanmin(found[0]) < 60 and np.nanmin(found[1]) == 100
    assert np.isnan(found).any(axis=0).sum() <= 1


def test_one_crs_under_two_names_is_one(tiny_survey: TinySurvey) -> None:
    wkt = rasterio.CRS.from_string("+proj=utm +zone=27 +ellps=WGS84 +units=m").to_wkt()
    raster = lay(tiny_survey, write_geotiff(tiny_survey.raw / "a.tif", CELLS, crs=wkt))
    np.testing.assert_array_equal(stored(raster), CELLS)
    assert raster.grid.crs == CRS and raster.notes == ()


def test_without_a_crs_rasters_are_resampled_in_their_plane(tiny_survey: TinySurvey) -> None:
    labels = np.full((SIDE, SIDE), 10, np.uint8)
    write_geotiff(tiny_survey.raw / "first/labels.tif", labels, crs=None)
    place = Affine(7, 0, EAST - 50, 0, -7, NORTH + 50)
    with rasterio.open(write_plane(tiny_survey.raw / "a.tif", place, 130, 130)) as dataset:
        values = dataset.read()
    path = write_geotiff(tiny_survey.raw / "a.tif", values, crs=None, transform=place)
    raster = lay(tiny_survey, path, resampling="bilinear")
    np.testing.assert_allclose(unit(raster)[0], plane(*centres(GRID, SIDE, SIDE)), atol=2e-4)
    assert raster.grid.crs is None and raster.notes == ("resampled, bilinear",)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint32", "float32", "float64"])
def test_numbers_are_kept_exactly(dtype: str, tiny_survey: TinySurvey) -> None:
    values = (np.random.default_rng(2).random((2, SIDE, SIDE)) * 200).astype(dtype)
    if dtype.startswith("float"):
        values[:, 3, 4], values[0, 5, 6], values[1, 7, 8] = np.nan, np.inf, -np.inf
    raster = lay(tiny_survey, write_geotiff(tiny_survey.raw / "a.tif", values))
    np.testing.assert_array_equal(stored(raster), values)
    assert raster.dtype == dtype
    np.testing.assert_array_equal(np.isnan(unit(raster)[0]), ~np.isfinite(values).all(axis=0))


def test_log_floor_stores_the_decimal_logarithm(tiny_survey: TinySurvey) -> None:
    values = np.random.default_rng(2).integers(-50, 1000, (1, SIDE, SIDE)).astype(np.int16)
    values[0, 2, 3] = -9999
    path = write_geotiff(tiny_survey.raw / "a.tif", values, nodata=-9999)
    raster = lay(tiny_survey, path, scale=0.01, offset=0.5, log_floor=0.25)
    expected = np.log10(np.maximum(values * 0.01 + 0.5, 0.25))
    expected[0, 2, 3] = np.nan
    np.testing.assert_allclose(stored(raster), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(unit(raster), stored(raster))
    assert (raster.dtype, raster.scale, raster.offset) == ("float32", 1.0, 0.0)
    assert raster.notes == ("decimal logarithm, values under 0.25 raised to it",)


def test_an_envi_cube_becomes_a_site(tiny_survey: TinySurvey) -> None:
    centre = ", ".join(f"{450 + 100 * band}" for band in range(4))
    place = f"map info = {{UTM, 1, 1, {EAST}, {NORTH}, {CELL}, {CELL}, 27, North, WGS-84}}"
    more = f"{place}\nwavelength units = nm\nwavelength = {{{centre}}}\ndata ignore value = 9"
    path = write_envi(tiny_survey.raw / "flight" / "cube.img", CELLS, "bip", more=more)
    raster = lay(tiny_survey, path.with_suffix(".hdr"), approximate=True)
    np.testing.assert_array_equal(stored(raster), CELLS)
    assert raster.bands == tuple(Band(str(n + 1), round(0.45 + n / 10, 9)) for n in range(4))
    assert raster.approximate and raster.nodata == 9


BAD: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "elsewhere": ({"crs": "EPSG:3031"}, {}, "the raster and the labels do not overlap"),
    "no place in the other CRS": ({"crs": "EPSG:4326"}, {}, "the raster and the labels do not overlap"),
    "part, without nodata": (
        {"cell": 7.0},
        {"resampling": "nearest"},
        "covers only a part of the labels and has no nodata value",
    ),
    "bare pixel numbers": (
        {"crs": CRS, "transform": None},
        {"resampling": "nearest"},
        "cannot be laid over each other without georeference",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit_is_one_sentence(name: str, tiny_survey: TinySurvey) -> None:
    profile, modality, message = BAD[name]
    path = write_geotiff(tiny_survey.raw / "a.tif", CELLS, **profile)
    with pytest.raises(SurveyError, match=message) as caught:
        lay(tiny_survey, path, **modality)
    text = str(caught.value)
    assert str(path) in text and ";" in text and "\n" not in text and text.endswith(".")
    assert list(tiny_survey.destination.iterdir()) == []
