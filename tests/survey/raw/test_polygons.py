"""Labels from polygons: on known truths, and against shapely's own answer."""

from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from conftest import CRS, EAST, NORTH, write_geotiff
from drawn import (
    HEIGHT,
    NONE,
    WIDTH,
    assemble,
    box,
    centres,
    counts,
    draw,
    held_by,
    lay,
    whole,
    winners,
)
from pyproj import Transformer

from outcrop.survey.grids import Grid
from outcrop.survey.raw.polygons import lay_polygons


def test_cells_take_the_class_of_the_polygon_that_holds_their_centre(tmp_path: Path) -> None:
    draw(tmp_path / "a.shp", [box(2, 3, 4, 5), box(10.4, 0, 3.2, 7.6), box(28, 18, 9, 9)], ["basalt", "calcite", "20"])
    layer = lay(tmp_path, polygons="a.shp")
    expected = np.full((HEIGHT, WIDTH), NONE)
    expected[2:6, 3:8] = 0
    expected[10:14, 0:8] = 2
    expected[28:, 18:] = 2
    np.testing.assert_array_equal(whole(layer), expected)
    assert layer.notes == () and layer.base.placed


def star(rng: np.random.Generator, grid: Grid) -> shapely.Polygon:
    left, bottom, right, top = grid.bounds
    angles = np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 40)))
    radius = rng.uniform(0.02, 0.6) * (right - left) * rng.uniform(0.3, 1, len(angles))
    corners = rng.uniform((left, bottom), (right, top)) + (radius * [np.cos(angles), np.sin(angles)]).T
    return shapely.Polygon(corners).buffer(0)


@pytest.mark.parametrize("overlap", ["unlabelled", "smallest", "largest", "first", "last"])
@pytest.mark.parametrize(("height", "width"), [(40, 30), (260, 270)])  # the second takes more than one window
def test_overlaps_against_shapely(overlap: str, height: int, width: int) -> None:
    rng = np.random.default_rng(height)
    grid = Grid(height, width, rasterio.Affine(0.7, 0, EAST, 0, -0.7, NORTH), CRS)
    shapes = [star(rng, grid) for _ in range(25)]
    shapes[3] = shapes[3].difference(shapes[4])  # holes
    shapes.append(shapes[5])  # the same polygon again, as another class
    places = rng.integers(0, 3, len(shapes)).astype(np.uint8)
    places[-1] = (places[5] + 1) % 3
    contents, notes = lay_polygons(np.array(shapes), places, grid, overlap)
    holds = held_by(shapes, grid)
    expected = winners(holds, places, shapely.area(np.array(shapes)), overlap)
    np.testing.assert_array_equal(assemble(contents(), grid), expected)
    contested = int((np.stack([holds[places == place].any(axis=0) for place in range(3)]).sum(axis=0) > 1).sum())
    assert contested and notes[0].startswith(f"{contested} cells in polygons of two classes")
    assert notes[0].endswith("got no label" if overlap == "unlabelled" else f"took the class of the {overlap} one")


RING, CORE = shapely.box(0, 0, 8, 8).difference(shapely.box(2.5, 2.5, 5.5, 5.5)), shapely.box(2.5, 2.5, 5.5, 5.5)
HALVES = [shapely.Polygon([(0, 0), (8, 8), corner]) for corner in ((8, 0), (0, 8))]


@pytest.mark.parametrize("pair", [[RING, CORE], HALVES], ids=["ring and core", "two halves"])
def test_neighbours_with_borders_through_centres_share_no_cell(pair: list[Any]) -> None:
    grid = Grid(8, 8, rasterio.Affine(1, 0, 0, 0, -1, 8))
    contents, notes = lay_polygons(np.array(pair), np.array([0, 1], np.uint8), grid, "unlabelled")
    assert notes == [] and set(counts(assemble(contents(), grid))) == {0, 1}


def test_unlabelled_polygons_contest_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "a.gpkg", [box(0, 0, 9, 9), box(3, 3, 9, 9), box(20, 0, 1, 1)], ["basalt", "water", None])
    layer = lay(tmp_path, {"water": None}, polygons="a.gpkg")
    assert counts(whole(layer)) == {0: 81, NONE: HEIGHT * WIDTH - 81}
    assert layer.notes == ("1 polygon got no label: no value of `unit`",)


def test_words_numbers_and_accents(tmp_path: Path) -> None:
    units = ["S\u00e3o Jo\u00e3o", "Sa\u0303o Joa\u0303o ", "olivine"]
    draw(tmp_path / "a.gpkg", [box(i, 0, 1, 1) for i in range(3)], units)
    layer = lay(tmp_path, {"Sa\u0303o Jo\u00e3o": "calcite"}, polygons="a.gpkg")
    assert whole(layer)[:3, 0].tolist() == [2, 2, 1]
    draw(tmp_path / "b.gpkg", [box(i, 0, 1, 1) for i in range(4)], [10.0, 20.0, np.nan, 7.0])
    layer = lay(tmp_path, {"7": "basalt"}, polygons="b.gpkg")
    assert whole(layer)[:4, 0].tolist() == [1, 2, NONE, 0]


def test_polygons_in_another_crs_are_reprojected(tmp_path: Path) -> None:
    shapes = [box(2, 3, 14, 5), box(10, 10, 15.3, 7)]
    there = gpd.GeoSeries(shapes, crs=CRS).to_crs("EPSG:4326").tolist()
    draw(tmp_path / "a.geojson", there, ["basalt", "calcite"], crs="EPSG:4326")
    layer = lay(tmp_path, polygons="a.geojson")
    draw(tmp_path / "a.gpkg", shapes, ["basalt", "calcite"])
    np.testing.assert_array_equal(whole(layer), whole(lay(tmp_path, polygons="a.gpkg")))
    assert layer.notes == ("the features were reprojected from EPSG:4326 to EPSG:32627",)


def test_a_table_joined_by_a_key(tmp_path: Path) -> None:
    draw(tmp_path / "a.shp", [box(i, 0, 1, 1) for i in range(6)], ["-"] * 6, tree=[1, 2, 3, 4, 5, None])
    rows = ["1,basalt", "1,basalt", "2,basalt", "2,olivine", "3,", "3,calcite", "4,", ",basalt", "9,unheard of"]
    (tmp_path / "trees.csv").write_text("\n".join(["tree,species", *rows]))
    join = {"table": "trees.csv", "key": "tree"}
    layer = lay(tmp_path, polygons="a.shp", attribute="species", join=join)
    assert whole(layer)[:6, 0].tolist() == [0, NONE, 2, NONE, NONE, NONE]
    assert layer.notes == (
        "2 polygons got no label: no row in trees.csv",
        "1 polygon got no label: no value of `species`",
        "1 polygon got no label: rows of two classes in trees.csv",
    )


def test_only_features_near_the_scene_matter(tmp_path: Path) -> None:
    bowtie = shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)])
    draw(tmp_path / "a.gpkg", [box(2, 2, 2, 2), box(100, 0, 5, 5), bowtie], ["basalt", "unheard of", "basalt"])
    layer = lay(tmp_path, polygons="a.gpkg")
    assert counts(whole(layer))[0] == 4 and layer.notes == ()
    draw(tmp_path / "b.gpkg", [box(100, 0, 5, 5)], ["unheard of"])
    layer = lay(tmp_path, polygons="b.gpkg")
    assert layer.notes == ("no polygon of the file lies in this scene", "no cell of this scene has a label")


def test_a_scene_across_the_date_line(tmp_path: Path) -> None:
    crs, transform = "EPSG:32601", rasterio.Affine(1000, 0, 335_000, 0, -1000, 7_100_000)
    write_geotiff(tmp_path / "rgb.tif", np.ones((20, 60), np.uint8), crs=crs, transform=transform)
    shapes = [shapely.box(179.5, 62, 180, 65), shapely.box(-180, 62, -179.9, 65), shapely.box(20, 62, 30, 65)]
    draw(tmp_path / "a.geojson", shapes, ["basalt", "olivine", "unheard of"], crs="EPSG:4326")
    layer = lay(tmp_path, {"unheard of": None}, polygons="a.geojson")
    x, y = centres(layer.base.grid)
    lon, _ = Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    expected = np.select([lon > 179.5, (lon > -180) & (lon < -179.9)], [0, 1], NONE)
    away = (np.abs(lon) < 179.99) & (np.abs(lon + 179.9) > 0.01) & (np.abs(lon - 179.5) > 0.01)  # borders are straight
    np.testing.assert_array_equal(whole(layer)[away], expected[away])
    assert {0, 1, NONE} == set(counts(whole(layer)))
