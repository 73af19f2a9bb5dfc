"""`outcrop onboard` through its real command: a new site, what is decided, registered and kept; and what is refused."""

import json
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
import yaml
from benches import Bench, Caller, copy_bench
from conftest import CELL, EAST, NORTH, SIDE

from tasks.records import archive_of
from tasks.workspace import Workspace

ONBOARD = {"curve": [5, 10], "draws": 3, "cells": 200, "next_points": 4, "reference_cells": 50, "accuracy": 0.3}


def points(bench: Bench, number: int, name: str = "points.csv") -> Path:
    """Labels at random places of the site, away from its gaps."""
    rng = np.random.default_rng(2)
    lines = ["x,y,class"]
    for row, col in rng.integers(8, SIDE - 8, (number, 2)):
        word = ("basalt", "olivine", "calcite")[bench.tiny.labels[row, col]]
        lines.append(f"{EAST + (col + 0.5) * CELL},{NORTH - (row + 0.5) * CELL},{word}")
    path = bench.root / name
    path.write_text("\n".join(dict.fromkeys(lines)) + "\n")
    return path


@pytest.fixture(scope="module")
def bench(pristine_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """A survey that trains on its north, and a south that looks alike."""
    made = copy_bench(pristine_bench, tmp_path_factory.mktemp("onboard"))
    entries = made.tiny.entries
    entries["sites"]["south"] = deepcopy(entries["sites"]["north"])
    entries["params"] |= {"sites": {"train": ["north"], "test": ["north"]}, "onboard": ONBOARD}
    made.write_survey()
    return made


@pytest.fixture(scope="module")
def retrained(bench: Bench, call: Caller) -> dict[str, Any]:
    """What a retraining says of a survey whose south was onboarded before."""
    kept = bench.root / "data" / "onboarded" / "tiny" / "south.csv"
    kept.parent.mkdir(parents=True)
    points(bench, 20).rename(kept)
    return call.told(bench, "retrain")


@pytest.fixture(scope="module")
def onboarded(bench: Bench, call: Caller, retrained: dict[str, Any]) -> dict[str, Any]:
    """What the command says of the south and many labels."""
    return call.told(bench, "onboard", "south", "--labels", str(points(bench, 60)))


def store(bench: Bench) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}")


def test_it_says_what_was_decided_and_why(bench: Bench, onboarded: dict[str, Any]) -> None:
    facts = onboarded["adaptation"]
    assert onboarded["outcome"] in ("adopt", "keep source model") and onboarded["reason"]
    assert onboarded["accuracy"]["low"] >= ONBOARD["accuracy"]
    assert facts["labels"] < 60 and "in or beside the test blocks" in facts["notes"][-1]
    assert facts["held_out"] and facts["teacher"]
    assert [step["name"] for step in facts["ladder"]] == ["none", "redistilled", "calibration"]
    assert facts["shift"]["kind"] == "none", "the two sites show the same"
    assert onboarded["here"]["source"]["cells"] == onboarded["here"]["adapted"]["cells"] > 50
    assert [point[0] for point in onboarded["curve"]["macro_f1"]] == ONBOARD["curve"]
    assert set(onboarded["sources"]) == {"source", "adapted"}


def test_what_is_adopted_is_registered_under_the_name_of_the_site(bench: Bench, onboarded: dict[str, Any]) -> None:
    versions = store(bench).search_model_versions("name = 'tiny-student-south'")
    newest = max((int(each.version) for each in versions), default=0)
    adopted = onboarded["outcome"] == "adopt"
    assert onboarded["model"] == (f"models:/tiny-student-south/{newest}" if adopted else None)
    assert len(store(bench).search_model_versions("name = 'tiny-student'")) == 1


def test_the_page_and_the_next_points_need_nothing_else(onboarded: dict[str, Any]) -> None:
    page = Path(onboarded["report"]).read_text(encoding="utf-8")
    assert not re.search(r"""(?:src|href)=["']?https?:""", page) and "<script" not in page
    assert page.count("<img ") == 4 and onboarded["outcome"] in page
    told = json.loads(Path(onboarded["next_points"]).read_text())
    assert len(told["features"]) == ONBOARD["next_points"]
    for feature in told["features"]:
        longitude, latitude = feature["geometry"]["coordinates"]
        assert -22 < longitude < -20 and 63 < latitude < 65
        assert EAST < feature["properties"]["x"] < EAST + SIDE * CELL


def test_the_labels_are_kept_for_the_next_retraining(bench: Bench, onboarded: dict[str, Any]) -> None:
    header, *rows = (bench.root / "data" / "onboarded" / "tiny" / "south.csv").read_text().splitlines()
    assert header == "x,y,class,scene"
    assert len(rows) > onboarded["adaptation"]["labels"], "those in test blocks too"


def test_what_was_adapted_is_audited_and_adapted_again(bench: Bench, onboarded: dict[str, Any], call: Caller) -> None:
    """Teacher, assistants and student are trained again, and the student is adapted with the labels in the archive."""
    models = [record for _, record in archive_of(Workspace(bench.root)).of_kind("model") if record.made]
    adapted = next(each for each in reversed(models) if each.made and each.made.step == "adapt")
    told = json.loads(call(bench, "audit", adapted.id, "--replay", "--json").out)
    wrong = {(check["part"], check["finding"]) for check in told["checks"] if check["status"] != "ok"}
    assert {part for part, _ in wrong} == {"code"}, wrong  # this workspace is not under git
    replayed = {check["name"]: check["finding"] for check in told["checks"] if check["part"] == "replay"}
    assert replayed["adapt south"] == "the same bytes"
    here, there = onboarded["here"]["adapted"]["macro_f1"], onboarded["sources"]["adapted"]["macro_f1"]
    assert replayed["metrics, appraise south at south"] == f"macro-F1 {here:.4f}, recorded {here:.4f}"
    assert replayed["metrics, appraise south at north"] == f"macro-F1 {there:.4f}, recorded {there:.4f}"
    assert f"{here:.3f}" in Path(told["page"]).read_text(encoding="utf-8")


def test_a_model_that_may_not_be_good_enough_is_not_registered(
    bench: Bench, onboarded: dict[str, Any], call: Caller
) -> None:
    words = ("--labels", str(points(bench, 14, "few.csv")), "--set", "onboard.accuracy=0.8", "--draws", "1")
    said = call(bench, "onboard", "south", *words, "--survey", str(bench.survey))
    assert said.code == 0 and "decision: refuse: " in said.out and "model: none registered" in said.out
    assert re.search(r"take \d+ more labels here", said.out) or "not good enough" in said.out


def test_a_retraining_adapts_to_every_onboarded_site(bench: Bench, retrained: dict[str, Any]) -> None:
    outcome = retrained["onboarded"]["south"].split(":")[0]
    assert outcome in ("adopt", "keep source model", "refuse")
    versions = store(bench).search_model_versions("name = 'tiny-student-south'")
    assert bool(versions) >= (outcome == "adopt")


def words(text: str) -> str:
    return f"x,y,class\n{text}"


INSIDE = f"{EAST + 200},{NORTH - 200}"
BAD: dict[str, tuple[tuple[str, ...], str, str]] = {
    "unknown site": (("west",), words(f"{INSIDE},basalt\n"), "the survey has no site west"),
    "site that is trained on": (("north",), words(f"{INSIDE},basalt\n"), "the survey trains on site north"),
    "outside": (("south",), words("5,5,basalt\n"), "1 point of 1 outside site south"),
    "on nodata": (
        ("south",),
        words(
            "".join(f"{EAST + 10 * col + 5},{NORTH - 5},{word}\n" for col, word in enumerate(["basalt", "olivine"] * 3))
        ),
        "without data in rgb",
    ),
    "new class": (("south",), words(f"{INSIDE},granite\n"), "pass --allow-new-classes"),
    "no such model": (("south", "--model", "student/9"), words(f"{INSIDE},basalt\n"), "there is no model `student/9`"),
    "no such role": (("south", "--model", "pupil"), words(f"{INSIDE},basalt\n"), "no model is called `pupil`"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence(
    case: str, bench: Bench, onboarded: dict[str, Any], call: Caller, tmp_path: Path
) -> None:
    asked, labels, expected = BAD[case]
    path, survey = tmp_path / "points.csv", bench.survey
    path.write_text(labels)
    if case == "on nodata":
        survey = tmp_path / "tiny.yaml"
        survey.write_text(
            yaml.safe_dump(
                {
                    **bench.tiny.entries,
                    "params": {**bench.tiny.entries["params"], "onboard": {**ONBOARD, "reference_cells": 10**6}},
                }
            )
        )
    said = call(bench, "onboard", *asked, "--labels", str(path), "--survey", str(survey))
    assert said.code == 2
    (sentence,) = [line for line in said.err.splitlines() if line.startswith("outcrop: ")]
    assert expected in sentence and "Traceback" not in said.err


def test_a_retraining_whose_sites_serve_otherwise_begins_anew(
    bench: Bench, retrained: dict[str, Any], call: Caller
) -> None:
    """Of a site that is kept for the test every block is scored."""
    (bench.root / "data" / "onboarded" / "tiny" / "south.csv").unlink()
    apart = call.told(bench, "retrain", "--set", "sites.test=[south]")
    assert apart["cached"] == []
    cells = {name: entry["support"] for name, entry in apart["teacher"]["per_class"].items()}
    before = {name: entry["support"] for name, entry in retrained["teacher"]["per_class"].items()}
    assert all(cells[name] > before[name] for name in cells)
