"""Raw files that are odd but of use: ingested all the same, and what was done to them is said."""

import numpy as np
import pytest
import rasterio
from benches import Bench, Caller
from conftest import CELL, CRS, write_geotiff
from rasterio.warp import calculate_default_transform, reproject

from outcrop.survey.rasters import read_window
from outcrop.survey.sites import read_site


def test_another_crs_is_no_error_but_said(bench: Bench, serverless_call: Caller) -> None:
    path = bench.tiny.raw / "first" / "elevation.tif"
    with rasterio.open(path) as dataset:
        transform, width, height = calculate_default_transform(
            dataset.crs, "EPSG:32626", dataset.width, dataset.height, *dataset.bounds, resolution=CELL / 2
        )
        values = np.zeros((height, width), np.int16)
        reproject(rasterio.band(dataset, 1), values, dst_transform=transform, dst_crs="EPSG:32626", dst_nodata=-9999)
    write_geotiff(path, values, crs="EPSG:32626", transform=transform)
    said = serverless_call(bench, "ingest", str(bench.survey))
    assert said.code == 0
    assert "north, elevation: reprojected from EPSG:32626, bilinear" in said.err
    raster = read_site(bench.root / "data/sites/north").scenes[0].rasters["elevation"]
    found = read_window(raster, 0, 0, raster.grid.height, raster.grid.width)[0]
    assert raster.grid.crs == CRS
    assert np.nanmedian(abs(found[::2, ::2] - bench.tiny.elevation * 0.5)) < 1


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan])
def test_pixels_that_are_no_numbers_have_no_data_and_are_counted(
    value: float, bench: Bench, serverless_call: Caller
) -> None:
    thermal = np.full((64, 64), 300, np.float32)
    thermal[10, 20:36] = value
    write_geotiff(bench.tiny.raw / "first" / "thermal.tif", thermal)
    assert serverless_call(bench, "ingest", str(bench.survey)).code == 0
    raster = read_site(bench.root / "data/sites/north").scenes[0].rasters["thermal"]
    np.testing.assert_array_equal(np.isnan(read_window(raster, 0, 0, 64, 64)[0]), thermal != 300)
    assert "0.4% without data" in serverless_call(bench, "sites", "stats", "north").out
