"""Labels that somebody brings back from a new site: points with a class, and the cells of the site that hold them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.survey.entries import PointEntry
from outcrop.survey.grids import Grid
from outcrop.survey.raw.csvfiles import column, listed, normalized, texts
from outcrop.survey.raw.features import features_near, scene_box, shapes_on
from outcrop.survey.raw.layers import Base
from outcrop.survey.raw.points import find_cells
from outcrop.survey.raw.vectors import counted, read_features
from outcrop.survey.raw.words import vocabulary
from outcrop.survey.sites import NO_LABEL, Scene, Site
from outcrop.survey.surveys import Survey

if TYPE_CHECKING:
    import geopandas as gpd

#: The column that holds the class of a point, and the one that names its scene, where a site has several.
CLASS, SCENE = "class", "scene"


@dataclass(frozen=True)
class FieldLabels:
    """Labelled cells of one site, each once.

    Parameters
    ----------
    scenes : (n,) index of the scene among the site's
    rows, cols : (n,) cell on the scene's base grid
    classes : (n,) place in ``names``
    names : the survey's classes, and behind them those that only this file knows
    notes : what was decided about the points, in words
    """

    scenes: NDArray[np.intp]
    rows: NDArray[np.intp]
    cols: NDArray[np.intp]
    classes: NDArray[np.intp]
    names: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Number of labelled cells."""
        return len(self.classes)

    def among(self, classes: Sequence[str]) -> "FieldLabels":
        """The same, their classes counted as a model does: its ``classes``, and behind them those that it lacks."""
        used = [self.names[place] for place in np.unique(self.classes)]
        names = (*classes, *(name for name in used if name not in classes))
        places = np.array([names.index(self.names[place]) for place in self.classes], dtype=np.intp)
        return replace(self, classes=places, names=names)

    def take(self, chosen: NDArray[np.intp] | NDArray[np.bool_], *notes: str) -> "FieldLabels":
        """Some of them, with further notes."""
        parts = (self.scenes[chosen], self.rows[chosen], self.cols[chosen], self.classes[chosen])
        return FieldLabels(*parts, self.names, (*self.notes, *notes))


def read_field_labels(path: Path, site: Site, survey: Survey, *, allow_new_classes: bool = False) -> FieldLabels:
    """Read labelled points (CSV, GeoJSON, GeoPackage, Shapefile; see `PointEntry`) and find their cells.

    The column `class` holds a class's name or what the survey's ``mapping`` knows; that of a class that is new to the
    survey is the word itself. A point that several scenes hold belongs to the latest of them, or to the one that the
    column `scene` names. Without a CRS, x and y are those of the scene's grid.

    Raises
    ------
    DataError : no point, one outside the site, an unknown class, one cell with two classes, or one class alone.
    SurveyError : the file, a column or the CRS is not what it should be.
    """
    path = path.resolve()
    _check_there(path)
    entry = PointEntry(grid="labels", attribute=CLASS, points=path.name)
    first = site.scenes[0].grid
    features = read_features(entry, path.parent, first.crs)
    words = texts(column(features, CLASS, path))
    named = texts(features[SCENE]) if SCENE in features.columns else [None] * len(features)
    kept, notes = _with_class(words, survey, path)
    scenes, rows, cols = _locate(features, named, site, path)
    lost = kept & (scenes < 0)
    if lost.any():
        raise DataError(
            f"{counted(int(lost.sum()), 'point')} of {len(features)} outside site {site.name}, "
            f"the first is {features.index[lost][0]}",
            where=path,
            remedy="take them out, or check the CRS and which column is x",
        )
    classes, names = _classes([words[i] for i in np.flatnonzero(kept)], survey, path, allow_new_classes)
    found = FieldLabels(scenes[kept], rows[kept], cols[kept], classes, names, notes)
    distinct = _each_cell_once(found, site.scenes, path)
    if len(set(distinct.classes.tolist())) < 2:
        raise DataError(
            f"the {counted(len(distinct), 'labelled cell')} show fewer than two classes",
            where=path,
            remedy="label points of another class too",
        )
    return distinct


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise DataError("there is no such file of labels", where=path, remedy="name the file of labelled points")
    if path.stat().st_size == 0:
        raise DataError("the file of labels is empty", where=path, remedy="export it again")


def _with_class(words: Sequence[str | None], survey: Survey, path: Path) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Which points (n,) say a class, and how many do not."""
    places = vocabulary(survey)
    kept = np.array([word is not None and places.get(word, 0) != NO_LABEL for word in words], dtype=bool)
    if not kept.any():
        raise DataError("no point has a class", where=path, remedy=f"fill the column `{CLASS}`")
    left = len(words) - int(kept.sum())
    return kept, (f"left out {counted(left, 'point')} without a class of the survey",) if left else ()


def _classes(
    words: Sequence[str | None], survey: Survey, path: Path, allow_new_classes: bool
) -> tuple[NDArray[np.intp], tuple[str, ...]]:
    places = vocabulary(survey)
    new = sorted({word for word in words if word is not None and word not in places})
    if new and not allow_new_classes:
        raise DataError(
            f"the survey has no class {listed([repr(word[:60]) for word in new], 3)}",
            where=path,
            remedy="correct the word, add it to the survey's `mapping`, or pass --allow-new-classes",
        )
    names = (*(entry.name for entry in survey.classes), *new)
    known = {**places, **{word: len(survey.classes) + index for index, word in enumerate(new)}}
    return np.array([known[word] for word in words if word is not None], dtype=np.intp), names


def _locate(
    features: "gpd.GeoDataFrame", named: Sequence[str | None], site: Site, path: Path
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
    """Scene, row and column of every point; scene -1 where none holds it."""
    unknown = {name for name in named if name is not None} - {normalized(scene.id) for scene in site.scenes}
    if unknown:
        raise DataError(
            f"site {site.name} has no scene `{min(unknown)}`",
            where=path,
            remedy=f"choose among {listed([scene.id for scene in site.scenes])}",
        )
    found = np.full((3, len(features)), -1, dtype=np.intp)
    ordered = sorted(enumerate(site.scenes), key=lambda each: each[1].acquired or ())
    for index, scene in ordered:
        asked = np.array([name is None or name == normalized(scene.id) for name in named], dtype=bool)
        cells = _cells_in(features, scene, path)
        inside = asked & (cells[0] >= 0)
        found[0, inside] = index
        found[1:, inside] = cells[:, inside]
    if len(site.scenes) > 1 and site.scenes[0].grid.crs is None and any(name is None for name in named):
        raise DataError(
            "the site's scenes have no CRS, so a point does not say to which of them it belongs",
            where=path,
            remedy=f"add a column `{SCENE}`",
        )
    return found[0], found[1], found[2]


def _cells_in(features: "gpd.GeoDataFrame", scene: Scene, path: Path) -> NDArray[np.intp]:
    """(2, n) row and column of every point in a scene, -1 outside."""
    grid = scene.grid
    base = Base(grid, placed=not _is_bare(grid))
    near = np.isin(features.index, features_near(features, scene_box(features.crs, base, path)).index)
    cells = np.full((2, len(features)), -1, dtype=np.intp)
    shapes, _ = shapes_on(features[near], base, path)
    cells[:, near] = find_cells(shapely.get_x(shapes), shapely.get_y(shapes), grid)
    return cells


def grid_place(grid: Grid, row: int, col: int) -> tuple[float, float]:
    """x and y of a cell's centre, as a file of labels gives them: without georeference, column and row."""
    if _is_bare(grid):
        return col + 0.5, row + 0.5
    x, y = grid.transform @ (col + 0.5, row + 0.5)
    return float(x), float(y)


def _is_bare(grid: Grid) -> bool:
    """Whether a grid counts pixels: what ingest gives to files without georeference."""
    t = grid.transform
    return grid.crs is None and (t.a, t.e, t.c, t.f) == (1, -1, 0, grid.height)


def _each_cell_once(labels: FieldLabels, scenes: Sequence[Scene], path: Path) -> FieldLabels:
    cells = np.stack([labels.scenes, labels.rows, labels.cols], axis=1)
    _, first, place = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    differs = labels.classes != labels.classes[first][place.ravel()]
    if differs.any():
        other = int(np.flatnonzero(differs)[0])
        one = int(first[place.ravel()[other]])
        scene, row, col = scenes[labels.scenes[one]].id, labels.rows[one], labels.cols[one]
        raise DataError(
            f"one cell has the labels {labels.names[labels.classes[one]]} and {labels.names[labels.classes[other]]}",
            where=f"{path}, scene {scene}, row {row}, column {col}",
            remedy="keep the right one",
        )
    repeated = len(labels) - len(first)
    notes = (f"{counted(repeated, 'point')} in a cell that another point of its class is in",) if repeated else ()
    return labels.take(np.sort(first), *notes)
