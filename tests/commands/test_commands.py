"""The other commands, run for real."""

import json
import shutil
from typing import Any

import pytest
import typer
from benches import Bench, Caller

from flows.cli import app

Trained = tuple[Bench, dict[str, Any]]


@pytest.mark.parametrize("command", typer.main.get_command(app).commands)
def test_every_command_shows_an_example(command: str, pristine_bench: Bench, serverless_call: Caller) -> None:
    said = serverless_call(pristine_bench, command, "--help")
    assert said.code == 0
    assert f"outcrop {command} " in said.out.split("Examples")[1].replace("\n", " \n")


def test_sites_lists_what_ingest_made(bench: Bench, serverless_call: Caller) -> None:
    made = json.loads(serverless_call(bench, "ingest", str(bench.survey), "--json").out)
    listed = json.loads(serverless_call(bench, "sites", "--json").out)["sites"]
    assert listed["north"]["dvc"] == made["sites"]["north"]
    assert listed["north"]["scenes"] == {"first": [64, 64]}
    assert listed["north"]["modalities"] == ["elevation", "rgb", "thermal"]


def test_validate_counts_its_checks(trained: Trained, serverless_call: Caller) -> None:
    bench, _ = trained
    verdict = serverless_call.told(bench, "validate")
    assert verdict["checked"] == 24
    assert verdict["passed"] + len({finding["check"] for finding in verdict["findings"]}) <= verdict["checked"]
    assert all(finding["severity"] == "warning" for finding in verdict["findings"])


def test_workers_validate_alike(trained: Trained, serverless_call: Caller) -> None:
    bench, _ = trained
    alone, shared = (serverless_call.told(bench, "validate", *words) for words in ((), ("--workers", "2")))
    assert shared == alone


def test_a_site_that_only_the_cache_holds_is_brought_back(
    trained: Trained, trained_copy: Bench, serverless_call: Caller
) -> None:
    bench = trained_copy
    shutil.rmtree(bench.root / "data" / "sites" / "north")
    again = serverless_call.told(bench, "validate")
    assert again["sites"] == trained[1]["sites"]
    assert (bench.root / "data" / "sites" / "north" / "collection.json").is_file()


def test_doctor_names_the_stores(trained: Trained, serverless_call: Caller) -> None:
    bench, _ = trained
    found = json.loads(serverless_call(bench, "doctor", "--json").out)
    assert found["stores"]["workspace"] == str(bench.root.resolve())
    assert found["stores"]["DVC"] == "ready"
    assert found["packages"]["torch"]
