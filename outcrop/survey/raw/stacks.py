"""Several raw files as one raster: their bands one behind the other."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
from affine import Affine

from outcrop.errors import SurveyError
from outcrop.survey.raw.headers import Header, Read


def stack(headers: Sequence[Header], paths: Sequence[Path]) -> Header:
    """One header for the files at ``paths``.

    Types are not promoted: files of two types, or of two nodata values, do not come from one product, and one scale
    and one nodata value would not fit both.

    Raises
    ------
    SurveyError : they differ in grid, type or nodata value.
    """
    first = headers[0]
    for header, path in zip(headers[1:], paths[1:], strict=True):
        _check_alike(first, header, paths[0].name, path)
    ends = list(accumulate(len(header.bands) for header in headers))
    files = [range(end - len(header.bands), end) for header, end in zip(headers, ends, strict=True)]

    @contextmanager
    def open_bands(chosen: Sequence[int]) -> Iterator[Read]:
        by_file = [[band for band in chosen if band in file] for file in files]
        grouped = [band for bands in by_file for band in bands]
        order = [grouped.index(band) for band in chosen]
        with ExitStack() as still_open:
            reads = [
                still_open.enter_context(header.open_bands([band - file.start for band in bands]))
                for header, file, bands in zip(headers, files, by_file, strict=True)
                if bands
            ]
            yield lambda *window: np.concatenate([read(*window) for read in reads])[order]

    return replace(
        first,
        bands=tuple(band for header in headers for band in header.bands),
        open_bands=open_bands,
        scaling=first.scaling if all(header.scaling == first.scaling for header in headers) else None,
    )


def _check_alike(first: Header, other: Header, name: str, path: Path) -> None:
    if not _same_grid(first, other):
        what, remedy = f"the raster is not on the grid of `{name}`", "bring them to one grid, or make them modalities"
    elif first.dtype != other.dtype:
        what, remedy = f"the raster holds {other.dtype}, `{name}` holds {first.dtype}", "convert them to one type"
    elif str(first.nodata) != str(other.nodata):  # as text NaN equals NaN
        what = f"the raster's nodata value is {other.nodata}, that of `{name}` is {first.nodata}"
        remedy = "give them the same one"
    else:
        return
    raise SurveyError(what, where=path, remedy=remedy)


def _same_grid(first: Header, other: Header) -> bool:
    if (first.height, first.width, first.crs) != (other.height, other.width, other.crs):
        return False
    if first.transform is None or other.transform is None:
        return first.transform is other.transform
    return bool((~first.transform @ other.transform).almost_equals(Affine.identity(), precision=1e-4))
