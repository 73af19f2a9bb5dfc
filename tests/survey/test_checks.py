"""The tables that are judged hold what is so, the shipped expectations read well, and many findings become one."""

import re
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio
from conftest import PROJECT, write_geotiff
from nested import FOOTPRINT, RANGES, Nested

from outcrop.survey.census import Census, take_census
from outcrop.survey.checks import TABLES
from outcrop.survey.declarations import declare
from outcrop.survey.expectations import Expectation, read_suites
from outcrop.survey.findings import Finding, tell
from outcrop.survey.sites import SPLITS, Band, Scene, Site
from outcrop.survey.surveys import MeasuredEntry, Survey
from outcrop.survey.tables import tables

SHIPPED = PROJECT / "data" / "expectations"
Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def found(nested: Nested) -> Tables:
    return tables(nested.survey, nested.sites, nested.reader.census)


def test_there_is_a_row_for_each_thing(nested: Nested, found: Tables) -> None:
    assert {name: len(table) for name, table in found.items()} == {
        "bands": 2 * 6,
        "modalities": 2 * 3,
        "scenes": 2,
        "sites": 2,
        "classes": 3,
        "support": 3 * 3,
        "coregistration": 2 * 3,
        "radiometry": 6,
    }
    census = nested.reader.census
    classes = found["classes"].set_index("class")
    support = found["support"].set_index(["class", "split"])["cells"]
    for index, name in enumerate(census.class_names):
        labelled = sum((truth.labels == index).sum() for truth in nested.truths)
        whole = sum(truth.whole(*cell) for truth in nested.truths for cell in np.argwhere(truth.labels == index))
        assert classes.loc[name, ["labelled", "blocks"]].tolist() == [labelled, sum(census.counts[:, index] > 0)]
        assert classes.loc[name, "lost_share"] == pytest.approx(1 - whole / labelled)
        for split in SPLITS:
            assert support[name, split] == census.support(split)[index]
    for site, truth in zip(nested.sites, nested.truths, strict=True):
        cells = np.argwhere(truth.labels != 255)
        row = found["scenes"].set_index("site").loc[site.name]
        assert row["overlap"] == pytest.approx(np.mean([truth.whole(*cell) for cell in cells]))
        assert row["labelled"] == len(cells) == found["sites"].set_index("site").loc[site.name, "labelled"]
    assert (found["modalities"]["difference"] == 0).all()
    assert found["bands"]["duplicate_of"].isna().all()


@pytest.mark.parametrize("sites", [slice(0, 2), slice(0, 1)])
def test_every_table_has_its_columns_even_where_it_has_no_row(sites: slice, nested: Nested, tmp_path: Path) -> None:
    chosen = nested.sites[sites]
    frames = tables(nested.survey, chosen, take_census(chosen, FOOTPRINT, RANGES, tmp_path))
    assert list(frames) == list(TABLES)
    for name, table in TABLES.items():
        assert list(frames[name]) == list(table.columns)
        for column, kind in table.columns.items():
            if kind is not str:
                assert frames[name][column].dtype == np.dtype(kind), (name, column)


def thermal_bands(site: Site, *bands: Band, **changes: Any) -> Site:
    scene = site.scenes[0]
    thermal = replace(scene.rasters["thermal"], bands=bands or scene.rasters["thermal"].bands, **changes)
    return replace(site, scenes=(replace(scene, rasters=scene.rasters | {"thermal": thermal}),))


def declaring(survey: Survey, **entry: Any) -> Survey:
    thermal = MeasuredEntry.model_validate({"unit": "K", "range": (0, 1)} | entry)
    return survey.model_copy(update={"modalities": {**survey.modalities, "thermal": thermal}})


def test_a_band_too_few_is_counted(nested: Nested) -> None:
    survey = declaring(nested.survey, bands=("day", "night", "dusk"))
    rows = tables(survey, nested.sites, nested.reader.census)["modalities"].set_index(["site", "modality"])
    assert rows.loc[("east", "thermal"), ["bands", "declared", "difference"]].tolist() == [2, 3, 1]
    assert rows["difference"].sum() == 2


def test_wavelengths_are_compared_in_widths_of_the_declared_band(nested: Nested) -> None:
    survey = declaring(nested.survey, sensor="sentinel2", bands=("B02", "B03"))
    blue, green = declare(survey, "thermal").bands or ()
    assert blue.centre_um and blue.fwhm_um and green.centre_um
    off = Band("B02", blue.centre_um - 1.5 * blue.fwhm_um, 9.0)
    sites = [
        thermal_bands(nested.sites[0], off, Band("B03", green.centre_um)),
        thermal_bands(nested.sites[1], off, green, approximate=True),
    ]
    frames = tables(survey, sites, nested.reader.census)
    rows = frames["bands"].query("modality == 'thermal'").reset_index()
    assert rows["wavelength_offset"].tolist() == pytest.approx([1.5, 0, np.nan, np.nan], nan_ok=True)
    assert rows.loc[0, "declared_um"] == blue.centre_um
    assert frames["modalities"].query("approximate")[["site", "modality"]].values.tolist() == [["west", "thermal"]]


def test_the_band_that_empties_its_modality_is_named(nested: Nested, tmp_path: Path) -> None:
    site = nested.sites[0]
    thermal = site.scenes[0].rasters["thermal"]
    with rasterio.open(thermal.path) as dataset:
        stored = dataset.read()
    stored[1] = np.nan
    sites = [thermal_bands(site, path=write_geotiff(tmp_path / "thermal.tif", stored))]
    frames = tables(nested.survey, sites, take_census(sites, FOOTPRINT, RANGES, tmp_path))
    rows = frames["bands"].set_index(["modality", "band"])
    assert rows.query("blank").index.tolist() == [("thermal", "night")]
    assert rows.loc["thermal", "nodata_share"].tolist() == [1, 1]
    assert frames["classes"]["lost_share"].tolist() == [1, 1, 1] and set(frames["classes"]["lost_in"]) == {"thermal"}


@pytest.mark.parametrize(
    ("entry", "count"), [({"bands": ("a", "b")}, 2), ({"sensor": "aster"}, 14), ({"sensor": "sentinel2"}, 13)]
)
def test_bands_are_declared_by_name_or_by_sensor(entry: dict[str, object], count: int, nested: Nested) -> None:
    bands = declare(declaring(nested.survey, **entry), "thermal").bands
    assert bands is not None and len(bands) == count


def test_sites_are_compared_over_all_their_scenes(nested: Nested, tmp_path: Path) -> None:
    """The second site's scene also serves the first site as its second: numpy on all pixels together agrees."""
    east, west = nested.sites

    def renamed(scene: Scene) -> Scene:
        return replace(scene, id="two")

    sites = [replace(east, scenes=(east.scenes[0], renamed(west.scenes[0]))), west]
    frames = tables(nested.survey, sites, take_census(sites, FOOTPRINT, RANGES, tmp_path))
    rows = frames["radiometry"].set_index(["modality", "band"])
    assert len(rows) == 6 and set(rows["first"] + rows["second"]) == {"eastwest"}
    for modality in ("rgb", "elevation"):  # pixels of a coarser one belong to more than one block
        first, second = (truth.rasters[modality].reshape(len(truth.rasters[modality]), -1) for truth in nested.truths)
        both = [np.concatenate([first, second], axis=1).astype(float), second.astype(float)]
        for index, band in enumerate(west.scenes[0].rasters[modality].bands):
            values = [pixels[index][np.isfinite(pixels[index])] for pixels in both]
            std = np.sqrt(sum(v.size * v.var() for v in values) / sum(v.size for v in values))
            row = rows.loc[(modality, band.name)]
            assert row[["first_mean", "second_mean"]].tolist() == pytest.approx([v.mean() for v in values])
            assert row["difference"] == pytest.approx(abs(values[0].mean() - values[1].mean()) / std)


def test_a_class_without_cells_is_a_row_of_zeros(nested: Nested) -> None:
    census = nested.reader.census
    counts = census.counts.copy()
    counts[:, 2] = 0
    frames = tables(nested.survey, nested.sites, replace(census, counts=counts))
    assert frames["classes"]["blocks"].tolist()[2] == 0
    assert frames["support"].query("`class` == 'calcite'")["cells"].tolist() == [0, 0, 0]


def with_labels(census: Census, **columns: Any) -> Census:
    return replace(census, labels=census.labels | {name: np.array(values) for name, values in columns.items()})


def test_a_class_that_is_lost_is_told_with_the_modality_to_blame(nested: Nested) -> None:
    census = with_labels(
        nested.reader.census,
        labelled=[100, 50, 10, 100, 50, 0],
        lost=[10, 30, 10, 10, 30, 0],
        lost_in_rgb=[10, 5, 0, 10, 5, 0],
        lost_in_elevation=[0, 28, 0, 0, 28, 0],
        lost_in_thermal=[0, 0, 10, 0, 0, 0],
    )
    rows = tables(nested.survey, nested.sites, census)["classes"]
    assert rows["lost_share"].tolist() == pytest.approx([0.1, 0.6, 1])
    assert rows["lost_share_others"].tolist() == pytest.approx([70 / 110, 30 / 210, 80 / 300])
    assert rows["lost_excess"].tolist() == pytest.approx([0.1 - 70 / 110, 0.6 - 30 / 210, 1 - 80 / 300])
    assert rows["lost_in"].tolist() == ["rgb", "elevation", "thermal"]


def test_a_site_without_labels_is_no_number_but_zero(nested: Nested) -> None:
    none = {name: [*column[:3], 0, 0, 0] for name, column in nested.reader.census.labels.items() if name[:1] in "lu"}
    frames = tables(nested.survey, nested.sites, with_labels(nested.reader.census, **none))
    assert frames["sites"]["labelled"].tolist()[1] == 0 and np.isnan(frames["scenes"]["overlap"].tolist()[1])


#: By table: rows as the tables hold them, and what each shipped check says of them.
SENTENCES: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "bands": (
        {
            "band": "red",
            "nodata_share": 0.61,
            "range": "0 to 255 DN",
            "outside_share": 0.0025,
            "saturated_share": 0.123,
            "minimum": 7.0,
            "duplicate_of": "green",
            "centre_um": 0.8421,
            "declared_um": 0.665,
            "wavelength_offset": 5.71,
        },
        {
            "nodata share": "61% of the pixels of band red have no data, more than 60%",
            "empty band": "band red has no data at all, and a pixel that lacks one band is not used",
            "value range": "0.25% of the values of band red lie outside 0 to 255 DN, more than 0.00%",
            "saturation": "12.3% of the values of band red are the highest that it can hold, more than 5.0%",
            "constant band": "band red holds one value only, 7",
            "duplicate band": "band red holds exactly the values of band green",
            "wavelengths": "band red lies at 0.842 um where the survey declares 0.665 um: 5.7 band widths off, "
            "more than 0.5",
        },
    ),
    "modalities": (
        {"bands": 3, "declared": 2},
        {
            "band count": "3 bands where the survey declares 2",
            "approximate wavelengths": "the wavelengths are approximate, not the sensor's own",
        },
    ),
    "scenes": (
        {"overlap": 0.42},
        {"overlap": "42% of the labelled cells have data in every modality, less than 90%"},
    ),
    "sites": (
        {"labelled": 17},
        {
            "labels": "the site has no labelled cell",
            "usable labels": "none of the 17 labelled cells can be used: they lack data, or lie between the blocks",
        },
    ),
    "classes": (
        {"class": "olivine", "blocks": 5, "lost_share": 0.8, "lost_share_others": 0.1, "lost_in": "thermal"},
        {
            "blocks": "class olivine occurs in 5 separable blocks, less than 6",
            "labels without data": "class olivine loses 80% of its labelled cells where there is no data, most of them "
            "in thermal; the other classes lose 10%",
        },
    ),
    "support": (
        {"class": "olivine", "cells": 8, "split": "val"},
        {"support": "class olivine has 8 usable labelled cells in the val blocks, less than 100"},
    ),
    "coregistration": (
        {"first": "rgb", "second": "thermal", "direction": "2.0 up and 1.5 to the left", "shift": 2.5},
        {
            "co-registration": "thermal fits rgb best when it is moved 2.0 up and 1.5 to the left, by 2.5 base cells "
            "in all"
        },
    ),
    "radiometry": (
        {"band": "red", "first_mean": 1234.5678, "second_mean": 20.0, "unit": "DN", "difference": 3.21},
        {"radiometry": "the mean of band red is 1235 and 20 DN: 3.2 standard deviations apart, more than 3"},
    ),
}


@pytest.mark.parametrize("table", TABLES)
def test_every_shipped_check_reads_well(table: str) -> None:
    row, sentences = SENTENCES[table]
    first: dict[str, str] = {}
    for entry in read_suites(SHIPPED)[table]:
        first.setdefault(entry.meta.check, entry.words(row))
    assert first == sentences


def expected(check: str = "n", **kwargs: Any) -> Expectation:
    words = {"check": check, "sentence": "{band} holds {nodata_share:.1f}"}
    return Expectation.model_validate({"type": "t", "kwargs": kwargs, "severity": "warning", "meta": words})


def band_rows(*rows: tuple[str, str, str, str, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["site", "scene", "modality", "band", "nodata_share"])


ABOVE, BELOW, NEITHER = {"column": "nodata_share", "max_value": 0}, {"column": "nodata_share", "min_value": 1}, {}
TOLD: dict[str, tuple[dict[str, Any], list[tuple[str, str, str, str, float]], list[tuple[str, str]]]] = {
    "one row": (ABOVE, [("e", "a", "rgb", "red", 0.7)], [("e/a, rgb", "red holds 0.7")]),
    "few bands": (
        ABOVE,
        [("e", "a", "rgb", "red", 0.7), ("e", "a", "rgb", "green", 0.9), ("e", "a", "rgb", "blue", 0.8)],
        [("e/a, rgb", "green holds 0.9 (the worst of 3 bands; also red, blue)")],
    ),
    "the lowest is the worst": (
        BELOW,
        [("e", "a", "rgb", "red", 0.7), ("e", "a", "rgb", "green", 0.2)],
        [("e/a, rgb", "green holds 0.2 (the worst of 2 bands; also red)")],
    ),
    "no worst": (
        NEITHER,
        [("e", "a", "rgb", "red", 0.7), ("e", "a", "rgb", "green", 0.9)],
        [("e/a, rgb", "red holds 0.7 (the first of 2 bands; also green)")],
    ),
    "many bands": (
        ABOVE,
        [("e", "a", "hyper", f"b{index}", index / 369) for index in range(369)],
        [("e/a, hyper", "b368 holds 1.0 (the worst of 369 bands)")],
    ),
    "many bands of many scenes": (
        ABOVE,
        [("e", s, "hyper", b, 0.5 + (b == s == "2")) for s, b in product(map(str, range(46)), map(str, range(9)))],
        [("e, hyper", "2 holds 1.5 (the worst of 9 bands in 46 scenes, in 2)")],
    ),
    "one band of two scenes": (
        ABOVE,
        [("e", "a", "rgb", "red", 0.7), ("e", "b", "rgb", "red", 0.8)],
        [("e, rgb", "red holds 0.8 (the worst of 2 scenes, in b; also a)")],
    ),
    "sites and modalities apart": (
        ABOVE,
        [("e", "a", "rgb", "red", 0.7), ("w", "a", "rgb", "red", 0.8), ("e", "a", "gamma", "k", 0.1)],
        [("e/a, rgb", "red holds 0.7"), ("w/a, rgb", "red holds 0.8"), ("e/a, gamma", "k holds 0.1")],
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_findings_that_belong_together_are_one(case: str) -> None:
    kwargs, rows, said = TOLD[case]
    findings = list(tell("bands", expected(**kwargs), band_rows(*rows)))
    assert findings == [Finding("warning", "n", where, sentence) for where, sentence in said]


def test_the_documentation_names_every_check_table_and_column() -> None:
    page = (PROJECT / "docs" / "validation.md").read_text(encoding="utf-8")
    for suite in read_suites(SHIPPED).values():
        for entry in suite:
            assert f"\n| {entry.meta.check} |" in page
    for name, table in TABLES.items():
        [row] = [line for line in page.splitlines() if line.startswith(f"| `{name}` |")]
        assert re.findall("`([a-z_]+)`", row) == [name, *table.columns]
