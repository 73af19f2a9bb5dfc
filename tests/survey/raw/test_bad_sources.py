"""Raw rasters that cannot be used: a table of them with the sentence that each must give, and damage by chance."""

import random
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from conftest import write_geotiff
from rawfiles import CUBE, Write, mat, mat7, pixels, source, write_envi, write_netcdf

from outcrop.errors import DataError, OutcropError, SurveyError

VRT = '<VRTDataset rasterXSize="5" rasterYSize="5"></VRTDataset>'


def vrt(path: Path) -> None:
    """A VRT that shows another file, under the name of something else."""
    with rasterio.open(write_geotiff(path.parent / "real.tif", CUBE)) as dataset:
        rasterio.shutil.copy(dataset, path, driver="VRT")
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
    "nowhere": (
        "a.tif",
        lambda p: write_geotiff(p, CUBE, transform=rasterio.Affine(10, 0, np.nan, 0, -10, 0)),
        {},
        SurveyError,
        "has no place on any map",
    ),
    "endless pixels": (
        "a.tif",
        lambda p: write_geotiff(p, CUBE),
        {"transform": (1e300, 0, 0, 0, -1e300, 0)},
        SurveyError,
        "has no place on any map",
    ),
    "bands without end": (
        "a.img",
        envi(cube=np.zeros((10_001, 1, 1), np.uint8)),
        {},
        DataError,
        "says that it has 10001 bands",
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
