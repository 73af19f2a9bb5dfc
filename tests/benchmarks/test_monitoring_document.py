"""The document on monitoring: what is measured of drift from few dates, in its smallest form."""

from pathlib import Path

import pytest
from conftest import PROJECT

from benchmarks import drifting, monitoring
from outcrop.field.drift import Measured
from outcrop.params import load_params


def test_what_is_measured_stands_in_the_document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "UNDRIFTED", 4)
    monkeypatch.setattr(drifting, "TRIES", 2)
    params = load_params(PROJECT / "params.yaml").monitor
    rates = {1: drifting.measure_drift(1, Measured(params.gain, params.shift_nm, params.new))}
    assert rates[1]["shift"]["shift"] == 1 and rates[1]["none"]["shift"] == 0
    seasons = drifting.measure_seasons(Measured(params.gain, params.shift_nm, params.new))
    assert {each["bands"] for each in seasons.values()} == {12, 224}
    assert all(each["named"] == 1 and each["false"] == 0 for each in seasons.values())
    text = monitoring.write(params, rates, seasons, tmp_path).read_text(encoding="utf-8")
    assert "| 1 | 3 nm | 0 % | 100 % |" in text and "outcrop.labels-expired" in text
