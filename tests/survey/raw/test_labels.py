"""Labels that are features: their base grid, what does not fit, the whole way into a site, and real maps."""

import os
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from conftest import CELL, CRS, EAST, NORTH, PROJECT, TinySurvey, write_geotiff
from drawn import (
    CLASSES,
    HEIGHT,
    NONE,
    PIXELS,
    WIDTH,
    box,
    counts,
    draw,
    held_by,
    lay,
    survey_of,
    whole,
    winners,
)
from rasterio.features import shapes

from outcrop.errors import DataError, OutcropError, SurveyError
from outcrop.survey.rasters import read_labels
from outcrop.survey.raw.labels import LabelLayer, lay_labels
from outcrop.survey.raw.sources import inspect
from outcrop.survey.surveys import DATA_VARIABLE, Survey


@pytest.mark.parametrize(
    ("cell", "height", "width"), [(None, 30, 20), (10.0, 30, 20), (40.0, 7, 5), (30.0, 10, 6), (2.5, 120, 80)]
)
def test_the_base_grid_has_whole_cells_from_the_upper_left(
    cell: float | None, height: int, width: int, tmp_path: Path
) -> None:
    draw(tmp_path / "a.gpkg", [box(0, 0, 4, 4)], ["olivine"])
    layer = lay(tmp_path, polygons="a.gpkg", cell=cell)
    grid = layer.base.grid
    assert (grid.height, grid.width, grid.crs) == (height, width, CRS)
    side = cell or CELL
    assert grid.transform == rasterio.Affine(side, 0, EAST, 0, -side, NORTH)
    expected = np.full((height, width), NONE)
    expected[: round(40 / side), : round(40 / side)] = 1
    np.testing.assert_array_equal(whole(layer), expected)


def test_without_georeference_coordinates_are_columns_and_rows(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "rgb.tif", np.ones((HEIGHT, WIDTH), np.uint8), **PIXELS)
    draw(tmp_path / "a.shp", [shapely.box(2, 5, 4, 9)], ["olivine"], crs=None)
    (tmp_path / "p.csv").write_text("x,y,unit\n2.5,5.5,olivine\n3.5,8.5,olivine\n-1,2,olivine\n")
    layer = lay(tmp_path, polygons="a.shp")
    expected = np.full((HEIGHT, WIDTH), NONE)
    expected[5:9, 2:4] = 1
    np.testing.assert_array_equal(whole(layer), expected)
    assert not layer.base.placed
    assert np.argwhere(whole(lay(tmp_path, points="p.csv")) == 1).tolist() == [[5, 2], [8, 3]]


def test_local_coordinates_need_no_crs(tmp_path: Path) -> None:
    write_geotiff(tmp_path / "rgb.tif", np.ones((HEIGHT, WIDTH), np.uint8), crs=None)
    draw(tmp_path / "a.shp", [box(5, 2, 4, 2)], ["olivine"], crs=None)
    assert np.argwhere(whole(lay(tmp_path, polygons="a.shp")) == 1)[[0, -1]].tolist() == [[5, 2], [8, 3]]


# What does not fit


BOWTIE = shapely.Polygon([(EAST, NORTH), (EAST + 50, NORTH - 50), (EAST + 50, NORTH), (EAST, NORTH - 50)])
INSIDE = box(1, 1, 3, 3)
MISFITS: dict[str, tuple[list[Any], list[str], dict[str, Any], type[OutcropError], str]] = {
    "unknown word": ([INSIDE], ["gneiss"], {}, DataError, r"no class for 1 word of `unit` \('gneiss'\)"),
    "unknown words": (
        [INSIDE] * 6,
        ["e", "b", "a", "d", "basalt", "c\nc"],
        {},
        DataError,
        r"no class for 5 words of `unit` \('a', 'b', 'c\\nc', \.\.\.\)",
    ),
    "crossing borders": (
        [INSIDE, BOWTIE, BOWTIE],
        ["basalt"] * 3,
        {},
        DataError,
        r"2 polygons near the scene cannot be filled, the first is feature 2 \(self-intersection\)",
    ),
    "no such column": ([INSIDE], ["basalt"], {"attribute": "rock"}, SurveyError, "no column `rock`, only unit"),
    "geometry as a column": (
        [INSIDE],
        ["a"],
        {"attribute": "geometry"},
        SurveyError,
        "no column `geometry`, only unit",
    ),
    "no such key": (
        [INSIDE],
        ["basalt"],
        {"join": {"table": "t.csv", "key": "tree"}},
        SurveyError,
        "no column `tree`, only unit",
    ),
    "no such column in the table": (
        [INSIDE],
        ["basalt"],
        {"join": {"table": "t.csv", "key": "unit"}, "attribute": "rock"},
        SurveyError,
        r"no column `rock`, only unit, species \(.*t.csv\)",
    ),
    "unknown word in the table": (
        [INSIDE],
        ["basalt"],
        {"join": {"table": "t.csv", "key": "unit"}, "attribute": "species"},
        DataError,
        r"no class for 1 word of `species` \('pine'\) \(.*t.csv\)",
    ),
    "no such table": (
        [INSIDE],
        ["basalt"],
        {"join": {"table": "u.csv", "key": "unit"}},
        SurveyError,
        r"the raw file is missing \(.*u.csv\)",
    ),
    "cell": ([INSIDE], ["basalt"], {"cell": 15}, SurveyError, "cells of 15 are no whole multiple or fraction of"),
    "large cell": ([INSIDE], ["basalt"], {"cell": 300}, SurveyError, "a cell of 300 is larger than the raster"),
    "far points": (
        [shapely.Point(7, 8), shapely.Point(9, 64)],
        ["basalt"] * 2,
        {"points": "a.gpkg"},
        SurveyError,
        "none of the 2 points lies in the scene: they span 7 8 9 64, the scene 500000 7099700 500200 7100000",
    ),
}


@pytest.mark.parametrize("name", MISFITS)
def test_a_misfit_is_one_sentence(name: str, tmp_path: Path) -> None:
    shapes, units, keys, error, message = MISFITS[name]
    draw(tmp_path / "a.gpkg", shapes, units)
    (tmp_path / "t.csv").write_text("unit,species\nbasalt,pine\n")
    with pytest.raises(error, match=message) as caught:
        lay(tmp_path, **({"polygons": "a.gpkg"} if "points" not in keys else {}) | keys)
    said = str(caught.value)
    assert ";" in said and "\n" not in said and said.endswith(".")


def test_a_point_cloud_lends_no_grid(tmp_path: Path) -> None:
    survey = survey_of({"points": "p.csv", "attribute": "unit", "grid": "elevation"}, elevation="a.las")
    with pytest.raises(SurveyError, match=r"labels\.grid names `elevation`, a point cloud"):
        lay_labels(survey.sites["north"].scenes["first"], {}, survey, tmp_path)


def test_a_crs_of_another_planet(tmp_path: Path) -> None:
    draw(tmp_path / "a.gpkg", [shapely.box(0, 0, 1, 1)], ["basalt"], crs="IAU_2015:49900")
    with pytest.raises(SurveyError, match="cannot be brought to the grid's CRS"):
        lay(tmp_path, polygons="a.gpkg")


def test_features_beyond_the_reach_of_the_crs(tmp_path: Path) -> None:
    draw(tmp_path / "a.geojson", [shapely.box(-30, 0, 69, 70)], ["basalt"], crs="EPSG:4326")
    with pytest.raises(DataError, match="where the CRS of the grid has no coordinates"):
        lay(tmp_path, polygons="a.geojson")


# The whole way, and real data


def test_a_site_is_ingested_from_polygons(tiny_survey: TinySurvey) -> None:
    transform = rasterio.Affine(CELL, 0, EAST, 0, -CELL, NORTH)
    drawn = [
        (shapely.geometry.shape(shape), int(value))
        for shape, value in shapes(tiny_survey.labels, mask=tiny_survey.labels != NONE, transform=transform)
    ]
    draw(tiny_survey.raw / "map.gpkg", [shape for shape, _ in drawn], [CLASSES[value] for _, value in drawn])
    for grid, cell in (("elevation", None), ("rgb", CELL), ("thermal", CELL)):
        labels = {"polygons": "map.gpkg", "attribute": "unit", "grid": grid, "cell": cell}
        tiny_survey.entries["sites"]["north"]["scenes"]["first"]["labels"] = labels
        scene = tiny_survey.ingest().scenes[0]
        row, col = (3, 5) if grid == "thermal" else (0, 0)
        found = read_labels(scene, row, col, 64, 64)
        np.testing.assert_array_equal(found, tiny_survey.labels)
        assert scene.notes == ()


def test_notes_reach_the_site(tiny_survey: TinySurvey) -> None:
    side = 64 * CELL
    shapes = [shapely.box(EAST, NORTH - side, EAST + side, NORTH - i * side / 4) for i in range(3)]
    draw(tiny_survey.raw / "map.shp", shapes, CLASSES)
    labels = {"polygons": "map.shp", "attribute": "unit", "grid": "elevation", "overlap": "smallest"}
    tiny_survey.entries["sites"]["north"]["scenes"]["first"]["labels"] = labels
    scene = tiny_survey.ingest().scenes[0]
    assert scene.notes == (f"{48 * 64} cells in polygons of two classes took the class of the smallest one",)
    assert counts(read_labels(scene, 0, 0, 64, 64)) == {0: 16 * 64, 1: 16 * 64, 2: 32 * 64}


REAL = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
needs_real_data = pytest.mark.skipif(not (REAL / "neon").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")


def lay_real(survey: Survey) -> dict[str, LabelLayer]:
    """The labels of all scenes of a survey of real data."""
    return {
        id_: lay_labels(scene, {name: inspect(REAL, files) for name, files in scene.rasters.items()}, survey, REAL)
        for id_, scene in survey.sites["north"].scenes.items()
    }


@needs_real_data
def test_the_lithological_map_of_diamantina() -> None:
    units = gpd.read_file(REAL / "diamantina/shp/lithology.shp")
    labels = {"polygons": "diamantina/shp/lithology.shp", "attribute": "Unidades", "grid": "elevation"}
    for merged in ({0}, {0, 3, 4}):  # which units are basalt, the others are olivine
        mapping = {unit: CLASSES[0 if place in merged else 1] for place, unit in enumerate(units["Unidades"])}
        layer = lay_real(survey_of(labels, mapping, elevation="diamantina/raster/MDT.tif"))["first"]
        holds = held_by(list(units.geometry), layer.base.grid)
        expected = np.where(holds[sorted(merged)].any(axis=0), 0, np.where(holds.any(axis=0), 1, NONE))
        np.testing.assert_array_equal(whole(layer), expected)
        assert layer.notes == () and (layer.base.grid.height, layer.base.grid.width) == (228, 95)


@needs_real_data
def test_overlapping_crowns_of_neon() -> None:
    trees = pd.read_csv(REAL / "neon/field/train_data.csv")
    names = trees["scientificName"].unique()
    mapping = {name: "basalt" if name.startswith("Pinus") else "olivine" for name in names}
    labels = {
        "polygons": "neon/crowns/train_OSBS.shp",
        "attribute": "scientificName",
        "join": {"table": "neon/field/train_data.csv", "key": "indvdID"},
        "grid": "rgb",
        "cell": 1.0,
    }
    survey = survey_of(labels, mapping, rgb="neon/RGB/OSBS_1.tif")
    layer = lay_real(survey)["first"]
    crowns = gpd.read_file(REAL / "neon/crowns/train_OSBS.shp").merge(
        trees[["indvdID", "scientificName"]].drop_duplicates(), on="indvdID"
    )
    crowns = crowns[crowns.intersects(shapely.box(*layer.base.grid.bounds))]
    places = np.array([CLASSES.index(mapping[name]) for name in crowns["scientificName"]])
    expected = winners(held_by(list(crowns.geometry), layer.base.grid), places, crowns.area.to_numpy(), "unlabelled")
    np.testing.assert_array_equal(whole(layer), expected)
    assert (layer.base.grid.height, layer.base.grid.width) == (20, 20) and len(crowns) > 3
