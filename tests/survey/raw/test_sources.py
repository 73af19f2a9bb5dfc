"""Raw rasters of every format: what they hold and where they lie is what was written."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import CRS, EAST, NORTH, write_geotiff
from rawfiles import CUBE, PLACE, mat, mat7, pixels, source, write_envi, write_netcdf
from scipy.io import savemat

from outcrop.errors import SurveyError
from outcrop.survey.raw.sources import opened


@pytest.mark.parametrize("interleave", ["bsq", "bil", "bip"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("named", ["cube.hdr", "cube.img"])
def test_envi_in_every_layout(interleave: str, order: str, named: str, tmp_path: Path) -> None:
    write_envi(tmp_path / "cube.img", CUBE, interleave, order, skip=11)
    raster = source(tmp_path, named)
    np.testing.assert_array_equal(pixels(raster), CUBE)
    assert raster.grid.transform == PLACE and raster.grid.crs == CRS and raster.dtype == "int16"
    with opened(raster) as read:
        np.testing.assert_array_equal(read(2, 1, 3, 4), CUBE[:, 2:5, 1:5])


@pytest.mark.parametrize("names", [("cube", "cube.hdr"), ("cube.dat", "cube.dat.hdr"), ("CUBE.IMG", "cube.HDR")])
def test_an_envi_header_may_be_named_in_many_ways(names: tuple[str, str], tmp_path: Path) -> None:
    data, header = names
    made = write_envi(tmp_path / "made.bin")
    made.rename(tmp_path / data)
    (tmp_path / "made.hdr").rename(tmp_path / header)
    for name in names:
        np.testing.assert_array_equal(pixels(source(tmp_path, name)), CUBE)


@pytest.mark.parametrize(
    ("unit", "centres", "widths", "micrometres"),
    [
        ("wavelength units = Nanometers", "450.5, 550, 650, 2200", "10, 20, 30, 40", [(0.4505, 0.01), (2.2, 0.04)]),
        ("wavelength units = um", "0.45, 0.55, 0.65, 2.2", "0.01, 0.02, 0.03, 0.04", [(0.45, 0.01), (2.2, 0.04)]),
        ("wavelength units = Micrometers", "8.3, 8.6, 9.1, 11.3", None, [(8.3, None), (11.3, None)]),
        ("", "450, 550, 650, 2200", None, [(0.45, None), (2.2, None)]),
        ("wavelength units = Unknown", "8.3, 8.6, 9.1, 11.3", None, [(8.3, None), (11.3, None)]),
        ("wavelength units = Wavenumber", "900, 950, 1000, 1050", None, [(None, None), (None, None)]),
    ],
)
def test_envi_wavelengths(unit: str, centres: str, widths: str | None, micrometres: Any, tmp_path: Path) -> None:
    lists = f"wavelength = {{\n {centres}}}\n" + (f"fwhm = {{{widths}}}\n" if widths else "")
    write_envi(tmp_path / "cube.img", more=f"{unit}\n{lists}band names = {{a, b c,\n d, e}}")
    bands = source(tmp_path, "cube.hdr").bands
    assert [band.name for band in bands] == ["a", "b c", "d", "e"]
    assert [(band.centre_um, band.fwhm_um) for band in (bands[0], bands[-1])] == micrometres


def test_geotiff_tags_give_names_and_wavelengths(tmp_path: Path) -> None:
    path = write_geotiff(tmp_path / "a.tif", CUBE[:3])
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("blue", "green", "red")
        dataset.update_tags(1, ns="IMAGERY", CENTRAL_WAVELENGTH_UM="0.45", FWHM_UM="0.02")
        dataset.update_tags(2, wavelength="550", wavelength_units="Nanometers")
    bands = source(tmp_path, "a.tif").bands
    assert [(band.name, band.centre_um, band.fwhm_um) for band in bands] == [
        ("blue", 0.45, 0.02),
        ("green", 0.55, None),
        ("red", None, None),
    ]


@pytest.mark.parametrize("ascending", [False, True])
def test_netcdf_on_a_cf_grid(ascending: bool, tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc", ascending=ascending)
    raster = source(tmp_path, "a.nc")
    np.testing.assert_array_equal(pixels(raster), CUBE)
    assert raster.grid.transform == PLACE and raster.grid.crs == CRS
    assert raster.nodata == -30 and raster.header.scaling == (0.5, 1.0)
    assert [band.centre_um for band in raster.bands] == [0.4505, 0.55, 0.65, 2.2]
    assert [band.name for band in raster.bands] == ["1", "2", "3", "4"]


def test_one_of_several_netcdf_variables_is_named(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc", "first", "second", unit="1")
    raster = source(tmp_path, "a.nc", variable="second")
    np.testing.assert_array_equal(pixels(raster), CUBE + 1000)
    assert raster.grid.transform == PLACE and raster.bands[0].centre_um is None


def test_the_first_row_of_a_netcdf_file_without_coordinates_is_on_top(tmp_path: Path) -> None:
    write_netcdf(tmp_path / "a.nc", placed=False)
    raster = source(tmp_path, "a.nc")
    np.testing.assert_array_equal(pixels(raster), CUBE)
    assert not raster.placed


def test_netcdf_4(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.nc", "w") as file:
        file["reflectance"] = CUBE.astype(np.float32)
        file["wavelength"] = np.array([0.45, 0.55, 0.65, 2.2])
        file["wavelength"].attrs["units"] = "micrometers"
        for place, name in enumerate(("wavelength", "y", "x")):
            if name not in file:
                file[name] = np.arange(CUBE.shape[place], dtype=float)
            file[name].make_scale(name)
            file["reflectance"].dims[place].attach_scale(file[name])
    raster = source(tmp_path, "a.nc")
    np.testing.assert_array_equal(pixels(raster), CUBE)
    assert [band.centre_um for band in raster.bands] == [0.45, 0.55, 0.65, 2.2]


@pytest.mark.parametrize("kind", ["5", "5, compressed", "7.3"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "uint16", "int16"])
def test_matlab_arrays(kind: str, dtype: str, tmp_path: Path) -> None:
    cube, path = (CUBE + 30).transpose(1, 2, 0).astype(dtype), tmp_path / "a.mat"
    arrays = {"wavelength": np.arange(4.0)[None], "cube": cube}
    others = {"text": "abc", "empty": np.zeros((0, 0)), "cell": np.array(["a", 1], dtype=object), "struct": {"x": cube}}
    (mat7(**arrays) if kind == "7.3" else mat("compressed" in kind, **others, **arrays))(path)
    raster = source(tmp_path, "a.mat")
    np.testing.assert_array_equal(pixels(raster), CUBE + 30)
    assert raster.dtype == dtype and not raster.placed and raster.header.crs is None
    with opened(raster) as read:
        np.testing.assert_array_equal(read(2, 1, 3, 4), CUBE[:, 2:5, 1:5] + 30)
    assert source(tmp_path, "a.mat", variable="wavelength").grid.width == 4


@pytest.mark.parametrize("kind", ["5", "7.3"])
def test_a_matlab_matrix_is_one_band(kind: str, tmp_path: Path) -> None:
    labels = CUBE[0].astype(np.uint8)
    (mat7 if kind == "7.3" else mat)(gt=labels)(tmp_path / "a.mat")
    np.testing.assert_array_equal(pixels(source(tmp_path, "a.mat")), labels[None])


def test_a_logical_array_holds_bytes(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"mask": CUBE[0] > 0})
    raster = source(tmp_path, "a.mat")
    assert raster.dtype == "uint8" and set(pixels(raster).ravel()) == {0, 1}


def test_files_lie_one_behind_the_other(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", CUBE[:1])
    write_envi(tmp_path / "b.img", CUBE[1:3])
    write_geotiff(tmp_path / "c.tif", CUBE[3:])
    raster = source(tmp_path, "a.tif", "b.img", "c.tif")
    np.testing.assert_array_equal(pixels(raster), CUBE)
    assert [band.name for band in raster.bands] == ["1", "2", "3", "4"]
    with raster.header.open_bands([3, 0, 2]) as read:
        np.testing.assert_array_equal(read(1, 1, 2, 2), CUBE[[3, 0, 2], 1:3, 1:3])


def test_the_survey_places_a_file(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"cube": CUBE.transpose(1, 2, 0)})
    write_geotiff(tmp_path / "wrong.tif", CUBE, crs="EPSG:4326", transform=Affine(1, 0, 3, 0, -1, 2))
    for name in ("a.mat", "wrong.tif"):
        raster = source(tmp_path, name, crs=CRS, transform=tuple(PLACE)[:6])
        assert raster.placed and raster.grid.transform == PLACE and raster.grid.crs == CRS
    assert source(tmp_path, "wrong.tif", crs="EPSG:4258").grid.crs == "EPSG:4258"


def test_side_files_are_read(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", CUBE, crs=None, transform=None)
    (tmp_path / "a.tfw").write_text(f"10\n0\n0\n-10\n{EAST + 5}\n{NORTH - 5}\n")
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"):  # as it is while a site is written
        assert source(tmp_path, "a.tif").transform == PLACE


@pytest.mark.parametrize(
    ("other", "changes", "message"),
    [
        (CUBE[:, :6], {}, "b.tif\\); bring them to one grid"),
        (CUBE, {"origin": (EAST + 10, NORTH)}, "not on the grid of `a.tif`"),
        (CUBE, {"crs": "EPSG:32628"}, "not on the grid of `a.tif`"),
        (CUBE.astype(np.float32), {}, "holds float32, `a.tif` holds int16"),
        (CUBE, {"nodata": -1}, "nodata value is -1.0, that of `a.tif` is None"),
    ],
)
def test_files_that_do_not_belong_together(other: np.ndarray, changes: Any, message: str, tmp_path: Path) -> None:
    write_geotiff(tmp_path / "a.tif", CUBE)
    write_geotiff(tmp_path / "b.tif", other, **changes)
    with pytest.raises(SurveyError, match=message):
        source(tmp_path, "a.tif", "b.tif")
