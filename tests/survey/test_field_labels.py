"""Labels from the field: every format gives the same cells; what cannot be used is refused in one sentence."""

import json
from collections.abc import Callable
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from conftest import CELL, EAST, NORTH, SIDE, TinySurvey

from outcrop.errors import OutcropError
from outcrop.survey.field_labels import FieldLabels, read_field_labels
from outcrop.survey.onboarded import write_onboarded
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey

CELLS = [(10, 12, "basalt"), (20, 30, "olivine"), (41, 7, "calcite"), (50, 50, "basalt")]
CRS = "EPSG:32627"


def x_of(col: float) -> float:
    return EAST + (col + 0.4) * CELL


def y_of(row: float) -> float:
    return NORTH - (row + 0.6) * CELL


def table(*rows: tuple[float, float, str], header: str = "x,y,class") -> str:
    return "\n".join([header, *(f"{x_of(col)},{y_of(row)},{word}" for row, col, word in rows)]) + "\n"


def frame(*rows: tuple[float, float, str]) -> gpd.GeoDataFrame:
    points = gpd.points_from_xy([x_of(col) for _, col, _ in rows], [y_of(row) for row, _, _ in rows])
    return gpd.GeoDataFrame({"class": [word for *_, word in rows]}, geometry=points, crs=CRS)


def lon_lat() -> str:
    world = frame(*CELLS).to_crs("EPSG:4326")
    lines = [f"{p.x!r},{p.y!r},{word}" for p, word in zip(world.geometry, world["class"], strict=True)]
    return "\n".join(["lon,lat,class", *lines])


FORMATS: dict[str, Callable[[Path], object]] = {
    "points.csv": lambda path: path.write_text(table(*CELLS)),
    "degrees.csv": lambda path: path.write_text(lon_lat()),
    "points.geojson": lambda path: frame(*CELLS).to_crs("EPSG:4326").to_file(path),
    "points.gpkg": lambda path: frame(*CELLS).to_file(path),
    "points.shp": lambda path: frame(*CELLS).to_file(path),
}


@pytest.fixture(scope="session")
def tiny(tiny_truth: TinySurvey, tiny_site: Site) -> tuple[Site, Survey]:
    return tiny_site, tiny_truth.load()[0]


def read(path: Path, tiny: tuple[Site, Survey], *, new: bool = False) -> FieldLabels:
    return read_field_labels(path, *tiny, allow_new_classes=new)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_cells(name: str, tmp_path: Path, tiny: tuple[Site, Survey]) -> None:
    FORMATS[name](tmp_path / name)
    found = read(tmp_path / name, tiny)
    assert list(zip(found.rows, found.cols, strict=True)) == [(row, col) for row, col, _ in CELLS]
    assert [found.names[place] for place in found.classes] == [word for *_, word in CELLS]
    assert found.notes == ()


def test_a_cell_counts_once_and_points_without_class_are_told(tmp_path: Path, tiny: tuple[Site, Survey]) -> None:
    path = tmp_path / "points.csv"
    path.write_text(table(*CELLS, CELLS[0], (30, 30, "")))
    found = read(path, tiny)
    assert len(found) == len(CELLS)
    assert found.notes == (
        "left out 1 point without a class of the survey",
        "1 point in a cell that another point of its class is in",
    )


def test_new_classes_stand_behind_those_of_the_survey_and_of_the_model(
    tmp_path: Path, tiny: tuple[Site, Survey]
) -> None:
    path = tmp_path / "points.csv"
    path.write_text(table(*CELLS, (5, 5, "granite")))
    found = read(path, tiny, new=True)
    assert found.names == ("basalt", "olivine", "calcite", "granite")
    seen = found.among(("calcite", "gabbro"))
    assert seen.names == ("calcite", "gabbro", "basalt", "olivine", "granite")
    assert [seen.names[p] for p in seen.classes] == [found.names[p] for p in found.classes]


def test_what_was_onboarded_is_read_again(tmp_path: Path, tiny: tuple[Site, Survey]) -> None:
    path = tmp_path / "points.csv"
    path.write_text(table(*CELLS))
    found = read(path, tiny)
    again = read(write_onboarded(tmp_path / "kept" / "north.csv", found, tiny[0]), tiny)
    for one, other in ((found.rows, again.rows), (found.cols, again.cols), (found.classes, again.classes)):
        assert np.array_equal(one, other)


BAD: dict[str, tuple[str, str]] = {
    "outside the site": (table(*CELLS, (SIDE + 3, 5, "basalt")), "1 point of 5 outside site north, the first is 6"),
    "none inside": ("x,y,class\n5,5,basalt\n6,6,olivine\n", "2 points of 2 outside site north"),
    "contradicting classes": (table(*CELLS, (10, 12, "olivine")), "one cell has the labels basalt and olivine"),
    "unknown class": (table(*CELLS, (5, 5, "granite")), "the survey has no class 'granite'"),
    "one class": (table(CELLS[0], CELLS[3]), "fewer than two classes"),
    "empty file": ("", "the file of labels is empty"),
    "header alone": ("x,y,class\n", "holds no features"),
    "no class column": (table(*CELLS, header="x,y,rock"), "there is no column `class`"),
    "no coordinates": (table(*CELLS, header="a,b,class"), "no columns `x` and `y`"),
    "words as coordinates": ("x,y,class\nhere,there,basalt\n", "without numbers as coordinates"),
    "no classes at all": (table((1, 1, ""), (2, 2, "")), "no point has a class"),
    "unknown scene": ("x,y,class,scene\n1,1,basalt,second\n", "has no scene `second`"),
    "not a table": ("\x00\x01", "no columns `x` and `y`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_labels_are_one_sentence(case: str, tmp_path: Path, tiny: tuple[Site, Survey]) -> None:
    content, expected = BAD[case]
    path = tmp_path / "points.csv"
    path.write_text(content)
    with pytest.raises(OutcropError) as error:
        read(path, tiny)
    assert expected in str(error.value) and "\n" not in str(error.value)


def test_a_file_in_the_wrong_crs_is_refused(tmp_path: Path, tiny: tuple[Site, Survey]) -> None:
    frame(*CELLS).set_crs("EPSG:3857", allow_override=True).to_file(tmp_path / "wrong.gpkg")
    with pytest.raises(OutcropError, match="outside site north"):
        read(tmp_path / "wrong.gpkg", tiny)
    (tmp_path / "broken.geojson").write_text(json.dumps({"type": "FeatureCollection"}))
    with pytest.raises(OutcropError, match="not a readable GeoJSON"):
        read(tmp_path / "broken.geojson", tiny)
    with pytest.raises(OutcropError, match="no such file of labels"):
        read(tmp_path / "nowhere.csv", tiny)
