"""The labels of a scene, as places in the survey's vocabulary, and the base grid that they lie on."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from outcrop.errors import DataError, SurveyError
from outcrop.survey.entries import GridEntry, PointEntry, PolygonEntry, RasterEntry, SceneEntry
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.grids import Grid
from outcrop.survey.rasters import Piece, pieces
from outcrop.survey.raw.features import Box, check_polygons, features_near, scene_box, shapes_on
from outcrop.survey.raw.layers import Base
from outcrop.survey.raw.points import find_cells, lay_points
from outcrop.survey.raw.polygons import lay_polygons
from outcrop.survey.raw.sources import Source, inspect, reading
from outcrop.survey.raw.vectors import counted, read_features
from outcrop.survey.raw.words import classify
from outcrop.survey.sites import NO_LABEL
from outcrop.survey.surveys import ClassEntry, Survey

if TYPE_CHECKING:
    import geopandas as gpd

#: Largest departure of ``cell`` from a whole multiple or fraction of a pixel, which then counts, as a share.
CELL_TOLERANCE = 1e-3
#: Labels piece by piece, and notes.
Laid = tuple[Callable[[], Iterator[Piece]], list[str]]


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
    if isinstance(entry.labels, RasterEntry):
        source = inspect(raw, entry.labels)
        _check_labels(source, survey.classes)
        return LabelLayer(Base(source.grid, source.placed), lambda: _read_raw_labels(source, survey.classes))
    base = _base_grid(entry.labels, sources)
    features = read_features(entry.labels, raw, base.grid.crs)
    if isinstance(entry.labels, PointEntry):
        contents, notes = _lay_points(features, entry.labels, base, survey, raw)
    else:
        contents, notes = _lay_polygons(features, entry.labels, base, survey, raw)
    if all((values == NO_LABEL).all() for _, _, values in contents()):
        notes.append("no cell of this scene has a label")
    return LabelLayer(base, contents, tuple(notes))


def _lay_polygons(features: "gpd.GeoDataFrame", entry: PolygonEntry, base: Base, survey: Survey, raw: Path) -> Laid:
    path = raw / entry.polygons
    near = features_near(features, scene_box(features.crs, base, path))
    check_polygons(near, path)
    shapes, reprojected = shapes_on(near, base, path)
    places, unlabelled = classify(near, entry, survey, raw)
    contents, contested = lay_polygons(shapes, places, base.grid, entry.overlap)
    nothing = [] if len(near) else ["no polygon of the file lies in this scene"]
    return contents, nothing + reprojected + unlabelled + contested


def _lay_points(features: "gpd.GeoDataFrame", entry: PointEntry, base: Base, survey: Survey, raw: Path) -> Laid:
    path = raw / entry.points
    box = scene_box(features.crs, base, path)
    near = features_near(features, box)
    shapes, reprojected = shapes_on(near, base, path)
    cells = find_cells(shapely.get_x(shapes), shapely.get_y(shapes), base.grid)
    inside = cells[0] >= 0
    if not inside.any():
        _check_bounds(features, box, path)
    places, unlabelled = classify(near[inside], entry, survey, raw)
    contents, contested = lay_points(cells[:, inside], places, base.grid)
    outside = len(features) - int(inside.sum())
    left_out = [f"left out {outside} of {counted(len(features), 'point')}, outside the scene"] if outside else []
    return contents, reprojected + left_out + unlabelled + contested


def _check_bounds(points: "gpd.GeoDataFrame", box: Box, path: Path) -> None:
    left, bottom, right, top = points.total_bounds
    if left > box[2] or right < box[0] or bottom > box[3] or top < box[1]:
        theirs, ours = (" ".join(f"{side:.10g}" for side in sides) for sides in (points.total_bounds, box))
        raise SurveyError(
            f"none of the {counted(len(points), 'point')} lies in the scene: they span {theirs}, the scene {ours} "
            "(left, bottom, right, top)",
            where=path,
            remedy="check the CRS and which column is x",
        )


def _base_grid(entry: GridEntry, sources: Mapping[str, Source]) -> Base:
    if entry.grid not in sources:
        raise SurveyError(
            f"labels.grid names `{entry.grid}`, a point cloud, which has no grid", remedy="name a raster's modality"
        )
    source = sources[entry.grid]
    return Base(source.grid if entry.cell is None else _resize(source, entry.cell), source.placed)


def _resize(source: Source, cell: float) -> Grid:
    """The whole cells of ``cell`` CRS units a side that lie in a raster, from its upper left corner on."""
    grid = source.grid
    width, height = grid.transform.a, -grid.transform.e
    times, parts = max(1, round(cell / width)), max(1, round(width / cell))
    if any(abs(cell / side * parts / times - 1) > CELL_TOLERANCE for side in (width, height)):
        raise SurveyError(
            f"cells of {cell:g} are no whole multiple or fraction of the pixels of {width:g} x {height:g}",
            where=source.path,
            remedy="choose another `cell` of the labels",
        )
    rows, cols = grid.height * parts // times, grid.width * parts // times
    if not rows or not cols:
        raise SurveyError(f"a cell of {cell:g} is larger than the raster", where=source.path, remedy="choose a smaller")
    return Grid(rows, cols, grid.transform @ Affine.scale(times / parts), grid.crs)


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
