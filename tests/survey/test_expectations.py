"""Files of expectations: what a team gets wrong is told in one sentence, before any data are read."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.checks import TABLES
from outcrop.survey.expectations import read_suites

SHIPPED = PROJECT / "data" / "expectations"
ENTRY: dict[str, Any] = {
    "type": "expect_column_values_to_be_between",
    "kwargs": {"column": "nodata_share", "max_value": 0.5},
    "severity": "warning",
    "meta": {"check": "nodata", "sentence": "{band}: {nodata_share:.0%} > {max_value}"},
}


def written(folder: Path, *entries: dict[str, Any], table: str = "bands") -> Path:
    (folder / f"{table}.yaml").write_text(yaml.safe_dump({"expectations": list(entries)}))
    return folder


def test_every_table_has_expectations_and_every_check_a_severity() -> None:
    suites = read_suites(SHIPPED)
    assert list(suites) == list(TABLES)
    grades = {(table, entry.meta.check, entry.severity) for table, suite in suites.items() for entry in suite}
    assert len(grades) == sum(map(len, suites.values())) == 24


def test_a_team_may_keep_a_few(tmp_path: Path) -> None:
    pair = {"type": "t", "kwargs": {"column_A": "mean", "column_B": "std"}, "severity": "critical"}
    suites = read_suites(written(tmp_path, ENTRY, pair | {"meta": {"check": "dark", "sentence": "{mean} < {std}"}}))
    assert list(suites) == ["bands"]
    first, second = suites["bands"]
    assert first.words({"band": "red", "nodata_share": 0.7}) == "red: 70% > 0.5"
    assert second.columns() == ["mean", "std"] and second.severity == "critical"


def changed(**parts: Any) -> dict[str, Any]:
    return {**ENTRY, **parts}


def without(part: str) -> dict[str, Any]:
    return {name: value for name, value in ENTRY.items() if name != part}


def sentence(text: str) -> dict[str, Any]:
    return changed(meta={"check": "nodata", "sentence": text})


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no severity": (without("severity"), "key `expectations.0.severity` is missing"),
    "another severity": (changed(severity="info"), "`expectations.0.severity`: .* got 'info'"),
    "no type": (without("type"), "key `expectations.0.type` is missing"),
    "no sentence": (changed(meta={"check": "nodata"}), "key `expectations.0.meta.sentence` is missing"),
    "empty sentence": (sentence(""), "`expectations.0.meta.sentence`"),
    "unknown key": (changed(limit=3), "unknown key `expectations.0.limit`"),
    "unknown column": (
        changed(kwargs={"column": "nodata", "max_value": 1}),
        "check `nodata` names the column `nodata`, which the table does not have .*choose among .*nodata_share",
    ),
    "unknown columns": (changed(kwargs={"column_list": ["mean", "median"]}), "names the column `median`"),
    "column of another kind": (changed(kwargs={"column": 3}), "names the column `3`"),
    "no column": (changed(kwargs={"max_value": 1}), "check `nodata` names no column"),
    "unknown word": (sentence("{colour} is off"), "names `colour`, which is no column of the table"),
    "word by number": (sentence("{} is off"), "which is no column of the table"),
    "bad format": (sentence("{band:.0%}"), "the sentence of check `nodata` cannot be filled in"),
    "open brace": (sentence("{band"), "the sentence of check `nodata` cannot be filled in"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_entry_is_one_sentence(case: str, tmp_path: Path) -> None:
    entry, message = BAD[case]
    with pytest.raises(SurveyError, match=message) as caught:
        read_suites(written(tmp_path, entry))
    said = str(caught.value)
    assert "bands.yaml" in said and "; " in said and "\n" not in said


def test_bad_files(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="there are no expectations of the data"):
        read_suites(tmp_path / "nowhere")
    (tmp_path / "bands.yaml").write_text("expectations: [")
    with pytest.raises(SurveyError, match="is not valid YAML"):
        read_suites(tmp_path)
    (tmp_path / "bands.yaml").write_text("expectations: []")
    with pytest.raises(SurveyError, match="`expectations`"):
        read_suites(tmp_path)
    written(tmp_path, ENTRY)
    written(tmp_path, ENTRY, table="band")
    with pytest.raises(SurveyError, match=r"there is no table `band` .*choose among bands, modalities"):
        read_suites(tmp_path)
