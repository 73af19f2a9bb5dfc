"""Raw rasters of every format with a known truth, written by other means than those that read them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import rasterio
from affine import Affine
from conftest import CRS, EAST, NORTH, SIDE, TinySurvey
from scipy.io import netcdf_file, savemat

from outcrop.survey.entries import RasterEntry
from outcrop.survey.raw.sources import Source, inspect, opened
from outcrop.survey.sites import Raster

PLACE = Affine(10, 0, EAST, 0, -10, NORTH)
MAP_INFO = f"map info = {{UTM, 1, 1, {EAST}, {NORTH}, 10, 10, 27, North, WGS-84}}"
#: (bands, height, width), every number another.
CUBE = np.arange(4 * 7 * 5, dtype=np.int16).reshape(4, 7, 5) - 30
#: The same on the base grid of the tiny survey.
CELLS = np.arange(4 * SIDE * SIDE, dtype=np.int16).reshape(4, SIDE, SIDE)
Write = Callable[[Path], object]


def source(folder: Path, *files: str, **entry: Any) -> Source:
    """What the files in ``folder`` say of themselves."""
    return inspect(folder, RasterEntry(files=files, **entry))


def pixels(raster: Source) -> np.ndarray:
    """All its stored numbers."""
    with opened(raster) as read:
        return read(0, 0, raster.header.height, raster.header.width)


def lay(survey: TinySurvey, path: Path, *, files: Any = None, **modality: Any) -> Raster:
    """Ingest one raw file as the modality ``lwir`` of the tiny survey, instead of all others."""
    survey.entries["modalities"] = {"lwir": {"unit": "K", "range": [-1e6, 1e6], **modality}}
    scene = survey.entries["sites"]["north"]["scenes"]["first"]
    scene["rasters"] = {"lwir": files or str(path.relative_to(survey.raw))}
    survey.entries["params"] |= {"distil": {"rungs": ["all", ["lwir"]]}}
    return survey.ingest().scenes[0].rasters["lwir"]


def stored(raster: Raster) -> np.ndarray:
    """The numbers of a site's raster as they are in the file."""
    with rasterio.open(raster.path) as dataset:
        return dataset.read()


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
