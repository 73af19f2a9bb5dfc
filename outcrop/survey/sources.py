"""Raw rasters as a user brings them: what they say of themselves, read without trusting that they end well."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.errors import RasterioError

from outcrop.errors import DataError, SurveyError
from outcrop.survey.entries import RasterEntry
from outcrop.survey.geotiffs import grid_of, open_raw
from outcrop.survey.grids import Grid
from outcrop.survey.surveys import DATA_VARIABLE

DTYPES = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}


@dataclass(frozen=True)
class Source:
    """What a raw raster says of itself. ``placed``: it has a georeference, not bare pixel numbers."""

    path: Path
    grid: Grid
    placed: bool
    count: int
    dtype: str
    nodata: float | None
    scale: float
    offset: float


def inspect(raw: Path, entry: RasterEntry) -> Source:
    """Open a raw raster and read its header.

    Raises
    ------
    SurveyError : it is missing, leads out of the data folder, is not north-up, or holds no plain numbers.
    DataError : it is not a GeoTIFF.
    """
    path = raw_file(raw, entry.files[0])
    with reading(path, "is not a readable GeoTIFF"), open_raw(path) as dataset:
        source = _describe(path, dataset)
    transform = source.grid.transform
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise SurveyError("the raster is not north-up", where=path, remedy="warp it to a north-up grid first")
    if source.dtype not in DTYPES:
        raise SurveyError(f"the raster holds {source.dtype}", where=path, remedy="convert it to integers or floats")
    return source


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


def _describe(path: Path, dataset: Any) -> Source:
    grid, placed = grid_of(dataset), True
    if grid.transform.is_identity:
        # Bare pixel numbers count downwards; turned north-up, with the first row on top.
        grid, placed = replace(grid, transform=Affine(1, 0, 0, 0, -1, grid.height)), False
    dtypes = sorted(set(dataset.dtypes))
    uniform = len(set(zip(dataset.scales, dataset.offsets, strict=True))) == 1
    return Source(
        path=path,
        grid=grid,
        placed=placed,
        count=dataset.count,
        dtype=dtypes[0] if len(dtypes) == 1 else "/".join(dtypes),
        nodata=dataset.nodata,
        scale=dataset.scales[0] if uniform else 1.0,
        offset=dataset.offsets[0] if uniform else 0.0,
    )


@contextmanager
def reading(path: Path, problem: str) -> Iterator[None]:
    """Tell a failure to read a raw file as one sentence: it ``problem``."""
    try:
        yield
    except RasterioError as cause:
        raise DataError(f"the raw file {problem}", where=path, remedy="copy or export it again") from cause
