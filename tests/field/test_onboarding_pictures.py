"""Points to walk to, and the pictures of an onboarding."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from outcrop.field.onboarding_pictures import Marks, before_after_picture, curve_picture
from outcrop.field.waypoints import write_waypoints
from outcrop.survey.sites import Site

POINT = {"rank": 1, "scene": 0, "row": 10, "col": 20, "likeliest": "basalt"}


def test_waypoints_are_in_degrees_where_the_site_is_on_earth(tiny_site: Site, tmp_path: Path) -> None:
    told = json.loads(write_waypoints(tmp_path / "next.geojson", [POINT], tiny_site.scenes).read_text())
    (feature,) = told["features"]
    longitude, latitude = feature["geometry"]["coordinates"]
    assert longitude == pytest.approx(-21, abs=0.01) and latitude == pytest.approx(64.02, abs=0.01)
    assert feature["properties"] == {**POINT, "scene": "first", "x": 500_205.0, "y": 7_099_895.0}


def test_waypoints_elsewhere_say_what_they_count(tiny_site: Site, tmp_path: Path) -> None:
    scene = tiny_site.scenes[0]
    bare = replace(scene, grid=replace(scene.grid, crs=None))
    told = json.loads(write_waypoints(tmp_path / "next.geojson", [POINT], [bare]).read_text())
    assert told["features"][0]["geometry"]["coordinates"] == [500_205.0, 7_099_895.0]
    assert "not longitude and latitude" in told["description"]


def test_pictures_are_pictures_whatever_is_marked() -> None:
    before = np.arange(12, dtype=np.uint8).reshape(3, 4) % 3
    before[0, 0] = 255
    maps = {"before": before, "after": before[::-1].copy()}
    for marks in (Marks([], []), Marks([1.5, 2.5], [0.5, 3.5], ["1", "2"])):
        names, colours = ["a", "b", "$c"], ["#ff0000", "#00ff00", "#0000ff"]
        assert before_after_picture(maps, names, colours, 2, marks, marks)[:4] == b"\x89PNG"
    curve = [(5, 0.3, 0.2, 0.4), (20, 0.5, 0.4, 0.6)]
    assert (
        curve_picture({"macro-F1": curve, "accuracy": curve}, {"macro-F1": 0.2, "accuracy": 0.2}, 14)[:4] == b"\x89PNG"
    )
