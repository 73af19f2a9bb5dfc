"""The document on scale: arithmetic on figures whose costs can be worked out by hand, and what is written of them."""

from typing import Any

import pytest

from benchmarks import scale
from benchmarks.variants import PROJECT
from outcrop.params import load_params

STAGE = {"run_seconds": 0.1, "backlog_seconds": 0.5, "looks": {"what is due": 0.02, "how many tasks": 0.01}}
#: A core maps a million pixels in a second; a monitoring takes ten seconds of a core and five tasks.
FIGURES: dict[str, Any] = {
    "mosaics": {"large": {"pixels": 100e6, "wall": 100.0, "bytes": 20e6}},
    "delivery": {"teacher": {"consumed": 500.0}, "student": {"consumed": 4000.0}},
    "overhead": {"overhead_seconds": 30.0},
    "weights": {"bytes": {"rgb": 32.0, "hyperspectral": 200.0, "labels": 0.5}, "fine": 4, "cell_m": 4.0, "sites": 3},
    "crowd": {"flows": 16, "cpu_seconds": 160.0, "tasks": 80},
    "scheduling": {
        "database": "SQLite",
        "deployments": 1000,
        "seconds_to_schedule": 60.0,
        "tasks_a_run": 10,
        "at_once": 16,
        "tasks": 2000,
        "tasks_per_second": 50.0,
        "lost": 0,
        "stages": [{"tasks": 1000, "bytes": 2_000_000, **STAGE}, {"tasks": 2000, "bytes": 4_000_000, **STAGE}],
    },
}


def test_a_million_square_kilometres_are_counted_right() -> None:
    photographs, maps = (scale.cost_of_area(scale.Rates.read(FIGURES), 100e6, asked) for asked in scale.WIDE)
    assert photographs["pixels"] == 1e12 and photographs["scenes"] == 10_000 and photographs["cell_m"] == 4.0
    assert photographs["core_hours"] == pytest.approx(1e6 / 3600)
    assert photographs["rgb_tb"] == pytest.approx(2.0) and photographs["maps_tb"] == pytest.approx(0.25)
    assert list(photographs["hours"].values()) == pytest.approx([1e6 / 16 / 3600, 2.25e12 / 125e6 / 3600, 1000 / 3600])
    assert photographs["bottleneck"] == "16 cores" and photographs["a_day"] == 1
    assert photographs["cores_on_network"] == pytest.approx(125 / 2.25)
    assert maps["cell_m"] == 1.0 and maps["pixels"] == 16e12 and maps["a_day"] == 12


def test_a_thousand_sites_are_counted_right() -> None:
    params = load_params(PROJECT / "params.yaml")
    found = scale.cost_of_sites(scale.Rates.read(FIGURES), params, 4.0)
    assert found["scenes"] == 12_000
    assert found["storage_tb"] == pytest.approx(12_000 * 62_500 * 232.5 / 1e12)
    assert found["core_hours"]["monitoring"] == pytest.approx(365_000 * 10 / 3600)
    assert found["core_hours"]["mapping"] == pytest.approx(12_000 * 1e6 / 1e6 / 3600)
    assert found["core_hours"]["around the training"] == pytest.approx(52 * 1000 * 10 / 3600)
    assert found["daily_backlog_minutes"] == pytest.approx(1000 * 5 / 50 / 60)
    assert found["database_gb"] == pytest.approx(365_000 * 5 * 2000 / 1e9)


def test_the_document_says_what_is_assumed_and_what_was_not_reached() -> None:
    text = scale.render(FIGURES, load_params(PROJECT / "params.yaml"))
    for said in (
        "The first bottleneck is **16 cores**: 1 Gbit/s feeds 56 cores",
        "(100,000 are wanted)",
        "modelled",
        "What is not counted",
    ):
        assert said in text
    assert "| 2,000 | 0.10 s | 0.5 s | 20 ms | 10 ms | 4 MB |" in text
