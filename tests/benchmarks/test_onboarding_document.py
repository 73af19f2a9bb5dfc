"""The document on new sites: written from what is kept, its shares and verdicts as by hand."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]
DRAWS = 4


@pytest.fixture(scope="module", autouse=True)
def project_on_path() -> Iterator[None]:
    """The benchmarks are not installed with the packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT))
        yield


def trial(labels: int, draw: int, **changes: Any) -> dict[str, Any]:
    values = {"way": "redistilled", "macro_f1": 0.4, "overall_accuracy": 0.5, "estimate": 0.5, "low": 0.3, "high": 0.7}
    return {"labels": labels, "draw": draw, **values, **changes}


def study() -> dict[str, Any]:
    trials = [
        trial(n, d, macro_f1=0.35 + 0.02 * d, high=0.45 if d == 3 else 0.7) for n in (5, 20) for d in range(DRAWS)
    ]
    return {
        "start": {"macro_f1": 0.3, "accuracy": 0.3},
        "native": {"macro_f1": 0.4, "accuracy": 0.6},
        "trials": trials,
        "home": {"before": 0.5, "after": [0.49, 0.5, 0.48, 0.49]},
        "alone": [trial(20, d, way="none") for d in range(DRAWS)],
        "guide": [{"macro_f1": 0.6, "accuracy": 0.7}] * DRAWS,
        "test_cells": 100,
        "test_blocks": 4,
        "draws": DRAWS,
        "confidence": 0.9,
        "commit": "0123abcde",
    }


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """A workspace's folder that holds three studies, one without a test at its sources, and everything else."""
    (tmp_path / "params.yaml").touch()
    store = tmp_path / ".outcrop" / "onboarding"
    for name, home in {"oman": {}, "jezero": {}, "mars-south": {"home": None}}.items():
        (store / name).mkdir(parents=True)
        (store / name / "study.json").write_text(json.dumps(study() | home))
    row = {"mode": "labels alone", "macro_f1": 0.1, "lowest": 0.0, "accuracy": 0.1, "home": -0.01, "changed": 0.5}
    rows = [{**row, "changes": changes, "draws": 2, "labels": 20} for changes in ({}, {"rungs": ["logistic"]})]
    (store / "rehearsals.json").write_text(json.dumps(rows))
    fresh = {"site": "here", "classes": ["a", "b"], "per_class": 5, "draws": 2, "changed": 1.0, "covered": 0.5}
    fresh |= {"unadapted": {"macro_f1": 0.0, "accuracy": 0.0}, "native": {"macro_f1": 0.5, "accuracy": 0.5}}
    (store / "new_classes.json").write_text(
        json.dumps({**fresh, "macro_f1": [0.2, 0.3], "accuracy": [0.2, 0.3], "test_cells": 9})
    )
    speed = {"size": 512, "labels": 20, "draws": 20, "parts": {"census": 9.5}, "seconds": 95.0}
    (store / "speed.json").write_text(json.dumps(speed))
    return tmp_path


def test_it_is_written_from_what_is_kept(kept: Path) -> None:
    from benchmarks.onboarding import write
    from tasks.workspace import Workspace

    (kept / "docs").mkdir()
    text = write(Workspace(kept), kept / "docs").read_text()
    assert "{{" not in text and "Simulated Jezero" in text and "New classes: here" in text
    assert "NEON, MLBS" not in text, "what was not measured is not told"
    assert "| 20 | 0.380 [0.353, 0.407] | 80 % |" in text


def test_targets_are_judged() -> None:
    from benchmarks.newcomers import STUDIES
    from benchmarks.onboarding import targets, told

    rows = {what: (found, met) for what, found, _, met in targets({"oman": told(STUDIES[0], study())})}
    assert rows["oman: gap recovered in macro-F1, median"] == ("80%", "yes")
    assert rows["oman: gap recovered in accuracy, median"] == ("67%", "yes")
    assert rows["oman: source macro-F1 lost, median"] == ("1.0 points", "yes")
    coverage = next(found for what, found in rows.items() if what.startswith("coverage"))
    assert coverage == ("75%", "NO")


def test_where_there_is_no_gap_none_is_recovered() -> None:
    from benchmarks.onboarding import recovered

    assert recovered(0.5, {"start": {"accuracy": 0.4}, "native": {"accuracy": 0.3}}, "accuracy") is None
