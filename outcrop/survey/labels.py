"""The labels of a scene, as places in the survey's vocabulary, and the base grid that they lie on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from outcrop.errors import DataError, SurveyError
from outcrop.survey.entries import RasterEntry, SceneEntry
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.layers import Base
from outcrop.survey.rasters import Piece, pieces
from outcrop.survey.sites import NO_LABEL
from outcrop.survey.sources import Source, inspect, reading
from outcrop.survey.surveys import ClassEntry, Survey


@dataclass(frozen=True)
class LabelLayer:
    """Labels ready to be written: the base grid, their pieces, and what was decided about them, in words.

    ``contents`` gives places in the vocabulary (1, height, width), `NO_LABEL` where there is none.
    """

    base: Base
    contents: Callable[[], Iterator[Piece]]
    notes: tuple[str, ...] = ()


def lay_labels(entry: SceneEntry, sources: Mapping[str, Source], survey: Survey, raw: Path) -> LabelLayer:
    """Find the base grid of a scene and lay its labels on it.

    Parameters
    ----------
    sources : the scene's raw rasters by modality, one of which may lend its grid

    Raises
    ------
    SurveyError, DataError : the labels do not fit the survey or the rasters.
    """
    assert isinstance(entry.labels, RasterEntry)
    source = inspect(raw, entry.labels)
    _check_labels(source, survey.classes)
    return LabelLayer(Base(source.grid, source.placed), lambda: _read_raw_labels(source, survey.classes))


def _read_raw_labels(labels: Source, classes: tuple[ClassEntry, ...]) -> Iterator[Piece]:
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
