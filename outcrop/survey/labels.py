"""A raw raster of labels, as places in the survey's vocabulary."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from outcrop.errors import DataError, SurveyError
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.rasters import Piece, pieces
from outcrop.survey.sites import NO_LABEL
from outcrop.survey.sources import Source, reading
from outcrop.survey.surveys import ClassEntry


def read_raw_labels(labels: Source, classes: tuple[ClassEntry, ...]) -> Iterator[Piece]:
    """Labels as places in the vocabulary, 255 where there is none, window by window.

    Raises
    ------
    DataError : a value is not in the vocabulary, or the raster cannot be read to its end.
    """
    _check_labels(labels, classes)
    void = NO_LABEL if labels.nodata is None else labels.nodata
    with reading(labels.path, "cannot be read to its end"), open_raw(labels.path) as dataset:

        def read(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            stored = dataset.read(window=Window(col, row, width, height))
            return _to_vocabulary(stored, void, classes, labels.path)

        yield from pieces(labels.grid, read)


def _check_labels(labels: Source, classes: tuple[ClassEntry, ...]) -> None:
    if labels.count != 1:
        raise SurveyError(f"the label raster has {labels.count} bands", where=labels.path, remedy="keep one band")
    for each in classes:
        if labels.nodata == each.value:
            raise SurveyError(
                f"the label raster declares {each.value}, the value of class `{each.name}`, as nodata",
                where=labels.path,
                remedy="unset the nodata value, or take the class out of the survey",
            )


def _to_vocabulary(stored: NDArray[Any], void: float, classes: tuple[ClassEntry, ...], path: Path) -> NDArray[Any]:
    labels = np.full(stored.shape, NO_LABEL, dtype=np.uint8)
    known = (stored == void) | np.isnan(stored)
    for index, each in enumerate(classes):
        here = stored == each.value
        labels[here] = index
        known |= here
    if not known.all():
        raise DataError(
            f"the label value {stored[~known][0]:g} is not in the survey's classes",
            where=path,
            remedy="add the class to the survey, or set the value to nodata",
        )
    return labels
