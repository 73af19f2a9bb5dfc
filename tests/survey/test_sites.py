"""A site on disk: what went in comes out, by our reader, by rasterio and by pystac alone; damage is told."""

import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pystac
import pytest
import rasterio
from conftest import CELL, EAST, NORTH, TinySurvey, write_geotiff

from outcrop.errors import SiteError
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import LabelClass, Site, read_site


def test_names_and_places_survive(tiny_site: Site) -> None:
    scene = tiny_site.scenes[0]
    assert (tiny_site.name, tiny_site.survey, tiny_site.block, tiny_site.buffer) == ("north", "tiny", 8, 3)
    assert tiny_site.classes[1] == LabelClass("olivine", 1, "#88AA33")
    assert (scene.id, scene.acquired, scene.grid.crs) == ("first", (date(2024, 7, 1), date(2024, 7, 1)), "EPSG:32627")
    assert {m: r.nesting for m, r in scene.rasters.items()} == {
        "rgb": Nesting(fine=2),
        "thermal": Nesting(coarse=2, row=1, col=1),
        "elevation": Nesting(),
    }
    assert [band.name for band in scene.rasters["rgb"].bands] == ["red", "green", "blue"]
    assert scene.rasters["thermal"].unit == "K"


def test_values_survive_at_native_resolution(tiny_site: Site, tiny_truth: TinySurvey) -> None:
    rasters = tiny_site.scenes[0].rasters
    rgb = tiny_truth.rgb.astype(float)
    rgb[:, :6, :6] = np.nan
    np.testing.assert_array_equal(read_window(rasters["rgb"], 0, 0, 128, 128), rgb)
    # The raw raster starts 3 cells up and 5 to the left in pixels of 2 cells: pixel (1, 2) holds base cell (0, 0).
    grid = rasters["thermal"].grid
    assert (grid.height, grid.width) == (33, 33)
    np.testing.assert_array_equal(read_window(rasters["thermal"], 0, 0, 33, 33)[0], tiny_truth.thermal[1:34, 2:35])
    elevation = np.where(tiny_truth.elevation == -9999, np.nan, tiny_truth.elevation * 0.5)
    np.testing.assert_array_equal(read_window(rasters["elevation"], 0, 0, 64, 64)[0], elevation)


def test_pystac_and_rasterio_alone_find_everything(tiny_site: Site, tiny_truth: TinySurvey) -> None:
    collection = pystac.Collection.from_file(str(tiny_site.path / "collection.json"))
    (item,) = collection.get_items()
    assert collection.to_dict()["stac_version"].startswith("1.1")
    assert collection.license == "CC0-1.0"
    west, south, east, north = item.bbox
    assert -21.1 < west < east < -20.9 and 63.9 < south < north < 64.1
    classes = item.assets["labels"].extra_fields["classification:classes"]
    assert [(c["value"], c["name"], c["color_hint"]) for c in classes[:2]] == [
        (0, "basalt", "444444"),
        (1, "olivine", "88AA33"),
    ]
    with rasterio.open(item.assets["elevation"].get_absolute_href()) as dataset:
        assert dataset.descriptions == ("elevation",)
        assert (dataset.scales, dataset.units, dataset.nodata) == ((0.5,), ("m",), -9999)
        assert tuple(dataset.transform)[:6] == (CELL, 0, EAST, 0, -CELL, NORTH)
        np.testing.assert_array_equal(dataset.read(1), tiny_truth.elevation)


def test_manifests_name_no_absolute_path_and_no_clock(tiny_site: Site) -> None:
    for path in tiny_site.path.rglob("*.json"):
        text = path.read_text()
        assert str(tiny_site.path.parent) not in text and "updated" not in text and ".building" not in text


def test_a_site_may_be_moved(tiny_site: Site, tmp_path: Path) -> None:
    shutil.copytree(tiny_site.path, tmp_path / "elsewhere")
    assert read_site(tmp_path / "elsewhere").name == "north"


def edit(name: str, change: Callable[[dict], None]) -> Callable[[Path], None]:
    def damage(site: Path) -> None:
        path = site / name
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))

    return damage


def asset(name: str, **fields: object) -> Callable[[Path], None]:
    return edit("first/first.json", lambda item: item["assets"][name].update(fields))


def outside(site: Path) -> None:
    target = site.parent / "outside.tif"
    shutil.move(site / "first" / "rgb.tif", target)
    (site / "first" / "rgb.tif").symlink_to(target)


def relabel(name: str, value: int) -> Callable[[Path], None]:
    def damage(site: Path) -> None:
        write_geotiff(site / "first" / name, np.full((64, 64), value, np.uint8))

    return damage


DAMAGES = {
    "no folder": (shutil.rmtree, "there is no such site"),
    "no manifest": (lambda site: (site / "collection.json").unlink(), "`collection.json` is missing"),
    "not JSON": (lambda site: (site / "collection.json").write_text("{"), "not valid JSON"),
    "deep JSON": (lambda site: (site / "collection.json").write_text("[" * 10**5), "not valid JSON"),
    "a list": (lambda site: (site / "collection.json").write_text("[]"), "not a STAC object"),
    "another catalogue": (edit("collection.json", lambda c: c.pop("outcrop:block")), "`outcrop:block` is missing"),
    "no scenes": (edit("collection.json", lambda c: c.update(links=[])), "has no scenes"),
    "item outside": (
        edit("collection.json", lambda c: c["links"].append({"rel": "item", "href": "../other/other.json"})),
        "leaves the site's folder",
    ),
    "URL": (asset("rgb", href="https://example.org/rgb.tif"), "inside the site's folder"),
    "vsi path": (asset("rgb", href="/vsicurl/http://example.org/rgb.tif"), "inside the site's folder"),
    "absolute": (asset("rgb", href="/etc/passwd"), "inside the site's folder"),
    "parent": (asset("rgb", href="../../x.tif"), "inside the site's folder"),
    "symbolic link": (outside, "leads out of the site's folder"),
    "missing raster": (lambda site: (site / "first" / "rgb.tif").unlink(), "`rgb.tif` is missing"),
    "not a raster": (lambda site: (site / "first" / "rgb.tif").write_text("hello"), "not a readable GeoTIFF"),
    "a VRT in disguise": (
        lambda site: (site / "first" / "rgb.tif").write_text("<VRTDataset rasterXSize='1' rasterYSize='1'/>"),
        "not a readable GeoTIFF",
    ),
    "bands": (asset("rgb", bands=[{"name": "red"}]), "has 3 bands, its manifest says 1"),
    "type": (asset("rgb", data_type="int16"), "holds uint8, its manifest says int16"),
    "grid": (asset("rgb", **{"proj:shape": [64, 64]}), "grid is not the one its manifest says"),
    "does not nest": (asset("thermal", href="./elevation.tif", data_type="int16"), "grid is not the one"),
    "CRS": (edit("first/first.json", lambda i: i["properties"].update({"proj:code": None})), "grid is not the one"),
    "no labels": (edit("first/first.json", lambda i: i["assets"].pop("labels")), "has no `labels`"),
    "unknown label": (relabel("labels.tif", 7), "the value 7 is not in the vocabulary"),
    "unknown split": (relabel("split.tif", 4), "the value 4 is not in the vocabulary"),
    "truncated labels": (
        lambda site: (site / "first/labels.tif").write_bytes((site / "first/labels.tif").read_bytes()[:-300]),
        "cannot be read to its end|not a readable|grid is not the one",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_one_sentence_with_place_and_remedy(name: str, tiny_site: Site, tmp_path: Path) -> None:
    damage, message = DAMAGES[name]
    site = tmp_path / "north"
    shutil.copytree(tiny_site.path, site)
    damage(site)
    with pytest.raises(SiteError, match=message) as caught:
        read_site(site)
    text = str(caught.value)
    assert str(site) in text and ";" in text and "\n" not in text
