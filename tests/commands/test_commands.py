"""The other commands, run for real."""

import json
import shutil
from typing import Any

import pytest
from benches import Bench

Trained = tuple[Bench, dict[str, Any]]


@pytest.mark.parametrize(
    "command",
    [
        "retrain",
        "ingest",
        "sites",
        "validate",
        "simulate",
        "doctor",
        "audit",
        "promote",
        "rollback",
        "lineage",
        "retract",
        "serve",
        "status",
        "deploy",
    ],
)
def test_every_command_shows_an_example(command: str, bench: Bench) -> None:
    done = bench.run(command, "--help")
    assert done.returncode == 0
    assert f"outcrop {command}" in done.stdout


def test_sites_lists_what_ingest_made(bench: Bench) -> None:
    made = json.loads(bench.run("ingest", str(bench.survey), "--json").stdout)
    listed = json.loads(bench.run("sites", "--json").stdout)["sites"]
    assert listed["north"]["dvc"] == made["sites"]["north"]
    assert listed["north"]["scenes"] == {"first": [64, 64]}
    assert listed["north"]["modalities"] == ["elevation", "rgb", "thermal"]


def test_validate_counts_its_checks(trained: Trained) -> None:
    bench, _ = trained
    verdict = json.loads(bench.run("validate", "--survey", str(bench.survey), "--json").stdout)
    assert verdict["checked"] == 24
    assert verdict["passed"] + len({finding["check"] for finding in verdict["findings"]}) <= verdict["checked"]
    assert all(finding["severity"] == "warning" for finding in verdict["findings"])


def test_a_site_that_only_the_cache_holds_is_brought_back(trained: Trained) -> None:
    bench, result = trained
    shutil.rmtree(bench.root / "data" / "sites" / "north")
    again = json.loads(bench.run("validate", "--survey", str(bench.survey), "--json").stdout)
    assert again["sites"] == result["sites"]
    assert (bench.root / "data" / "sites" / "north" / "collection.json").is_file()


def test_doctor_names_the_stores(trained: Trained) -> None:
    bench, _ = trained
    found = json.loads(bench.run("doctor", "--json").stdout)
    assert found["stores"]["workspace"] == str(bench.root.resolve())
    assert found["stores"]["DVC"] == "ready"
    assert found["packages"]["torch"]
