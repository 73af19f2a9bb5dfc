"""What went in comes out, for whoever has no Outcrop: sites are read here by pystac and rasterio alone."""

import os
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import pystac
import pytest
import rasterio
import shapely
import yaml
from conftest import PROJECT, TinySurvey
from rasterio.crs import CRS

from outcrop.survey.ingest import ingest_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import DATA_VARIABLE, load_survey

RAW = Path(os.environ.get(DATA_VARIABLE, "/nowhere"))
needs_real_data = pytest.mark.skipif(not (RAW / "neon").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")


def the_item(path: Path) -> pystac.Item:
    """The only scene of a site."""
    (item,) = pystac.Collection.from_file(str(path / "collection.json")).get_items()
    return item


def opened(item: pystac.Item, name: str) -> Any:
    return rasterio.open(item.assets[name].get_absolute_href())


def centres(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """World coordinates of the middles of all pixels, each (height, width)."""
    cols, rows = np.meshgrid(np.arange(dataset.width) + 0.5, np.arange(dataset.height) + 0.5)
    return dataset.transform @ (cols, rows)


def at(path: Path, x: np.ndarray, y: np.ndarray, void: float) -> np.ndarray:
    """Stored numbers (bands, ...) of a raw file at world coordinates; ``void`` outside of it."""
    with rasterio.open(path) as dataset:
        stored = dataset.read()
        cols, rows = (np.floor(each).astype(int) for each in ~dataset.transform @ (x, y))
    inside = (rows >= 0) & (rows < stored.shape[1]) & (cols >= 0) & (cols < stored.shape[2])
    values = np.full((len(stored), *x.shape), void, stored.dtype)
    values[:, inside] = stored[:, rows[inside], cols[inside]]
    return values


def assert_same_numbers(item: pystac.Item, name: str, *raw: Path) -> None:
    """Every stored number is that of the raw files at its place, bit by bit."""
    with opened(item, name) as dataset:
        found, void = dataset.read(), 0 if dataset.nodata is None else dataset.nodata
        expected = np.concatenate([at(path, *centres(dataset), void) for path in raw])
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


def class_names(item: pystac.Item) -> np.ndarray:
    """Names (height, width) of the labels' classes."""
    names = np.full(256, "?", object)
    for each in item.assets["labels"].extra_fields["classification:classes"]:
        names[each["value"]] = each["name"]
    with opened(item, "labels") as dataset:
        return names[dataset.read(1)]


def assert_catalogue_is_whole(path: Path) -> None:
    """Required fields are there, every link and asset leads to a file, and there is no other file."""
    collection = pystac.Collection.from_file(str(path / "collection.json"))
    required = {"type", "stac_version", "id", "description", "license", "extent", "links"}
    assert required <= set(collection.to_dict())
    assert collection.extent.spatial.bboxes and collection.extent.temporal.intervals
    named = {path / "collection.json"}
    for item in collection.get_items():
        content = item.to_dict()
        assert {"type", "stac_version", "id", "geometry", "bbox", "properties", "links", "assets"} <= set(content)
        assert content["type"] == "Feature" and content["stac_version"] == "1.1.0"
        assert content["collection"] == collection.id == item.get_parent().id
        assert content["properties"]["datetime"] is None
        named |= {Path(item.get_self_href())} | {Path(a.get_absolute_href()) for a in item.assets.values()}
        for name in item.assets:
            assert_asset_is_as_it_says(item, name)
    assert named == {file for file in path.rglob("*") if file.is_file()}


def assert_asset_is_as_it_says(item: pystac.Item, name: str) -> None:
    """The manifest and the file itself say the same of bands, units, scale, nodata, type and place."""
    asset = item.assets[name]
    said = asset.extra_fields
    with opened(item, name) as dataset:
        assert asset.media_type == "image/tiff; application=geotiff; profile=cloud-optimized"
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.descriptions == tuple(band["name"] for band in said["bands"])
        assert set(dataset.units) == {said["unit"]}
        assert set(dataset.scales) == {said["raster:scale"]} and set(dataset.offsets) == {said["raster:offset"]}
        assert set(dataset.dtypes) == {said["data_type"]}
        assert str(dataset.nodata) == str(float(said["nodata"]) if "nodata" in said else None)
        assert list(dataset.shape) == said["proj:shape"]
        assert list(dataset.transform)[:6] == said["proj:transform"]
        assert dataset.crs == CRS.from_string(item.properties["proj:code"] or item.properties["proj:wkt2"])


def days(item: pystac.Item) -> tuple[date, date]:
    first, last = item.common_metadata.start_datetime, item.common_metadata.end_datetime
    assert first == datetime.combine(first, time.min, UTC) and last.time() == time(23, 59, 59)
    return first.date(), last.date()


def test_the_tiny_site(tiny_site: Site, tiny_truth: TinySurvey) -> None:
    assert_catalogue_is_whole(tiny_site.path)
    item, raw = the_item(tiny_site.path), tiny_truth.raw / "first"
    for name in ("rgb", "thermal", "elevation"):
        assert_same_numbers(item, name, raw / f"{name}.tif")
    with rasterio.open(raw / "labels.tif") as dataset:
        words = np.array(["none", "basalt", "olivine", "calcite"], object)[dataset.read(1) // 10]
    np.testing.assert_array_equal(class_names(item), words)
    assert days(item) == (date(2024, 7, 1), date(2024, 7, 1))
    assert item.properties["proj:code"] == "EPSG:32627"
    fields = {name: asset.extra_fields for name, asset in item.assets.items()}
    assert (fields["elevation"]["raster:scale"], fields["elevation"]["nodata"]) == (0.5, -9999)
    assert (fields["thermal"]["unit"], fields["thermal"]["nodata"]) == ("K", "nan")
    assert [band["name"] for band in fields["rgb"]["bands"]] == ["red", "green", "blue"]
    colours = {each["name"]: each["color_hint"] for each in fields["labels"]["classification:classes"]}
    assert colours == {"basalt": "444444", "olivine": "88AA33", "calcite": "EEEECC", "none": "FFFFFF"}


def ingest_real(name: str, site: str, scene: str, key: str, folder: Path) -> Path:
    """Ingest one scene of a shipped survey."""
    entries = yaml.safe_load((PROJECT / "data" / "surveys" / f"{name}.yaml").read_text(encoding="utf-8"))
    (pattern,) = entries["sites"][site]["scenes"].values()
    entries["sites"] = {site: {"scenes": {scene: yaml.safe_load(yaml.safe_dump(pattern).replace("*", key))}}}
    (folder / "survey.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
    survey, params = load_survey(folder / "survey.yaml", PROJECT / "params.yaml")
    return ingest_site(survey, site, params, RAW, folder / "sites").path


@needs_real_data
def test_diamantina(tmp_path: Path) -> None:
    path = ingest_real("diamantina", "diamantina", "mosaic", "", tmp_path)
    assert_catalogue_is_whole(path)
    item, raw = the_item(path), RAW / "diamantina" / "raster"
    assert_same_numbers(item, "multispectral", *(raw / f"B0{number}.tif" for number in (2, 3, 4, 6, 7)))
    assert_same_numbers(item, "rgb", *(raw / f"B0{number}.tif" for number in (4, 3, 2)))
    assert_same_numbers(item, "gamma", *(raw / f"{name}.tif" for name in ("K", "TH", "U", "CT")))
    assert_same_numbers(item, "elevation", raw / "MDT.tif")
    with opened(item, "magnetic") as dataset:
        gradient = at(raw / "GT.tif", *centres(dataset), np.nan)
        np.testing.assert_allclose(dataset.read(), np.log10(np.maximum(gradient, 1e-3)), atol=1e-6)
    assert item.assets["rgb"].extra_fields["outcrop:derived_from"] == "multispectral"
    assert days(item) == (date(2013, 4, 1), date(2021, 12, 31))
    landsat = {"B02": 0.482, "B03": 0.561, "B04": 0.655, "B06": 1.609, "B07": 2.201}
    bands = item.assets["multispectral"].extra_fields["bands"]
    assert {band["name"]: band["eo:center_wavelength"] for band in bands} == pytest.approx(landsat, abs=2e-3)
    assert_labels_are_the_polygons(item, RAW / "diamantina" / "shp" / "lithology.shp")


def assert_labels_are_the_polygons(item: pystac.Item, shapes: Path) -> None:
    """Cells hold the class of the polygon that holds their middle, by shapely."""
    mapping = yaml.safe_load((PROJECT / "data/surveys/diamantina.yaml").read_text(encoding="utf-8"))["mapping"]
    names = class_names(item)
    with opened(item, "labels") as dataset:
        x, y = centres(dataset)
        polygons = geopandas.read_file(shapes).to_crs(dataset.crs)
    expected, times = np.full(names.shape, "none", object), np.zeros(names.shape, int)
    for name, shape in zip(polygons["Unidades"].map(mapping), polygons.geometry, strict=True):
        shapely.prepare(shape)
        holds = shapely.contains_xy(shape, x, y)
        times += holds
        expected[holds] = name
    once = times <= 1
    assert once.mean() > 0.99
    np.testing.assert_array_equal(names[once], expected[once])


@needs_real_data
def test_a_plot_of_neon(tmp_path: Path) -> None:
    path = ingest_real("neon", "mlbs", "plot-1", "1", tmp_path)
    assert_catalogue_is_whole(path)
    item = the_item(path)
    assert_same_numbers(item, "hyperspectral", RAW / "neon/HSI/MLBS_1.tif")
    assert_same_numbers(item, "rgb", RAW / "neon/RGB/MLBS_1.tif")
    assert_same_numbers(item, "canopy", RAW / "neon/CHM/MLBS_1.tif")
    cube = item.assets["hyperspectral"].extra_fields
    assert (cube["data_type"], cube["raster:scale"], cube["outcrop:approximate"]) == ("int16", 1e-4, True)
    sensors = pd.read_csv(PROJECT / "outcrop/survey/sensors.csv", comment="#")
    table = sensors[sensors["sensor"] == "neon_ais_idtrees"]
    assert [band["eo:center_wavelength"] for band in cube["bands"]] == pytest.approx(table["centre_um"].tolist())
    assert [band["eo:full_width_half_max"] for band in cube["bands"]] == pytest.approx(table["fwhm_um"].tolist())
    assert len(cube["bands"]) == 369
    assert {"conifer", "oak", "other_broadleaf"} & set(np.unique(class_names(item)))
