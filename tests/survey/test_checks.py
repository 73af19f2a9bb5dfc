"""The tables that are validated hold what the census found, and every check can say what is wrong with a row."""

from dataclasses import replace

import pandas as pd
import pytest
from nested import Nested

from outcrop.params import Limits
from outcrop.survey.checks import Check, Finding, checks, tables
from outcrop.survey.declarations import declare
from outcrop.survey.sites import SPLITS
from outcrop.survey.surveys import MeasuredEntry


@pytest.fixture(scope="module")
def found(nested: Nested) -> dict[str, pd.DataFrame]:
    return tables(nested.survey, nested.sites, nested.reader.census)


def test_there_is_a_row_for_each_thing(nested: Nested, found: dict[str, pd.DataFrame]) -> None:
    assert {name: len(table) for name, table in found.items()} == {
        "bands": 2 * 6,
        "modalities": 2 * 3,
        "scenes": 2,
        "classes": 3,
        "support": 3 * 3,
    }
    census = nested.reader.census
    classes = found["classes"].set_index("name")["blocks"]
    support = found["support"].set_index(["name", "split"])["cells"]
    for index, name in enumerate(census.class_names):
        assert classes[name] == sum(counts[index] > 0 for counts in census.counts)
        for split in SPLITS:
            assert support[name, split] == census.support(split)[index]
    assert dict(zip(found["scenes"]["place"], found["scenes"]["overlap"], strict=True)) == census.overlap
    assert (found["modalities"]["difference"] == 0).all()


def test_a_band_too_few_is_counted(nested: Nested) -> None:
    entry = nested.survey.modalities["thermal"].model_copy(update={"bands": ("day", "night", "dusk")})
    survey = nested.survey.model_copy(update={"modalities": {**nested.survey.modalities, "thermal": entry}})
    rows = tables(survey, nested.sites, nested.reader.census)["modalities"].set_index("place")
    assert rows.loc["east/one, thermal", ["bands", "declared", "difference"]].tolist() == [2, 3, 1]
    assert rows["difference"].sum() == 2


SENTENCES = {
    "band count": ("3 bands where the survey declares 2", {"bands": 3, "declared": 2, "place": "a"}),
    "nodata share": (
        "61% of the pixels of band red have no data, more than 60%",
        {"nodata_share": 0.61, "band": "red", "place": "a"},
    ),
    "value range": (
        "0.25% of the values of band red lie outside 0 to 255 DN, more than 0.00%",
        {"outside_share": 0.0025, "band": "red", "range": "0 to 255 DN", "place": "a"},
    ),
    "overlap": (
        "42% of the labelled cells have data in every modality, less than 90%",
        {"overlap": 0.42, "place": "a"},
    ),
    "blocks": (
        "class olivine occurs in 5 separable blocks, less than 6",
        {"name": "olivine", "blocks": 5, "place": "a"},
    ),
    "support": (
        "class olivine has 8 usable labelled cells in the val blocks, less than 100",
        {"name": "olivine", "cells": 8, "split": "val", "place": "a"},
    ),
}


def test_every_check_reads_well(nested: Nested) -> None:
    all_checks = {check.name: check for check in checks(nested.params.validate_)}
    assert set(all_checks) == set(SENTENCES)
    for name, (sentence, row) in SENTENCES.items():
        assert all_checks[name].finding("warning", row) == Finding("warning", name, "a", sentence)


def test_the_critical_limit_stands_in_a_critical_finding() -> None:
    check = Check("n", "t", "x", True, Limits(warning=1, critical=2), "{x} is above {limit}")
    assert check.finding("critical", {"x": 3, "place": "here"}) == Finding("critical", "n", "here", "3 is above 2.0")


def test_every_check_finds_its_column_and_its_words(nested: Nested, found: dict[str, pd.DataFrame]) -> None:
    for check in checks(nested.params.validate_):
        table = found[check.table]
        assert pd.api.types.is_numeric_dtype(table[check.column])
        for row in table.to_dict("records"):
            assert check.finding("warning", row).where == row["place"]


@pytest.mark.parametrize(
    ("entry", "count"), [({"bands": ("a", "b")}, 2), ({"sensor": "aster"}, 14), ({"sensor": "sentinel2"}, 13)]
)
def test_bands_are_declared_by_name_or_by_sensor(entry: dict[str, object], count: int, nested: Nested) -> None:
    modality = MeasuredEntry.model_validate({**entry, "unit": "1", "range": (0, 1)})
    bands = declare(nested.survey.model_copy(update={"modalities": {"thermal": modality}}), "thermal").bands
    assert bands is not None and len(bands) == count


def test_a_class_without_cells_is_a_row_of_zeros(nested: Nested) -> None:
    census = nested.reader.census
    counts = census.counts.copy()
    counts[:, 2] = 0
    found = tables(nested.survey, nested.sites, replace(census, counts=counts))
    assert found["classes"]["blocks"].tolist()[2] == 0
    assert found["support"].query("name == 'calcite'")["cells"].tolist() == [0, 0, 0]
