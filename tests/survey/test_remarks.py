"""Remarks of many scenes as one line each, their counts summed."""

from dataclasses import replace

from outcrop.survey.remarks import site_remarks
from outcrop.survey.sites import Site


def test_the_same_remark_is_made_once(tiny_site: Site) -> None:
    scene = tiny_site.scenes[0]
    rgb = replace(scene.rasters["rgb"], notes=("reprojected from EPSG:4326, bilinear",))
    noted = replace(scene, rasters={"rgb": rgb}, notes=("1 polygon got no label", "12 cells are contested"))
    other = replace(noted, notes=("2 polygons got no label",))
    assert site_remarks(replace(tiny_site, scenes=(noted, other))) == [
        "north, labels: 3 polygons got no label (2 scenes)",
        "north, labels: 12 cells are contested (1 scene)",
        "north, rgb: reprojected from EPSG:4326, bilinear (2 scenes)",
    ]


def test_one_scene_is_not_counted(tiny_site: Site) -> None:
    noted = replace(tiny_site.scenes[0], notes=("1 polygon got no label",))
    assert site_remarks(replace(tiny_site, scenes=(noted,))) == ["north, labels: 1 polygon got no label"]
