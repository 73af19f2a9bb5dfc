"""Reading features: each format gives back what was written, and a table of bad inputs with the sentence each gives."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pytest
import shapely
from pydantic import TypeAdapter

from outcrop.errors import DataError, OutcropError, SurveyError
from outcrop.survey.entries import Labels, PointEntry, PolygonEntry
from outcrop.survey.raw.vectors import read_features

CRS = "EPSG:32627"
BOXES = [shapely.box(10 * i, 5 * i, 10 * i + 8, 5 * i + 9) for i in range(4)]
SPOTS = [shapely.Point(10 * i + 1.5, 5 * i) for i in range(4)]
UNITS = ["basalt", "Basalto São João", None, "7"]


def entry(**keys: Any) -> PolygonEntry | PointEntry:
    return TypeAdapter(Labels).validate_python({"grid": "rgb", "attribute": "unit"} | keys)


def write(folder: Path, name: str, shapes: list[Any], crs: str | None = CRS, **columns: Any) -> Path:
    frame = gpd.GeoDataFrame(columns or {"unit": UNITS}, geometry=shapes, crs=crs)
    frame.to_file(folder / name)
    return folder / name


@pytest.mark.parametrize("name", ["a.shp", "a.gpkg", "a.geojson", "a.json", "A.SHP"])
@pytest.mark.parametrize(("kind", "shapes"), [("polygons", BOXES), ("points", SPOTS)])
def test_every_format_gives_back_what_was_written(name: str, kind: str, shapes: list[Any], tmp_path: Path) -> None:
    frame = gpd.GeoDataFrame({"unit": UNITS, "number": [1, 2, 3, 4]}, geometry=shapes, crs=CRS)
    driver = {".shp": "ESRI Shapefile", ".gpkg": "GPKG"}.get(Path(name).suffix.lower(), "GeoJSON")
    frame.to_file(tmp_path / name.lower(), driver=driver)
    for part in tmp_path.iterdir():
        part.rename(tmp_path / (part.name.upper() if name.isupper() else part.name))
    found = read_features(entry(**{kind: name}), tmp_path, CRS)
    assert found.crs == CRS
    assert [None if word != word else word for word in found["unit"]] == UNITS
    assert found["number"].tolist() == [1, 2, 3, 4]
    assert all(a.equals(b) for a, b in zip(found.geometry, shapes, strict=True))


@pytest.mark.parametrize(
    ("header", "keys", "crs"),
    [
        ("x,y", {}, "EPSG:3413"),
        ("lon,lat", {}, "EPSG:4326"),
        ("lon,lat", {"crs": "EPSG:4674"}, "EPSG:4674"),
        (" east , north", {"x": "east", "y": "north"}, "EPSG:3413"),
        ("east,north", {"x": "east", "y": "north", "crs": "EPSG:32628"}, "EPSG:32628"),
    ],
)
def test_a_table_of_points(header: str, keys: dict[str, str], crs: str, tmp_path: Path) -> None:
    text = f'{header},unit\r\n1,2.5,basalt\r\n\r\n-3e1, 4 ,"a\nb"\n5,6,\n'
    (tmp_path / "p.csv").write_text(text, encoding="utf-8-sig", newline="")
    found = read_features(entry(points="p.csv", **keys), tmp_path, "EPSG:3413")
    assert found.crs == crs
    assert [(point.x, point.y) for point in found.geometry] == [(1, 2.5), (-30, 4), (5, 6)]
    assert found["unit"].tolist() == ["basalt", "a\nb", ""] and found.index.tolist() == [2, 5, 6]


def test_many_points_of_one_feature_come_apart(tmp_path: Path) -> None:
    write(tmp_path, "a.gpkg", [shapely.MultiPoint(SPOTS), SPOTS[0]], unit=["basalt", "olivine"])
    found = read_features(entry(points="a.gpkg"), tmp_path, CRS)
    assert found["unit"].tolist() == ["basalt"] * 4 + ["olivine"] and set(found.geom_type) == {"Point"}


def test_the_survey_names_the_crs_of_a_file_that_names_none(tmp_path: Path) -> None:
    write(tmp_path, "a.shp", BOXES, crs=None)
    assert read_features(entry(polygons="a.shp", crs="EPSG:4326"), tmp_path, CRS).crs == "EPSG:4326"
    assert read_features(entry(polygons="a.shp"), tmp_path, None).crs is None


def test_a_layer_is_chosen(tmp_path: Path) -> None:
    for layer, shapes in (("crowns", BOXES), ("stems", SPOTS)):
        gpd.GeoDataFrame({"unit": UNITS}, geometry=shapes, crs=CRS).to_file(tmp_path / "a.gpkg", layer=layer)
    assert set(read_features(entry(points="a.gpkg", layer="stems"), tmp_path, CRS).geom_type) == {"Point"}
    with pytest.raises(SurveyError, match="names none of the file's layers, only crowns, stems"):
        read_features(entry(points="a.gpkg"), tmp_path, CRS)
    with pytest.raises(SurveyError, match="there is no layer `roots`, only crowns, stems"):
        read_features(entry(points="a.gpkg", layer="roots"), tmp_path, CRS)


def test_a_changed_file_is_read_anew(tmp_path: Path) -> None:
    path = write(tmp_path, "a.shp", BOXES)
    before = read_features(entry(polygons="a.shp"), tmp_path, CRS)
    assert read_features(entry(polygons="a.shp"), tmp_path, CRS)["unit"] is not None
    write(tmp_path, "a.shp", BOXES, unit=["other"] * 4)
    os.utime(path, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))
    assert before["unit"].tolist()[0] == "basalt"
    assert read_features(entry(polygons="a.shp"), tmp_path, CRS)["unit"].tolist() == ["other"] * 4


# What a user may hand in, and the sentence that must come back.

Damage = Callable[[Path], object]


def text(name: str, content: str) -> Damage:
    return lambda folder: (folder / name).write_text(content, encoding="utf-8")


def cut(name: str, keep: float) -> Damage:
    def damage(folder: Path) -> None:
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(len(content) * keep)])

    return damage


def link_out(name: str) -> Damage:
    def damage(folder: Path) -> None:
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return damage


def drop(name: str) -> Damage:
    return lambda folder: (folder / name).unlink()


def geojson(geometry: object, **more: object) -> str:
    features = [{"type": "Feature", "properties": {"unit": "basalt"}, "geometry": geometry}]
    return json.dumps({"type": "FeatureCollection", "features": features} | more)


VRT = '<OGRVRTDataSource><OGRVRTLayer name="a"><SrcDataSource>a.shp</SrcDataSource></OGRVRTLayer></OGRVRTDataSource>'
GDALG = '{"type": "gdal_streamed_alg", "command_line": "gdal vector pipeline ! read a.shp"}'
SHP, GPKG, JSON, CSV = ({"polygons": "a.shp"}, {"polygons": "a.gpkg"}, {"polygons": "b.json"}, {"points": "p.csv"})
POINT = {"type": "Point", "coordinates": [1, 2]}
LINK = {"type": "link", "properties": {"href": "http://127.0.0.1:9/crs"}}

BAD_INPUTS: dict[str, tuple[Damage, dict[str, str], type[OutcropError], str]] = {
    "missing": (drop("a.shp"), SHP, SurveyError, "the raw file is missing"),
    "leaves the folder": (link_out("a.gpkg"), GPKG, SurveyError, "leads out of the data folder"),
    "a part leaves the folder": (link_out("a.dbf"), SHP, SurveyError, r"leads out of the data folder \(.*a.dbf\)"),
    "no attributes": (drop("a.dbf"), SHP, SurveyError, "the Shapefile's .dbf is missing"),
    "no index": (drop("a.shx"), SHP, SurveyError, "the Shapefile's .shx is missing"),
    "suffix": (text("a.kml", "<kml/>"), {"polygons": "a.kml"}, SurveyError, "`.kml` files are not read as polygons"),
    "table of polygons": (
        text("p.csv", "x,y"),
        {"polygons": "p.csv"},
        SurveyError,
        "`.csv` files are not read as poly",
    ),
    "not a Shapefile": (text("a.shp", VRT), SHP, DataError, "not a readable Shapefile"),
    "not a GeoPackage": (text("a.gpkg", VRT), GPKG, DataError, "not a readable GeoPackage"),
    "another database": (lambda f: sqlite(f / "a.gpkg"), GPKG, DataError, "not a readable GeoPackage"),
    "not GeoJSON": (text("b.json", VRT), JSON, DataError, "not a readable GeoJSON"),
    "VRT in disguise": (text("b.json", "{" + VRT), JSON, DataError, "not a readable GeoJSON"),
    "pipeline in disguise": (text("b.json", GDALG), JSON, DataError, "not a readable GeoJSON"),
    "CRS behind a link": (text("b.json", geojson(POINT, crs=LINK)), JSON, DataError, "not a readable GeoJSON"),
    "bare list": (text("b.json", "[1, 2]"), JSON, DataError, "not a readable GeoJSON"),
    "nested without end": (text("b.json", '{"a":' + "[" * 100_000), JSON, DataError, "not a readable GeoJSON"),
    "half a ring": (
        text("b.json", geojson({"type": "Polygon", "coordinates": [[[0, 0], [1, 1]]]})),
        JSON,
        DataError,
        "not a readable GeoJSON",
    ),
    "truncated GeoJSON": (cut("a.geojson", 0.7), {"polygons": "a.geojson"}, DataError, "not a readable GeoJSON"),
    "truncated GeoPackage": (cut("a.gpkg", 0.6), GPKG, DataError, "not a readable GeoPackage"),
    "truncated attributes": (cut("a.dbf", 0.6), SHP, DataError, "not a readable Shapefile"),
    "truncated index": (cut("a.shx", 0.6), SHP, DataError, "not a readable Shapefile"),
    "truncated shapes": (cut("a.shp", 0.6), SHP, DataError, "2 features without finite coordinates, the first is 2"),
    "no geometry": (text("b.json", geojson(None)), JSON, DataError, "1 feature without finite coordinates, the first"),
    "not a number": (
        text("b.json", geojson({"type": "Point", "coordinates": [float("nan"), 2]})),
        {"points": "b.json"},
        DataError,
        "1 feature without finite coordinates, the first is 0",
    ),
    "no features": (
        text("b.json", '{"type": "FeatureCollection", "features": []}'),
        JSON,
        DataError,
        "the file holds no features",
    ),
    "points as polygons": (text("b.json", geojson(POINT)), JSON, SurveyError, "of type Point, not polygons alone"),
    "polygons as points": (lambda f: None, {"points": "a.shp"}, SurveyError, "of type Polygon, not points alone"),
    "layer": (lambda f: None, SHP | {"layer": "a"}, SurveyError, "only a GeoPackage has layers"),
    "layer of a table": (text("p.csv", "x,y\n1,2"), CSV | {"layer": "a"}, SurveyError, "a table has no layers"),
    "columns of no table": (
        lambda f: None,
        {"points": "a.shp", "x": "x", "y": "y"},
        SurveyError,
        "`x` and `y` are columns of a CSV",
    ),
    "no CRS": (drop("a.prj"), SHP, SurveyError, "the polygons have no CRS, the grid has one"),
    "another CRS": (
        lambda f: None,
        GPKG | {"crs": "EPSG:32628"},
        SurveyError,
        "the file is in EPSG:32627, the survey says EPSG:32628",
    ),
    "unknown CRS": (lambda f: None, SHP | {"crs": "EPSG:1"}, SurveyError, "the CRS `EPSG:1` is not known"),
    "path": (
        lambda f: [part.rename(f / f"!{part.name}") for part in f.glob("a.*")],
        {"polygons": "!a.shp"},
        SurveyError,
        "the path holds a `!`",
    ),
    "no coordinates": (
        text("p.csv", "east,north,unit\n1,2,basalt\n"),
        CSV,
        SurveyError,
        "no columns `x` and `y`, nor `lon` and `lat`, only east, north, unit",
    ),
    "wrong columns": (
        text("p.csv", "x,y\n1,2\n"),
        CSV | {"x": "east", "y": "north"},
        SurveyError,
        "there is no column `east`, only x, y",
    ),
    "words for numbers": (
        text("p.csv", "x,y\n1,2\n1,north\n,3\n"),
        CSV,
        DataError,
        "2 lines without numbers as coordinates, the first is line 3 .'1', 'north'.",
    ),
    "NaN": (text("p.csv", "x,y\n1,2\n\n1,NaN\n"), CSV, DataError, "1 line without numbers .* line 4"),
    "infinite": (text("p.csv", "x,y\n-inf,2\n"), CSV, DataError, "1 line without numbers .* line 2"),
    "decimal comma": (text("p.csv", 'x,y\n"1,5",2\n'), CSV, DataError, "line 2 .'1,5', '2'."),
    "values a line": (text("p.csv", "x,y\n1,2\n1,2,3\n"), CSV, DataError, "line 3 has 3 values, the header has 2"),
    "the same column twice": (text("p.csv", "x,y,x\n1,2,3\n"), CSV, SurveyError, "the table has two columns `x`"),
    "empty table": (text("p.csv", "\n\n"), CSV, DataError, "the table is empty"),
    "only a header": (text("p.csv", "x,y\n"), CSV, DataError, "the file holds no features"),
    "not text": (lambda f: (f / "p.csv").write_bytes(b"x,y\n1,\xff\n"), CSV, DataError, "the table cannot be read"),
}


def sqlite(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE a (unit TEXT)")


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence(name: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    for form in ("a.shp", "a.gpkg", "a.geojson"):
        write(folder, form, BOXES)
    damage, keys, error, message = BAD_INPUTS[name]
    damage(folder)
    with pytest.raises(error, match=message) as caught:
        read_features(entry(**keys), folder, CRS)
    said = str(caught.value)
    assert ";" in said and "\n" not in said and said.endswith(".")
    assert capfd.readouterr().err == ""


def test_a_grid_without_crs_takes_no_features_that_have_one(tmp_path: Path) -> None:
    write(tmp_path, "a.geojson", BOXES, crs="EPSG:4326")
    with pytest.raises(SurveyError, match="the polygons are in EPSG:4326, the grid has no CRS"):
        read_features(entry(polygons="a.geojson"), tmp_path, None)


def test_half_a_pair_of_columns_is_refused() -> None:
    with pytest.raises(ValueError, match="give both `x` and `y`, or neither"):
        entry(points="p.csv", x="east")


def test_coordinates_keep_their_digits(tmp_path: Path) -> None:
    x = np.array([534412.123456789, 1e-9])
    (tmp_path / "p.csv").write_text("x,y\n" + "".join(f"{float(each)!r},0\n" for each in x))
    found = read_features(entry(points="p.csv"), tmp_path, CRS)
    np.testing.assert_array_equal(found.geometry.x, x)


def test_ingest_brings_geopandas_only_where_labels_are_features() -> None:
    code = "import sys, outcrop.survey.raw.labels; print('geopandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
