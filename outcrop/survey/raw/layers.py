"""Laying a raw raster over the base grid: does it fit the survey and the labels, and where do its pixels go?"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.dtypes
from numpy.typing import NDArray

from outcrop.errors import SurveyError
from outcrop.survey.grids import Grid, Nesting, nest
from outcrop.survey.rasters import Piece, pieces, to_unit
from outcrop.survey.raw.bands import raster_bands, take
from outcrop.survey.raw.headers import Read
from outcrop.survey.raw.sources import Source, opened
from outcrop.survey.raw.warps import opened_warp, plan_warp, same_places
from outcrop.survey.sites import Raster
from outcrop.survey.surveys import MeasuredEntry, Survey

#: Opens a raster for reading windows of the modality's grid.
Opener = Callable[[], AbstractContextManager[Read]]
#: Nesting, and the row and column of the raw pixel that holds the base grid's first corner.
Place = tuple[Nesting, int, int]


@dataclass(frozen=True)
class Base:
    """The base grid of a scene. ``placed``: it has a georeference, not bare pixel numbers."""

    grid: Grid
    placed: bool


@dataclass(frozen=True)
class Layer:
    """A modality of one scene, ready to be written: how the site will hold it, and its stored numbers.

    ``contents`` reads the raw files window by window each time it is called.
    """

    raster: Raster
    contents: Callable[[], Iterator[Piece]]


def lay_over(source: Source, base: Base, modality: str, survey: Survey, target: Path) -> Layer:
    """Lay a modality's raw raster over the base grid, at its own resolution or the nearest that nests.

    It is cut where it nests as it is. Where it does not, it is resampled if the survey states how; in another CRS, it
    is reprojected in any case.

    Raises
    ------
    SurveyError : bands, CRS or grid do not fit the survey or the labels.
    """
    entry = survey.modalities[modality]
    assert isinstance(entry, MeasuredEntry)
    source = _in_crs(take(source, entry.take), base)
    scale, offset = _scaling(source, entry)
    describe = partial(
        Raster,
        modality=modality,
        path=target,
        bands=raster_bands(source, modality, survey),
        unit=entry.unit,
        scale=scale,
        offset=offset,
        approximate=entry.approximate,
    )
    place = _place(source, base.grid, entry)
    if place is None:
        raster, opener = _warp(source, base.grid, entry, describe)
    else:
        raster, opener = _cut(source, base.grid, place, entry, describe)
    if entry.log_floor is not None:
        raster, opener = _logarithm(raster, opener, entry.log_floor)
    return Layer(raster, partial(_contents, raster.grid, opener))


def _contents(grid: Grid, opener: Opener) -> Iterator[Piece]:
    with opener() as read:
        yield from pieces(grid, read)


def _in_crs(source: Source, base: Base) -> Source:
    """The raster, in the base grid's CRS if its own only has another name; both must be placed, or neither."""
    theirs, ours = source.header.crs, base.grid.crs
    if (theirs is None) != (ours is None):
        has, lacks = ("labels have", "raster has") if theirs is None else ("raster has", "labels have")
        raise SurveyError(
            f"the {has} a CRS, the {lacks} none",
            where=source.path,
            remedy="assign the CRS to both, or to neither; the survey can name a raster's `crs`",
        )
    if source.placed != base.placed or (not source.placed and _sides(source.grid) != _sides(base.grid)):
        raise SurveyError(
            "the raster and the labels cannot be laid over each other without georeference",
            where=source.path,
            remedy="give both a transform; the survey can name a raster's",
        )
    if theirs != ours and (not source.placed or same_places(source, base.grid.crs)):
        return replace(source, header=replace(source.header, crs=ours))
    return source


def _sides(grid: Grid) -> tuple[int, int]:
    return grid.height, grid.width


def _place(source: Source, base: Grid, entry: MeasuredEntry) -> Place | None:
    """How the raster nests in the base grid as it is; None where it is to be resampled."""
    if source.header.crs != base.crs:
        return None
    try:
        return nest(base, source.grid, source.path)
    except SurveyError as cause:
        if entry.resampling is None:
            sentence = str(cause).removesuffix(".")
            raise SurveyError(f"{sentence}, or state `resampling` of the modality in the survey") from cause
        return None


def _cut(
    source: Source, base: Grid, place: Place, entry: MeasuredEntry, describe: Callable[..., Raster]
) -> tuple[Raster, Opener]:
    nesting, first_row, first_col = place
    grid, height, width = nesting.grid(base), source.header.height, source.header.width
    last_row, last_col = first_row + grid.height, first_col + grid.width
    if first_row >= height or first_col >= width or last_row <= 0 or last_col <= 0:
        raise SurveyError("the raster and the labels do not overlap", where=source.path, remedy="check both files")
    whole = first_row >= 0 and first_col >= 0 and last_row <= height and last_col <= width
    nodata = _nodata(source, entry, whole)
    raster = describe(grid=grid, nesting=nesting, dtype=source.dtype, nodata=nodata)
    return raster, partial(_opened_cut, source, first_row, first_col, _fill(raster))


@contextmanager
def _opened_cut(source: Source, first_row: int, first_col: int, fill: float) -> Iterator[Read]:
    """Opens the raw raster on the modality's grid, which may reach over its edges."""
    with opened(source) as read:

        def read_padded(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            row, col = row + first_row, col + first_col
            values = np.full((source.count, height, width), fill, dtype=source.dtype)
            top, left = max(row, 0), max(col, 0)
            bottom, right = min(row + height, source.header.height), min(col + width, source.header.width)
            if bottom > top and right > left:
                inside = read(top, left, bottom - top, right - left)
                values[:, top - row : bottom - row, left - col : right - col] = inside
            return values

        yield read_padded


def _warp(source: Source, base: Grid, entry: MeasuredEntry, describe: Callable[..., Raster]) -> tuple[Raster, Opener]:
    warp = plan_warp(source, base, entry.resampling or "bilinear")
    nodata = _nodata(source, entry, warp.fractions or warp.whole)
    stored = describe(grid=warp.grid, nesting=warp.nesting, dtype=source.dtype, nodata=nodata)
    raster = replace(stored, notes=(warp.note,))
    if warp.fractions:
        raster = replace(raster, dtype="float32", nodata=float("nan"))
    return raster, partial(opened_warp, warp, stored, _fill(raster))


def _fill(raster: Raster) -> float:
    return 0 if raster.nodata is None else raster.nodata


def _logarithm(raster: Raster, opener: Opener, floor: float) -> tuple[Raster, Opener]:
    """The raster that holds the decimal logarithm of ``raster``'s values, of ``floor`` where they are lower."""

    @contextmanager
    def opened_logarithm() -> Iterator[Read]:
        with opener() as read:
            yield lambda *window: np.log10(np.maximum(to_unit(read(*window), raster), np.float32(floor)))

    note = f"decimal logarithm, values under {floor:g} raised to it"
    logarithm = replace(
        raster, dtype="float32", nodata=float("nan"), scale=1.0, offset=0.0, notes=(*raster.notes, note)
    )
    return logarithm, opened_logarithm


def _scaling(source: Source, entry: MeasuredEntry) -> tuple[float, float]:
    """The survey's scale and offset; the files' own where the survey names none."""
    if {"scale", "offset"} & entry.model_fields_set:
        return entry.scale, entry.offset
    if source.header.scaling is None:
        raise SurveyError(
            "the bands have different scales or offsets", where=source.path, remedy="state one `scale` in the survey"
        )
    return source.header.scaling


def _nodata(source: Source, entry: MeasuredEntry, whole: bool) -> float | None:
    """The file's nodata value, else the survey's; floats need none, nor do integers where nothing is to be filled."""
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
