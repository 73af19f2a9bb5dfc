"""The document on operations tells of what was measured, and of nothing else."""

from typing import Any

import pytest

from benchmarks.operations import render

MEASURED: dict[str, Any] = {
    "mapping": {"side": 20, "alone": 9.0, "seconds": {"1": 10.0, "2": 5.4}, "ratio": 10 / 5.4, "identical": True},
    "search": {"trials": 6, "known": 1.0, "seconds": {"1": 8.0, "2": 5.0}, "ratio": 1.6, "identical": True},
}


def test_figures_of_workers_stand_beside_their_targets() -> None:
    text = render({"distribution": MEASURED})
    assert "| mapping: two workers / one | 1.85 | at least 1.70 | yes |" in text
    assert "| search: two workers / one | 1.60 | at least 1.70 | NO |" in text
    assert "Results are identical." in text


@pytest.mark.parametrize("part", ["mapping", "search"])
def test_results_that_differ_are_told(part: str) -> None:
    assert "Results are NOT identical." in render(
        {"distribution": {**MEASURED, part: {**MEASURED[part], "identical": False}}}
    )


def test_without_figures_there_is_no_table() -> None:
    text = render({})
    assert "--cluster tcp://" in text and "two workers / one" not in text
