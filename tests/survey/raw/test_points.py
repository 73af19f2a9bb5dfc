"""Labels from points: on known truths."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from conftest import CRS
from drawn import (
    CLASSES,
    HEIGHT,
    NONE,
    WIDTH,
    assemble,
    draw,
    lay,
    spot,
    whole,
)

from outcrop.survey.grids import Grid
from outcrop.survey.raw.points import lay_points


def test_cells_that_hold_points_take_their_class(tmp_path: Path) -> None:
    cells = [((0, 0), 0), ((5.2, 7.9), 1), ((5.9, 7.1), 1), ((29.99, 19.99), 2), ((8, 3), 0), ((8.5, 3.5), 2)]
    outside = [(-0.01, 3), (30, 3), (4, 20), (4, -7)]
    lines = [f"{spot(*at).x},{spot(*at).y},{CLASSES[place]}" for at, place in cells]
    lines += [f"{spot(*at).x},{spot(*at).y},unheard of" for at in outside]
    (tmp_path / "p.csv").write_text("\n".join(["x,y,unit", *lines]))
    layer = lay(tmp_path, points="p.csv")
    expected = np.full((HEIGHT, WIDTH), NONE)
    expected[0, 0], expected[5, 7], expected[29, 19] = 0, 1, 2
    np.testing.assert_array_equal(whole(layer), expected)
    assert layer.notes == (
        "left out 4 of 10 points, outside the scene",
        "1 cell with points of two classes got no label",
    )


@pytest.mark.parametrize("form", ["p.csv", "p.geojson", "p.gpkg", "p.shp"])
def test_points_in_degrees(form: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    at = rng.uniform((0, 0), (HEIGHT, WIDTH), (40, 2))
    units = rng.integers(0, 3, 40)
    frame = gpd.GeoDataFrame(
        {"unit": [CLASSES[unit] for unit in units]}, geometry=[spot(*each) for each in at], crs=CRS
    )
    frame = frame.to_crs("EPSG:4326")
    if form == "p.csv":
        frame.drop(columns="geometry").assign(lon=frame.geometry.x, lat=frame.geometry.y).to_csv(tmp_path / form)
    else:
        frame.to_file(tmp_path / form)
    layer = lay(tmp_path, points=form)
    held: dict[tuple[int, ...], set[int]] = {}
    for cell, unit in zip(np.floor(at).astype(int), units, strict=True):
        held.setdefault(tuple(cell), set()).add(int(unit))
    expected = np.full((HEIGHT, WIDTH), NONE)
    for cell, classes in held.items():
        expected[cell] = min(classes) if len(classes) == 1 else NONE
    np.testing.assert_array_equal(whole(layer), expected)
    assert "the features were reprojected from EPSG:4326 to EPSG:32627" in layer.notes


def test_points_on_a_grid_of_many_windows() -> None:
    rng = np.random.default_rng(1)
    grid = Grid(300, 600, rasterio.Affine(1, 0, 0, 0, -1, 300))
    cells = np.unique(rng.integers((0, 0), (300, 600), (500, 2)), axis=0).T
    places = rng.integers(0, 3, cells.shape[1]).astype(np.uint8)
    contents, notes = lay_points(cells, places, grid)
    expected = np.full((300, 600), NONE)
    expected[tuple(cells)] = places
    np.testing.assert_array_equal(assemble(contents(), grid), expected)
    assert notes == []


def test_points_around_a_scene_are_told_not_refused(tmp_path: Path) -> None:
    draw(tmp_path / "p.gpkg", [spot(-5, 3), spot(40, 3), spot(3, -9), spot(3, 30)], ["basalt"] * 4)
    layer = lay(tmp_path, points="p.gpkg")
    assert layer.notes == ("left out 4 of 4 points, outside the scene", "no cell of this scene has a label")
