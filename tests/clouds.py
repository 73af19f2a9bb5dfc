"""Points made for each cell of a small grid, so that every measure of them is known."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import laspy
import numpy as np
from affine import Affine
from pyproj import CRS

from outcrop.errors import OutcropError
from outcrop.survey.entries import RasterEntry
from outcrop.survey.grids import Grid
from outcrop.survey.raw.layers import Base, Layer
from outcrop.survey.raw.pointclouds import MEASURES, lay_points
from outcrop.survey.surveys import Survey

EAST, NORTH, CELL = 500_000.0, 7_100_000.0, 2.0
GRID = Grid(6, 8, Affine(CELL, 0, EAST, 0, -CELL, NORTH), "EPSG:32627")
#: Class, height above the terrain and intensity of the returns that each cell gets: ground, a bush, a tree, a bird.
RETURNS = ((2, 0.0, 10), (5, 1.5, 20), (5, 12.0, 60), (7, 90.0, 999))
Points = dict[str, np.ndarray]


def terrain() -> np.ndarray:
    """(6, 8) heights of a tilted plane."""
    rows, cols = np.mgrid[:6, :8]
    return 300 + 0.5 * cols + 0.25 * rows


def make_points() -> Points:
    """Four returns in each cell; the ground's first, so that a point's place in the arrays tells its class."""
    rows, cols = (index.ravel() for index in np.mgrid[:6, :8])
    kinds = []
    for step, (kind, above, intensity) in enumerate(RETURNS):
        shift = 0.3 + 0.4 * step
        x, y, z = EAST + cols * CELL + shift, NORTH - rows * CELL - shift, terrain().ravel() + above
        full = np.full(len(x), 1)
        kinds.append({"x": x, "y": y, "z": z, "classification": kind * full, "intensity": intensity * full})
    return {name: np.concatenate([kind[name] for kind in kinds]) for name in kinds[0]}


def write_points(path: Path, points: Points, crs: str | None = "EPSG:32627", point_format: int = 6) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    header = laspy.LasHeader(version="1.4", point_format=point_format)
    header.offsets, header.scales = (
        [points[axis].min() for axis in "xyz"],
        [1e-7 if points["x"].max() < 360 else 1e-3] * 3,
    )
    header.scales[2] = 1e-3
    if crs:
        header.add_crs(CRS.from_user_input(crs))
    cloud = laspy.LasData(header)
    for name, values in points.items():
        setattr(cloud, name, values)
    cloud.write(path)
    return path


def make_survey(bands: Sequence[str] | None = MEASURES, **changes: Any) -> Survey:
    classes = [{"name": name, "value": value, "colour": "#808080"} for value, name in enumerate(("basalt", "tuff"))]
    modality = {"bands": bands, "unit": "m", "range": [0, 9000]} | changes
    return Survey.model_validate(
        {"survey": "s", "classes": classes, "modalities": {"elevation": modality}, "sites": {"a": {}}}
    )


def lay(raw: Path, survey: Survey | None = None, grid: Grid = GRID, **entry: Any) -> Layer:
    base = Base(grid, placed=grid.crs is not None)
    given = RasterEntry(**({"files": ("a.las",)} | entry))
    return lay_points(given, base, "elevation", survey or make_survey(), raw, raw / "elevation.tif")


def read(layer: Layer) -> dict[str, np.ndarray]:
    """(H, W) by measure."""
    grid = layer.raster.grid
    values = np.full((len(layer.raster.bands), grid.height, grid.width), -1, np.float32)
    for row, col, piece in layer.contents():
        values[:, row : row + piece.shape[1], col : col + piece.shape[2]] = piece
    return {band.name: measured for band, measured in zip(layer.raster.bands, values, strict=True)}


def check(found: dict[str, np.ndarray], **expected: Any) -> None:
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=2e-3, err_msg=name)


def one_sentence(error: OutcropError) -> bool:
    text = str(error)
    return ";" in text and "\n" not in text and text.endswith(".")
