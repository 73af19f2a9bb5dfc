"""Scenes by pattern: which files make which scene, and what is wrong with a pattern."""

from pathlib import Path

import pytest
import rasterio
from conftest import TinySurvey, write_geotiff

from outcrop.errors import SurveyError
from outcrop.survey.entries import RasterEntry, SceneEntry
from outcrop.survey.rasters import read_labels
from outcrop.survey.raw.scenes import expand_scenes


def entry(**changes: object) -> SceneEntry:
    values = {"acquired": "2024-07-01", "rasters": {"rgb": "RGB/A_*.tif", "thermal": "T/*/k.tif"}, "labels": "L_*.tif"}
    return SceneEntry.model_validate(values | changes)


def lay_out(raw: Path, *paths: str) -> Path:
    for path in paths:
        (raw / path).parent.mkdir(parents=True, exist_ok=True)
        (raw / path).touch()
    return raw


def test_a_scene_for_every_key(tmp_path: Path) -> None:
    keys = ("1", "2", "North Face")
    paths = [path for key in keys for path in (f"RGB/A_{key}.tif", f"T/{key}/k.tif", f"L_{key}.tif")]
    scenes = expand_scenes({"plot-*": entry()}, lay_out(tmp_path, *paths, "RGB/B_9.tif"), "north")
    assert list(scenes) == ["plot-1", "plot-2", "plot-north-face"]
    third = scenes["plot-north-face"]
    assert third.rasters["rgb"].files == ("RGB/A_North Face.tif",)
    assert third.rasters["thermal"].files == ("T/North Face/k.tif",)
    assert third.labels == RasterEntry(files=("L_North Face.tif",))


def test_a_path_without_star_is_shared(tmp_path: Path) -> None:
    raw = lay_out(tmp_path, "RGB/A_1.tif", "RGB/A_2.tif")
    rasters = {"rgb": "RGB/A_*.tif", "elevation": "dem.tif"}
    scenes = expand_scenes({"*": entry(rasters=rasters, labels="labels.tif")}, raw, "north")
    assert [scene.rasters["elevation"].files for scene in scenes.values()] == [("dem.tif",)] * 2


BAD = {
    "no match": ({"plot-*": {}}, (), "no file matches RGB/A_"),
    "a file is missing": ({"plot-*": {}}, ("RGB/A_1.tif", "L_1.tif"), r"key `1` has no T/1/k\.tif"),
    "twice": (
        {"plot-*": {}, "plot-1": {"rasters": {"rgb": "x.tif"}, "labels": "y.tif"}},
        ("RGB/A_1.tif", "T/1/k.tif", "L_1.tif"),
        "`plot-1` occurs twice",
    ),
    "two keys, one id": (
        {"plot-*": {}},
        ("RGB/A_a b.tif", "T/a b/k.tif", "L_a b.tif", "RGB/A_A-b.tif", "T/A-b/k.tif", "L_A-b.tif"),
        "two keys give the scene `plot-a-b`",
    ),
    "star in the name only": ({"plot-*": {"rasters": {"rgb": "x.tif"}, "labels": "y.tif"}}, (), "but no path does"),
    "star in a path only": ({"plot": {}}, (), "but its name does not"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_patterns(case: str, tmp_path: Path) -> None:
    changes, paths, message = BAD[case]
    entries = {name: entry(**change) for name, change in changes.items()}
    with pytest.raises(SurveyError, match=message):
        expand_scenes(entries, lay_out(tmp_path, *paths), "north")


def test_many_scenes_are_ingested_side_by_side(tiny_survey: TinySurvey) -> None:
    first = tiny_survey.raw / "first"
    for index, key in enumerate(("a", "b", "c")):
        for name in ("labels", "rgb", "thermal", "elevation"):
            with rasterio.open(first / f"{name}.tif") as dataset:
                values, cell, nodata = dataset.read(), dataset.transform.a, dataset.nodata
                left, top = dataset.transform.c + index * 10_000, dataset.transform.f
            write_geotiff(tiny_survey.raw / name / f"{key}.tif", values, cell=cell, origin=(left, top), nodata=nodata)
    tiny_survey.entries["sites"]["north"]["scenes"] = {
        "*": {
            "acquired": "2024-07-01",
            "rasters": {name: f"{name}/*.tif" for name in ("rgb", "thermal", "elevation")},
            "labels": "labels/*.tif",
        }
    }
    seen: list[tuple[int, int]] = []
    site = tiny_survey.ingest(progress=lambda done, total, step: seen.append((done, total)))
    assert [scene.id for scene in site.scenes] == ["a", "b", "c"]
    assert seen == [(count, 14) for count in range(1, 15)]
    for scene in site.scenes:
        assert (read_labels(scene, 0, 0, 64, 64) == tiny_survey.labels).all()
