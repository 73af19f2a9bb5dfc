"""Great Expectations judges the tables: every shipped check finds what it is for, and a team may add its own."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from benches import Bench, Caller
from conftest import PROJECT
from nested import Nested

from outcrop.errors import DataError, SurveyError
from outcrop.survey.checks import TABLES
from outcrop.survey.expectations import Suites, read_suites
from outcrop.survey.findings import Finding
from tasks.validate import Verdict, compiled, judge, refuse_critical

SHIPPED = PROJECT / "data" / "expectations"
#: A row of each table with which nothing is wrong.
SOUND: dict[str, dict[str, Any]] = {
    "bands": {"nodata_share": 0.1, "outside_share": 0.0, "spread": 2.0, "duplicate_of": None, "wavelength_offset": 0.1},
    "modalities": {},
    "scenes": {"overlap": 0.95},
    "sites": {"labelled": 400, "usable": 300},
    "classes": {"blocks": 9, "lost_share": 0.2, "lost_excess": 0.1},
    "support": {"cells": 200},
    "coregistration": {"shift_pixels": np.nan},
    "radiometry": {"difference": 0.4},
}


def sound_frames(rows: int = 1) -> dict[str, pd.DataFrame]:
    frames = {}
    for name, table in TABLES.items():
        row = {column: "x" if kind is str else kind() for column, kind in table.columns.items()} | SOUND[name]
        frames[name] = pd.DataFrame([row] * rows)
    return frames


def found_in(**tables: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Table-less severity, check and place of what is found where these values stand in a row."""
    frames = sound_frames()
    for name, values in tables.items():
        frames[name] = frames[name].assign(**values)
    verdict = judge(frames, read_suites(SHIPPED), SHIPPED)
    assert verdict.checked == 24 and verdict.checked - verdict.passed >= len(verdict.findings)
    return [(finding.severity, finding.check, finding.where) for finding in verdict.findings]


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    assert found_in() == []


PLANTED: dict[str, tuple[dict[str, dict[str, Any]], list[tuple[str, str, str]]]] = {
    "warnings": (
        {
            "bands": {
                "nodata_share": 0.7,
                "outside_share": 0.001,
                "saturated_share": 0.06,
                "duplicate_of": "y",
                "wavelength_offset": 0.6,
            },
            "modalities": {"approximate": True},
            "scenes": {"overlap": 0.8},
            "sites": {"usable": 0},
            "classes": {"blocks": 5, "lost_share": 0.7, "lost_excess": 0.6},
            "support": {"cells": 99},
            "coregistration": {"shift_pixels": 0.51},
            "radiometry": {"difference": 3.1},
        },
        [
            ("warning", "nodata share", "x/x, x"),
            ("warning", "value range", "x/x, x"),
            ("warning", "saturation", "x/x, x"),
            ("warning", "duplicate band", "x/x, x"),
            ("warning", "wavelengths", "x/x, x"),
            ("warning", "approximate wavelengths", "x/x, x"),
            ("warning", "overlap", "x/x"),
            ("warning", "usable labels", "x"),
            ("warning", "blocks", "x"),
            ("warning", "labels without data", "x"),
            ("warning", "support", "x"),
            ("warning", "co-registration", "x/x, x and x"),
            ("warning", "radiometry", "x and x, x"),
        ],
    ),
    "critical": (
        {
            "bands": {"nodata_share": 1.0, "blank": True, "outside_share": 0.02, "wavelength_offset": 2.1},
            "modalities": {"difference": 1},
            "scenes": {"overlap": 0.1},
            "sites": {"labelled": 0, "usable": 5},
            "classes": {"blocks": 2, "lost_share": 1.0, "lost_excess": 0.2},
            "support": {"cells": 0, "split": "train"},
        },
        [
            ("critical", "nodata share", "x/x, x"),
            ("critical", "empty band", "x/x, x"),
            ("critical", "value range", "x/x, x"),
            ("critical", "wavelengths", "x/x, x"),
            ("critical", "band count", "x/x, x"),
            ("critical", "overlap", "x/x"),
            ("critical", "labels", "x"),
            ("critical", "blocks", "x"),
            ("critical", "labels without data", "x"),
            ("critical", "support", "x"),
        ],
    ),
    "absent from the test": ({"support": {"cells": 0, "split": "test"}}, [("critical", "support", "x")]),
    "absent from validation": ({"support": {"cells": 0, "split": "val"}}, [("warning", "support", "x")]),
    "constant": ({"bands": {"spread": 0.0}}, [("warning", "constant band", "x/x, x")]),
}


@pytest.mark.parametrize("case", PLANTED)
def test_every_shipped_check_finds_what_it_is_for(case: str) -> None:
    values, expected = PLANTED[case]
    assert found_in(**values) == expected


def test_of_a_row_the_gravest_is_told_and_other_rows_by_themselves() -> None:
    frames = sound_frames()
    rows = [
        {**SOUND["classes"], "class": name, "survey": "s", "blocks": n}
        for name, n in zip("abcd", [2, 9, 5, 1], strict=True)
    ]
    frames["classes"] = (
        frames["classes"].drop(columns=["class", "survey", *SOUND["classes"]]).merge(pd.DataFrame(rows), how="cross")
    )
    verdict = judge(frames, read_suites(SHIPPED), SHIPPED)
    worst = "class d occurs in 1 separable blocks, less than 3 (the worst of 2 classes; also a)"
    assert verdict.findings == (
        Finding("critical", "blocks", "s", worst),
        Finding("warning", "blocks", "s", "class c occurs in 5 separable blocks, less than 6"),
    )
    with pytest.raises(DataError, match=r"not fit to train on: s: class d .*also a\); mend the data"):
        refuse_critical(verdict)


def test_many_scenes_of_many_bands_are_one_sentence_a_site() -> None:
    """85 scenes of 369 bands, all with too little data."""
    frames = sound_frames()
    bands = pd.concat([frames["bands"]] * 369, ignore_index=True).assign(band=[f"b{index}" for index in range(369)])
    scenes = [bands.assign(site="ab"[scene % 2], scene=f"p{scene}", nodata_share=0.61) for scene in range(85)]
    frames["bands"] = pd.concat(scenes, ignore_index=True)
    frames["bands"].loc[5000, "nodata_share"] = 0.62
    verdict = judge(frames, read_suites(SHIPPED), SHIPPED)
    assert [(finding.where, finding.sentence.partition("(")[2]) for finding in verdict.findings] == [
        ("a, x", "the worst of 369 bands in 43 scenes, in p0)"),
        ("b, x", "the worst of 369 bands in 42 scenes, in p13)"),
    ]


def suites_of(folder: Path, *entries: dict[str, Any]) -> Suites:
    words = {"check": "own", "sentence": "band {band} is bad"}
    rows = [{"severity": "warning", "meta": words} | entry for entry in entries]
    (folder / "bands.yaml").write_text(yaml.safe_dump({"expectations": rows}))
    return read_suites(folder)


OWN: dict[str, dict[str, Any]] = {
    "regex": {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "band", "regex": "^B[0-9]+$"}},
    "set": {"type": "expect_column_values_to_not_be_in_set", "kwargs": {"column": "mean", "value_set": [7.0]}},
    "pair": {
        "type": "expect_column_pair_values_a_to_be_greater_than_b",
        "kwargs": {"column_A": "maximum", "column_B": "minimum"},
    },
    "many columns": {
        "type": "expect_multicolumn_sum_to_equal",
        "kwargs": {"column_list": ["mean", "std"], "sum_total": 3},
    },
}


@pytest.mark.parametrize("name", OWN)
def test_a_team_may_add_any_expectation_that_judges_rows(name: str, tmp_path: Path) -> None:
    rows = [{"band": "B1", "mean": 1.0, "std": 2.0, "maximum": 2.0}, {"band": "x", "mean": 7.0, "maximum": -1.0}]
    frames = sound_frames(rows=2)
    frames["bands"] = frames["bands"].assign(**{key: [row.get(key, 0.0) for row in rows] for key in rows[0]})
    verdict = judge(frames, suites_of(tmp_path, OWN[name]), tmp_path)
    assert verdict == Verdict((Finding("warning", "own", "x/x, x", "band x is bad"),), checked=1, passed=0)


def test_a_limit_may_hold_for_one_modality(tmp_path: Path) -> None:
    frames = sound_frames(rows=3)
    frames["bands"] = frames["bands"].assign(modality=["rgb", "thermal", "thermal"], band=list("abc"), std=[9.0, 9, 1])
    thermal = {"type": "comparison", "column": {"name": "modality"}, "operator": "==", "parameter": "thermal"}
    kwargs = {"column": "std", "max_value": 4, "row_condition": thermal}
    suites = suites_of(tmp_path, {"type": "expect_column_values_to_be_between", "kwargs": kwargs})
    assert judge(frames, suites, tmp_path).findings == (Finding("warning", "own", "x/x, thermal", "band b is bad"),)


def test_a_share_of_rows_may_be_allowed_to_fail(tmp_path: Path) -> None:
    frames = sound_frames(rows=10)
    frames["bands"].loc[3, "nodata_share"] = 1.0
    entry = {"type": "expect_column_values_to_be_between", "kwargs": {"column": "nodata_share", "max_value": 0.5}}
    entry["kwargs"]["mostly"] = 0.9
    assert judge(frames, suites_of(tmp_path, entry), tmp_path) == Verdict((), 1, 1)
    entry["kwargs"]["mostly"] = 0.95
    assert len(judge(frames, suites_of(tmp_path, entry), tmp_path).findings) == 1


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "unknown": (
        {"type": "expect_miracles", "kwargs": {"column": "mean"}},
        "check `own`: there is no expectation `expect_miracles`",
    ),
    "unknown argument": (
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "mean", "max_valu": 3}},
        "check `own`: max_valu: extra fields not permitted .*; correct the kwargs of",
    ),
    "no limit": (
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "mean"}},
        "min_value and max_value cannot both be None",
    ),
    "not by rows": (
        {"type": "expect_column_mean_to_be_between", "kwargs": {"column": "mean", "max_value": 3}},
        "`expect_column_mean_to_be_between` does not judge row by row",
    ),
    "of the whole column": (
        {"type": "expect_column_values_to_be_of_type", "kwargs": {"column": "mean", "type_": "str"}},
        "`expect_column_values_to_be_of_type` does not judge row by row",
    ),
    "number of a word": (
        {"type": "expect_column_values_to_be_between", "kwargs": {"column": "band", "max_value": 3}},
        "check `own` cannot be computed: .*; choose an expectation and arguments that fit band",
    ),
    "bad pattern": (
        {"type": "expect_column_values_to_match_regex", "kwargs": {"column": "band", "regex": "("}},
        "check `own` cannot be computed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_great_expectations_does_not_accept_is_one_sentence(name: str, tmp_path: Path) -> None:
    entry, message = BAD[name]
    suites = suites_of(tmp_path, entry)
    with pytest.raises(SurveyError, match=message) as caught:
        judge(sound_frames(), suites, tmp_path)
    said = str(caught.value)
    assert "bands.yaml" in said and "\n" not in said and len(said) < 600


def test_an_expectation_that_is_none_is_refused_before_the_data_are_read(nested: Nested, tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="there is no expectation"):
        compiled(suites_of(tmp_path, BAD["unknown"][0]), tmp_path)


def edit(bench: Bench, table: str, check: str, severity: str, **kwargs: Any) -> None:
    path = bench.root / "data" / "expectations" / f"{table}.yaml"
    suite = yaml.safe_load(path.read_text())
    [entry] = [e for e in suite["expectations"] if (e["meta"]["check"], e["severity"]) == (check, severity)]
    entry["kwargs"] |= kwargs
    path.write_text(yaml.safe_dump(suite))


def test_an_edited_limit_is_judged_again_but_nothing_is_trained_again(
    trained: tuple[Bench, dict[str, Any]], trained_copy: Bench, call: Caller
) -> None:
    """Too strict a limit stops the flow; loosened, the flow goes through, and only the verdict is new."""
    bench, first = trained_copy, trained[1]
    edit(bench, "support", "support", "critical", min_value=100_000)
    refused = call(bench, "retrain", "--survey", str(bench.survey), "--json")
    assert refused.code == 2 and "less than 100000" in refused.err
    edit(bench, "support", "support", "critical", min_value=1)
    edit(bench, "support", "support", "warning", min_value=50_000)
    again = call.told(bench, "retrain")
    assert again["cached"] == ["teacher", "guide teacher", "control rgb", "distilled", "choose", "forest", "evaluate"]
    assert again["models"] == first["models"]
    assert "less than 50000" in Path(again["report"]).read_text(encoding="utf-8")


def test_a_survey_may_bring_expectations_of_its_own(bench: Bench, call: Caller) -> None:
    folder = bench.root / "data" / "strict"
    folder.mkdir()
    suites_of(folder, OWN["regex"])
    bench.tiny.entries["expectations"] = "data/strict"
    bench.write_survey()
    said = call(bench, "validate", "--survey", str(bench.survey), "--json")
    assert said.code == 0, said.err
    verdict = json.loads(said.out)
    assert (verdict["checked"], verdict["passed"]) == (1, 0)
    assert [finding["where"] for finding in verdict["findings"]] == [
        f"north/first, {modality}" for modality in ("elevation", "rgb", "thermal")
    ]
    tables = bench.root / ".outcrop" / "work" / "census-tiny" / "tables"
    assert {path.stem for path in tables.glob("*.csv")} == set(TABLES)
