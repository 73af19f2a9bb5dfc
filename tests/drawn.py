"""Scenes whose labels are drawn as polygons and points, and which cells the drawing holds, by shapely."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from conftest import CELL, CRS, EAST, NORTH, write_geotiff

from outcrop.survey.grids import Grid
from outcrop.survey.raw.labels import LabelLayer, lay_labels
from outcrop.survey.raw.sources import inspect
from outcrop.survey.surveys import Survey

#: Cells of the scene, from north to south and west to east, of CELL metres.
HEIGHT, WIDTH = 30, 20
NONE = 255
CLASSES = ["basalt", "olivine", "calcite"]
PIXELS = {"crs": None, "transform": rasterio.Affine.identity()}


def survey_of(labels: dict[str, Any], mapping: dict[str, str | None] | None = None, **rasters: str) -> Survey:
    scene = {"acquired": "2024-07-01", "rasters": rasters or {"rgb": "rgb.tif"}, "labels": labels}
    return Survey.model_validate(
        {
            "survey": "drawn",
            "classes": [{"name": name, "value": 10 * i, "colour": "#123456"} for i, name in enumerate(CLASSES)],
            "modalities": {name: {"unit": "1", "range": [0, 1]} for name in ("rgb", "elevation")},
            "mapping": mapping or {},
            "sites": {"north": {"scenes": {"first": scene}}},
        }
    )


def lay(raw: Path, mapping: dict[str, str | None] | None = None, **labels: Any) -> LabelLayer:
    """Labels of the scene in ``raw``, whose only raster is written unless it is there."""
    if not (raw / "rgb.tif").exists():
        write_geotiff(raw / "rgb.tif", np.ones((HEIGHT, WIDTH), np.uint8))
    survey = survey_of({"attribute": "unit", "grid": "rgb"} | labels, mapping)
    scene = survey.sites["north"].scenes["first"]
    return lay_labels(scene, {name: inspect(raw, files) for name, files in scene.rasters.items()}, survey, raw)


def whole(layer: LabelLayer) -> np.ndarray:
    return assemble(layer.contents(), layer.base.grid)


def assemble(pieces: Any, grid: Grid) -> np.ndarray:
    labels = np.full((grid.height, grid.width), 254, np.uint8)
    for row, col, values in pieces:
        assert values.dtype == np.uint8 and (labels[row:, col:][: values.shape[1], : values.shape[2]] == 254).all()
        labels[row : row + values.shape[1], col : col + values.shape[2]] = values[0]
    return labels


def box(row: float, col: float, height: float, width: float) -> shapely.Polygon:
    """The rectangle that covers some cells of the scene."""
    left, top = EAST + col * CELL, NORTH - row * CELL
    return shapely.box(left, top - height * CELL, left + width * CELL, top)


def spot(row: float, col: float) -> shapely.Point:
    return shapely.Point(EAST + col * CELL, NORTH - row * CELL)


def draw(path: Path, shapes: list[Any], units: list[Any], crs: Any = CRS, **columns: Any) -> None:
    gpd.GeoDataFrame({"unit": units} | columns, geometry=shapes, crs=crs).to_file(path)


def counts(labels: np.ndarray) -> dict[int, int]:
    return {int(value): int(count) for value, count in zip(*np.unique(labels, return_counts=True), strict=True)}


def centres(grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    cols, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    x, y = grid.transform @ (cols, rows)
    return x, y


def held_by(shapes: list[Any], grid: Grid) -> np.ndarray:
    """Which polygons hold which cells' centres (n, height, width), by shapely."""
    x, y = centres(grid)
    return np.stack([shapely.contains_xy(shape, x, y) for shape in shapes])


def winners(holds: np.ndarray, places: np.ndarray, areas: np.ndarray, overlap: str) -> np.ndarray:
    """The class of each cell, from first principles."""
    labels = np.full(holds.shape[1:], NONE)
    for cell in np.argwhere(holds.any(axis=0)):
        there = np.nonzero(holds[:, *cell])[0]
        chosen = {
            "first": there[0],
            "last": there[-1],
            "smallest": there[np.argmin(areas[there])],
            "largest": there[np.argmax(areas[there])],
            "unlabelled": there[0],
        }[overlap]
        if overlap != "unlabelled" or len(set(places[there])) == 1:
            labels[tuple(cell)] = places[chosen]
    return labels
