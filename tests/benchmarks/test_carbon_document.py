"""The document on carbon estimates: one realisation, and what is written of it."""

import json
from pathlib import Path

import pytest

from benchmarks import carbon, coverage, drifting


def test_a_realisation_becomes_a_document_and_is_not_realised_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coverage, "LEARNT_FROM", range(10_000, 10_003))
    monkeypatch.setattr(coverage, "DRAWS", 50)
    composition = coverage.learn()
    journal = carbon.Journal(tmp_path / "coverage.jsonl", "key")
    results = journal.fill("Realising", range(1), lambda seed: coverage.realise(seed, composition))
    assert journal.fill("Realising", range(1), lambda seed: pytest.fail("realised again")) == results
    with journal.path.open("a") as file:
        file.write(json.dumps({"seed": 1, "key": "key"})[:-4])
    assert set(journal.read()) == {0} and not carbon.Journal(journal.path, "other").read()
    rows = [row | {"verdict": carbon.verdict(row)} for row in coverage.summarise(results)]
    assert all(result["truth"] > 0 for result in (results[0]["rgb"]["capacity"], results[0]["rgb"]["rate"]))
    changed = drifting.realise_change(0)
    assert changed["alarms"]["0.2"]
    rates = {name: {"gain": 0.0, "shift": 0.0, "new": 0.0, "any": 0.0} for name in ("none", "gain", "shift", "new")}
    alarms = {"curve": drifting.alarm_curve([changed]), "pairs": 1, "drift": rates}
    text = carbon.write(rows, 1, alarms, tmp_path).read_text()
    assert "not a creditable removal" in text and "200 are wanted" in text and "| rgb |" in text
