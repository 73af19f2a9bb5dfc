"""Raw rasters as a user brings them: what they say of themselves, read without trusting that they end well."""

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import hypot
from pathlib import Path
from typing import Any

import pyproj
from affine import Affine
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.crs import CRS
from rasterio.errors import RasterioError

from outcrop.errors import DataError, SurveyError
from outcrop.survey.entries import RasterEntry
from outcrop.survey.geotiffs import crs_name
from outcrop.survey.grids import Grid
from outcrop.survey.raw.envi import envi_header, pair
from outcrop.survey.raw.headers import Header, Opener, Read, geotiff_header
from outcrop.survey.raw.matfiles import mat_header
from outcrop.survey.raw.netcdfs import netcdf_header
from outcrop.survey.raw.stacks import stack
from outcrop.survey.sites import Band
from outcrop.survey.surveys import DATA_VARIABLE

DTYPES = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}
#: A raster with more bands is taken for a damaged one: it would be read for hours, to no end.
MOST_BANDS = 10_000
#: Formats that are known by their suffix. ENVI rasters have any; a header lies beside them.
FORMATS = {
    **dict.fromkeys((".tif", ".tiff"), "GeoTIFF"),
    **dict.fromkeys((".nc", ".nc4", ".cdf"), "NetCDF file"),
    ".mat": "MATLAB file",
}
#: What the readers of the formats raise on a damaged file.
UNREADABLE = (
    *(RasterioError, CPLE_BaseError, struct.error, zlib.error),
    *(OSError, ValueError, KeyError, TypeError, RuntimeError),
)


@dataclass(frozen=True)
class Source:
    """A raw raster: its file, or its files one behind the other as bands, as they and the survey describe them.

    ``path`` is the first file, ``raw`` the folder that the survey's paths are relative to. Bands that the files do not
    name are called by their number, from "1".
    """

    path: Path
    raw: Path
    header: Header

    @property
    def bands(self) -> tuple[Band, ...]:
        """Its bands, each with the wavelengths that the files give."""
        return self.header.bands

    @property
    def count(self) -> int:
        """Number of bands."""
        return len(self.bands)

    @property
    def dtype(self) -> str:
        """Type of the stored numbers."""
        return self.header.dtype

    @property
    def nodata(self) -> float | None:
        """The stored number that means "no data"; None where the file names none."""
        return self.header.nodata

    @property
    def placed(self) -> bool:
        """Whether it has a georeference, not bare pixel numbers."""
        return self.header.transform is not None

    @property
    def transform(self) -> Affine:
        """From column and row to the CRS. Bare pixel numbers count downwards; here the first row is on top."""
        return self.header.transform or Affine(1, 0, 0, 0, -1, self.header.height)

    @property
    def upright(self) -> bool:
        """Whether it is north-up."""
        t = self.transform
        return not t.b and not t.d and t.a > 0 and t.e < 0

    @property
    def grid(self) -> Grid:
        """Its grid.

        Raises
        ------
        SurveyError : it is not north-up.
        """
        if not self.upright:
            raise SurveyError("the raster is not north-up", where=self.path, remedy="warp it to a north-up grid first")
        return Grid(self.header.height, self.header.width, self.transform, self.header.crs)


def inspect(raw: Path, entry: RasterEntry) -> Source:
    """Read the headers of a raw raster's files.

    Raises
    ------
    SurveyError : a file is missing, leads out of the data folder, is of no known format, holds no such variable or no
        plain numbers, or does not fit the others.
    DataError : a file is damaged.
    """
    paths = [raw_file(raw, relative) for relative in entry.files]
    headers = [_placed(_read_header(raw, path, entry.variable), entry, path) for path in paths]
    header = stack(headers, paths)
    if len(header.bands) > MOST_BANDS:
        raise DataError(
            f"the raster says that it has {len(header.bands)} bands, more than any sensor",
            where=paths[0],
            remedy="copy or export it again",
        )
    if header.dtype not in DTYPES:
        raise SurveyError(f"the raster holds {header.dtype}", where=paths[0], remedy="convert it to integers or floats")
    return Source(paths[0], raw, replace(header, bands=_named(header.bands)))


def _named(bands: tuple[Band, ...]) -> tuple[Band, ...]:
    names = {band.name for band in bands}
    if "" not in names and len(names) == len(bands):
        return bands
    return tuple(replace(band, name=str(place + 1)) for place, band in enumerate(bands))


@contextmanager
def opened(source: Source) -> Iterator[Read]:
    """Open a raw raster; what this yields reads a window inside it.

    ``read(row, col, height, width)`` gives (bands, height, width), stored numbers.

    Raises
    ------
    DataError : a file cannot be read to its end.
    """
    with source.header.open_bands(range(source.count)) as read:
        yield read


def raw_file(raw: Path, relative: str) -> Path:
    """The path of a raw file, made sure to be a file that lies in the data folder.

    Raises
    ------
    SurveyError : it is missing, or leads out of the data folder.
    """
    path = raw / relative
    if not path.resolve().is_relative_to(raw.resolve()):
        raise SurveyError("the raw file leads out of the data folder", where=path, remedy="put the file itself there")
    if not path.is_file():
        remedy = f"check the survey's path and {DATA_VARIABLE}"
        raise SurveyError("the raw file is missing", where=path, remedy=remedy)
    return path


@contextmanager
def reading(path: Path, problem: str) -> Iterator[None]:
    """Tell a failure to read a raw file as one sentence: it ``problem``."""
    try:
        yield
    except UNREADABLE as cause:
        raise DataError(f"the raw file {problem}", where=path, remedy="copy or export it again") from cause


def _read_header(raw: Path, path: Path, variable: str | None) -> Header:
    suffix = path.suffix.lower()
    format_ = FORMATS.get(suffix, "ENVI raster")
    if variable is not None and format_ in ("GeoTIFF", "ENVI raster"):
        raise SurveyError(f"a {format_} has no variable `{variable}`", where=path, remedy="take `variable` out")
    with reading(path, f"is not a readable {format_}"):
        match format_:
            case "GeoTIFF":
                header = geotiff_header(path)
            case "NetCDF file":
                header = netcdf_header(path, variable)
            case "MATLAB file":
                header = mat_header(path, variable)
            case _:
                header = envi_header(*_envi_pair(raw, path))
    return replace(header, open_bands=_told(header.open_bands, path))


def _envi_pair(raw: Path, path: Path) -> tuple[Path, Path]:
    found = pair(path)
    if found is None:
        raise SurveyError(
            "the raw file has no suffix of a known format, and no ENVI header beside it",
            where=path,
            remedy="bring it as .tif, .nc, .mat, or with its .hdr",
        )
    for each in found:
        raw_file(raw, str(each.relative_to(raw)))
    return found


def _told(open_bands: Opener, path: Path) -> Opener:
    """The same, but what goes wrong is told as one sentence."""

    @contextmanager
    def opened_bands(chosen: Sequence[int]) -> Iterator[Read]:
        with ExitStack() as stack:
            with reading(path, "cannot be read"):
                read = stack.enter_context(open_bands(chosen))

            def told(row: int, col: int, height: int, width: int) -> NDArray[Any]:
                with reading(path, "cannot be read to its end"):
                    return read(row, col, height, width)

            yield told

    return opened_bands


def _placed(header: Header, entry: RasterEntry, path: Path) -> Header:
    """The header with the survey's CRS and transform, where it names them."""
    transform = header.transform if entry.transform is None else Affine(*entry.transform)
    if transform is not None and not transform.determinant:
        raise SurveyError("the raster's pixels have no area", where=path, remedy="correct its `transform`")
    if transform is not None and not _plausible(transform):
        raise SurveyError("the raster has no place on any map", where=path, remedy="correct its `transform`")
    return replace(header, transform=transform, crs=header.crs if entry.crs is None else _crs(entry.crs, path))


def _plausible(transform: Affine) -> bool:
    """Whether sides and place of the pixels are numbers that can be reckoned with (a damaged file's may be NaN)."""
    sides = hypot(transform.a, transform.d), hypot(transform.b, transform.e)
    return all(1e-12 < side < 1e12 for side in sides) and all(abs(each) < 1e15 for each in (transform.c, transform.f))


def _crs(name: str, path: Path) -> str | None:
    try:
        # Not rasterio: from a name it would read files and the network.
        return crs_name(CRS.from_wkt(pyproj.CRS.from_user_input(name).to_wkt()))
    except (pyproj.exceptions.CRSError, RasterioError) as cause:
        raise SurveyError(f"the CRS `{name}` is not known", where=path, remedy="write it as EPSG:number") from cause
