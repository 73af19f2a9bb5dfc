"""Laying a raw raster over the base grid: does it fit the survey and the labels, and where do its pixels go?"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.dtypes
from numpy.typing import NDArray
from rasterio.windows import Window

from outcrop.errors import SurveyError
from outcrop.survey.declarations import declare
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.grids import Grid, nest
from outcrop.survey.rasters import Piece, pieces
from outcrop.survey.sites import Band, Raster
from outcrop.survey.sources import Source, reading
from outcrop.survey.surveys import MeasuredEntry, Survey


@dataclass(frozen=True)
class Base:
    """The base grid of a scene. ``placed``: it has a georeference, not bare pixel numbers."""

    grid: Grid
    placed: bool


@dataclass(frozen=True)
class Layer:
    """A modality of one scene, ready to be written: how the site will hold it, and its stored numbers.

    ``contents`` reads the raw file window by window each time it is called.
    """

    raster: Raster
    contents: Callable[[], Iterator[Piece]]


def lay_over(source: Source, base: Base, modality: str, survey: Survey, target: Path) -> Layer:
    """Cut a modality's raw raster to the base grid, at its own resolution.

    Raises
    ------
    SurveyError : bands, CRS or grid do not fit the survey or the labels.
    """
    entry = survey.modalities[modality]
    assert isinstance(entry, MeasuredEntry)
    bands = declare(survey, modality).bands or tuple(Band(str(index + 1)) for index in range(source.count))
    if source.count != len(bands):
        said = f"the sensor `{entry.sensor}`" if entry.sensor else "`bands`"
        raise SurveyError(
            f"the raster of `{modality}` has {source.count} bands, {said} in the survey names {len(bands)}",
            where=source.path,
            remedy="correct the survey or choose the bands",
        )
    _check_crs(source, base)
    nesting, first_row, first_col = nest(base.grid, source.grid, source.path)
    grid = nesting.grid(base.grid)
    _check_overlap(source, first_row, first_col, grid)
    whole = first_row >= 0 and first_col >= 0
    whole &= first_row + grid.height <= source.grid.height and first_col + grid.width <= source.grid.width
    scale, offset = _scaling(source, entry)
    raster = Raster(
        modality=modality,
        path=target,
        grid=grid,
        nesting=nesting,
        bands=bands,
        unit=entry.unit,
        dtype=source.dtype,
        nodata=_nodata(source, entry, whole),
        scale=scale,
        offset=offset,
    )
    return Layer(raster, lambda: _read(source, raster, first_row, first_col))


def _check_crs(source: Source, labels: Base) -> None:
    theirs, ours = source.grid.crs, labels.grid.crs
    if (theirs is None) != (ours is None):
        has, lacks = ("labels have", "raster has") if theirs is None else ("raster has", "labels have")
        raise SurveyError(
            f"the {has} a CRS, the {lacks} none", where=source.path, remedy="assign the CRS to both, or to neither"
        )
    if theirs != ours:
        raise SurveyError(
            f"the raster is in {_short(theirs)}, the labels are in {_short(ours)}",
            where=source.path,
            remedy="reproject it to the label raster's CRS and grid",
        )
    if source.placed != labels.placed or (not source.placed and _side(source.grid) != _side(labels.grid)):
        raise SurveyError(
            "the raster and the labels cannot be laid over each other without georeference",
            where=source.path,
            remedy="give both a transform",
        )


def _short(crs: str | None) -> str:
    return str(crs) if str(crs).startswith("EPSG:") else "another CRS (" + str(crs).split('"')[1] + ")"


def _side(grid: Grid) -> tuple[int, int]:
    return grid.height, grid.width


def _check_overlap(source: Source, first_row: int, first_col: int, grid: Grid) -> None:
    apart = first_row >= source.grid.height or first_col >= source.grid.width
    if apart or first_row + grid.height <= 0 or first_col + grid.width <= 0:
        raise SurveyError("the raster and the labels do not overlap", where=source.path, remedy="check both files")


def _scaling(source: Source, entry: MeasuredEntry) -> tuple[float, float]:
    """The survey's scale and offset; the file's own where the survey names none."""
    if {"scale", "offset"} & entry.model_fields_set:
        return entry.scale, entry.offset
    return source.scale, source.offset


def _nodata(source: Source, entry: MeasuredEntry, whole: bool) -> float | None:
    """The file's nodata value, else the survey's; floats need none."""
    if source.nodata is not None and rasterio.dtypes.in_dtype_range(source.nodata, source.dtype):
        return source.nodata
    if entry.nodata is not None:
        if not rasterio.dtypes.in_dtype_range(entry.nodata, source.dtype):
            raise SurveyError(
                f"the survey's nodata value {entry.nodata:g} does not fit into {source.dtype}",
                where=source.path,
                remedy="correct `nodata` of the modality",
            )
        return entry.nodata
    if source.dtype.startswith("float"):
        return float("nan")
    if not whole:
        raise SurveyError(
            "the raster covers only a part of the labels and has no nodata value to fill the rest",
            where=source.path,
            remedy="declare `nodata` of the modality in the survey",
        )
    return None


def _read(source: Source, raster: Raster, first_row: int, first_col: int) -> Iterator[Piece]:
    """Stored numbers, window by window, filled with the nodata value where the raw raster ends."""
    fill = 0 if raster.nodata is None else raster.nodata
    with reading(source.path, "cannot be read to its end"), open_raw(source.path) as dataset:

        def read(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            return _read_padded(dataset, first_row + row, first_col + col, height, width, fill)

        yield from pieces(raster.grid, read)


def _read_padded(dataset: Any, row: int, col: int, height: int, width: int, fill: float) -> NDArray[Any]:
    values = np.full((dataset.count, height, width), fill, dtype=dataset.dtypes[0])
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + height, dataset.height), min(col + width, dataset.width)
    if bottom > top and right > left:
        inside = dataset.read(window=Window(left, top, right - left, bottom - top))
        values[:, top - row : bottom - row, left - col : right - col] = inside
    return values
