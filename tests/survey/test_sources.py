"""Raw rasters of every format, made from a known truth by other means than those that read them."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
from affine import Affine
from conftest import CRS, EAST, NORTH, write_geotiff
from scipy.io import netcdf_file, savemat

from outcrop.errors import DataError, OutcropError, SurveyError
from outcrop.survey.entries import RasterEntry
from outcrop.survey.sources import Source, inspect, opened

PLACE = Affine(10, 0, EAST, 0, -10, NORTH)
MAP_INFO = f"map info = {{UTM, 1, 1, {EAST}, {NORTH}, 10, 10, 27, North, WGS-84}}"
#: (bands, height, width), every number another.
CUBE = np.arange(4 * 7 * 5, dtype=np.int16).reshape(4, 7, 5) - 30


def source(folder: Path, *files: str, **entry: Any) -> Source:
    return inspect(folder, RasterEntry(files=files, **entry))


def pixels(raster: Source) -> np.ndarray:
    with opened(raster) as read:
        return read(0, 0, raster.header.height, raster.header.width)


def write_envi(
    path: Path, cube: np.ndarray = CUBE, interleave: str = "bsq", order: str = "<", skip: int = 0, more: str = MAP_INFO
) -> Path:
    """``cube`` (bands, height, width) as a data file and ``<stem>.hdr`` beside it."""
    axes = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}[interleave]
    code = {"u1": 1, "i2": 2, "f4": 4, "f8": 5, "c8": 6, "u2": 12, "i8": 14}[cube.dtype.str[1:]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * skip + cube.transpose(axes).astype(cube.dtype.newbyteorder(order)).tobytes())
    count, lines, samples = cube.shape
    path.with_suffix(".hdr").write_text(
        f"ENVI\ndescription = {{made = by a test,\n  on two lines}}\nsamples = {samples}\nlines = {lines}\n"
        f"bands = {count}\nheader offset = {skip}\nfile type = ENVI Standard\ndata type = {code}\n"
        f"interleave = {interleave}\nbyte order = {int(order == '>')}\n{more}\n"
    )
    return path


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


def write_netcdf(path: Path, *names: str, ascending: bool = False, placed: bool = True, unit: str = "nm") -> Path:
    """Variables (wavelength, y, x) that hold `CUBE`, the later ones higher by 1000 each, in NetCDF 3."""
    with netcdf_file(path, "w") as file:
        for name, size in zip(("wavelength", "y", "x"), CUBE.shape, strict=True):
            file.createDimension(name, size)
        wavelength = file.createVariable("wavelength", "f8", ("wavelength",))
        wavelength[:], wavelength.units = [450.5, 550, 650, 2200], unit
        if placed:
            x, y = file.createVariable("x", "f8", ("x",)), file.createVariable("y", "f8", ("y",))
            x[:], y[:] = EAST + 5 + 10 * np.arange(5), NORTH - 5 - 10 * np.arange(7)[:: -1 if ascending else 1]
            x.standard_name, y.standard_name = "projection_x_coordinate", "projection_y_coordinate"
            x.units = y.units = "m"
            file.createVariable("crs", "i4", ()).crs_wkt = rasterio.CRS.from_string(CRS).to_wkt()
        for place, name in enumerate(names or ("reflectance",)):
            variable = file.createVariable(name, "i2", ("wavelength", "y", "x"))
            variable[:] = CUBE[:, :: -1 if ascending else 1] + 1000 * place
            variable.scale_factor, variable.add_offset, variable._FillValue = 0.5, 1.0, np.int16(-30)
            if placed:
                variable.grid_mapping = "crs"
    return path


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


Write = Callable[[Path], object]


def mat(compressed: bool = False, **arrays: Any) -> Write:
    return lambda path: savemat(path, arrays, do_compression=compressed)


def mat7(**arrays: np.ndarray) -> Write:
    """As MATLAB does: a block of its own before the HDF5 file, arrays with their axes turned round."""

    def write(path: Path) -> None:
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in arrays.items():
                file[name] = array.T
                file[name].attrs["MATLAB_class"] = np.bytes_("double")
            file["title"] = np.zeros((3, 9), np.uint16)
            file["title"].attrs["MATLAB_class"] = np.bytes_("char")
            file.create_group("#refs#")

    return write


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


VRT = '<VRTDataset rasterXSize="5" rasterYSize="5"></VRTDataset>'


def vrt(path: Path) -> None:
    """A VRT that shows another file, under the name of something else."""
    with rasterio.open(write_geotiff(path.parent / "real.tif", CUBE)) as dataset:
        from rasterio.shutil import copy

        copy(dataset, path, driver="VRT")
    path.with_suffix(".hdr").write_text("ENVI\nsamples = 5\nlines = 7\nbands = 1\ndata type = 99\n")


def outside(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["inner/cube"] = h5py.ExternalLink("/etc/passwd", "/x")
        file["other"] = CUBE


def stored_outside(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", (4, 5), "u1", external=[("/etc/passwd", 0, 20)])


def envi_pair(count: int) -> Write:
    def write(path: Path) -> None:
        for suffix in (".img", ".dat")[:count]:
            write_envi(path.with_suffix(suffix))
        path.with_suffix(".hdr").write_text("ENVI\n")

    return write


def header_without(line: str, instead: str = "") -> Write:
    def write(path: Path) -> None:
        header = write_envi(path).with_suffix(".hdr")
        header.write_text(header.read_text().replace(line, instead))

    return write


def envi(**options: Any) -> Write:
    return lambda path: write_envi(path, **options)


IMAGE = CUBE.transpose(1, 2, 0)
BAD_FILES: dict[str, tuple[str, Write, dict[str, Any], type[OutcropError], str]] = {
    "VRT as GeoTIFF": ("a.tif", vrt, {}, DataError, "is not a readable GeoTIFF"),
    "VRT as NetCDF": ("a.nc", vrt, {}, DataError, "is not a readable NetCDF file"),
    "VRT as ENVI": ("a.img", vrt, {}, DataError, "is not a readable ENVI raster"),
    "text as .mat": ("a.mat", lambda p: p.write_text(VRT * 9), {}, DataError, "is not a readable MATLAB file"),
    "no known format": ("a.jpg", lambda p: p.write_text("x"), {}, SurveyError, "has no suffix of a known format"),
    "variable of a GeoTIFF": (
        "a.tif",
        lambda p: write_geotiff(p, CUBE),
        {"variable": "cube"},
        SurveyError,
        "a GeoTIFF has no variable `cube`",
    ),
    "CRS": ("a.tif", lambda p: write_geotiff(p, CUBE), {"crs": "/etc/passwd"}, SurveyError, "CRS `/etc/passwd` is not"),
    "no area": (
        "a.tif",
        lambda p: write_geotiff(p, CUBE),
        {"transform": (10, 0, 0, 10, 0, 0)},
        SurveyError,
        "pixels have no area",
    ),
    "64-bit": ("a.img", envi(cube=CUBE.astype(np.int64)), {}, SurveyError, "the raster holds int64"),
    "complex ENVI": ("a.img", envi(cube=CUBE.astype(np.complex64)), {}, SurveyError, "the raster holds complex64"),
    "header alone": ("a.hdr", envi_pair(0), {}, SurveyError, "the ENVI header has no data file beside it"),
    "two data files": ("a.hdr", envi_pair(2), {}, SurveyError, "several data files, a.dat and a.img"),
    "longer than its header says": (
        "a.img",
        header_without("lines = 7", "lines = 6"),
        {},
        DataError,
        "the header makes it 240 bytes, the file has 280",
    ),
    "no header after all": ("a.img", header_without("ENVI\n"), {}, DataError, "is not an ENVI header"),
    "no lines": ("a.img", header_without("lines = 7"), {}, DataError, "has no number for `lines`"),
    "lines in words": ("a.img", header_without("lines = 7", "lines = many"), {}, DataError, "no number for `lines`"),
    "wavelengths": (
        "a.img",
        envi(more="wavelength = {450, 550, 650}"),
        {},
        DataError,
        "the header lists 3 of `wavelength` for 4 bands",
    ),
    "several variables": (
        "a.nc",
        lambda p: write_netcdf(p, "first", "second"),
        {},
        SurveyError,
        "has several rasters .*; name one as `variable`: first, second",
    ),
    "no such variable": (
        "a.nc",
        lambda p: write_netcdf(p, "first"),
        {"variable": "second"},
        SurveyError,
        "has no raster `second` .*: first",
    ),
    "link out": ("a.mat", outside, {}, SurveyError, "`inner/cube` lies in another file"),
    "link out of NetCDF": ("a.nc", outside, {}, SurveyError, "`inner/cube` lies in another file"),
    "stored elsewhere": ("a.nc", stored_outside, {}, SurveyError, "`cube` lies in another file"),
    "several arrays": (
        "a.mat",
        mat(cube=IMAGE, labels=CUBE[0]),
        {},
        SurveyError,
        "has no single raster .*; name one as `variable`: cube, labels",
    ),
    "no such array": ("a.mat", mat(cube=IMAGE), {"variable": "text"}, SurveyError, "no array of numbers `text`"),
    "no array": ("a.mat", mat(text="abc", z=IMAGE * 1j), {}, SurveyError, "has no single raster"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_sentence(name: str, tmp_path: Path) -> None:
    file, write, entry, error, message = BAD_FILES[name]
    write(tmp_path / file)
    with pytest.raises(error, match=message) as caught:
        source(tmp_path, file, **entry)
    text = str(caught.value)
    assert str(tmp_path) in text and ";" in text and "\n" not in text and text.endswith(".")


def test_an_envi_header_that_leads_out_of_the_folder(tmp_path: Path) -> None:
    write_envi(tmp_path / "raw" / "a.img")
    (tmp_path / "raw" / "a.hdr").rename(tmp_path / "a.hdr")
    (tmp_path / "raw" / "a.hdr").symlink_to(tmp_path / "a.hdr")
    with pytest.raises(SurveyError, match="leads out of the data folder"):
        source(tmp_path / "raw", "a.img")


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


#: How to write the file, and the values that its bytes may be changed to; the NetCDF library does not stand any.
DAMAGED: dict[str, tuple[str, Write, int]] = {
    "MATLAB 5": ("cube.mat", mat(cube=IMAGE, labels=CUBE[0]), 256),
    "MATLAB 5, compressed": ("cube.mat", mat(True, cube=IMAGE, labels=CUBE[0]), 256),
    "MATLAB 7.3": ("cube.mat", mat7(cube=IMAGE), 256),
    "ENVI header": ("cube.hdr", lambda path: write_envi(path.with_suffix(".img")), 128),
    "NetCDF": ("cube.nc", lambda path: write_netcdf(path, "cube"), 0),
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_never_ends_in_anything_but_a_sentence(kind: str, tmp_path: Path) -> None:
    file, write, values = DAMAGED[kind]
    write(tmp_path / file)
    whole, rng, told = (tmp_path / file).read_bytes(), random.Random(0), 0
    for _ in range(150):
        damaged = bytearray(whole)
        if values and rng.random() < 0.7:
            for _ in range(rng.randrange(1, 6)):
                damaged[rng.randrange(len(damaged))] = rng.randrange(values)
        else:
            del damaged[rng.randrange(len(damaged)) :]
        (tmp_path / file).write_bytes(damaged)
        try:
            pixels(source(tmp_path, file, variable=None if kind == "ENVI header" else "cube"))
        except OutcropError:
            told += 1
    assert told > 20
