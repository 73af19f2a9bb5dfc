"""Schedules at points worked by hand."""

from math import sqrt

import pytest

from outcrop.learning.schedules import Schedule, temperature_at


@pytest.mark.parametrize(
    ("schedule", "progress", "expected"),
    [
        ("constant", 0.0, 4.0),
        ("constant", 0.7, 4.0),
        ("constant", 1.0, 4.0),
        ("linear", 0.0, 4.0),
        ("linear", 0.25, 3.5),
        ("linear", 1.0, 2.0),
        ("cosine", 0.0, 4.0),
        ("cosine", 0.25, 3 + sqrt(0.5)),
        ("cosine", 1 / 3, 3.5),
        ("cosine", 0.5, 3.0),
        ("cosine", 1.0, 2.0),
    ],
)
def test_the_temperature_goes_from_start_to_end(schedule: Schedule, progress: float, expected: float) -> None:
    assert temperature_at(schedule, 4.0, 2.0, progress) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_ends_are_met_exactly(schedule: Schedule) -> None:
    assert (temperature_at(schedule, 0.3, 0.1, 0.0), temperature_at(schedule, 0.3, 0.1, 1.0)) == (0.3, 0.1)


def test_an_unknown_schedule_does_not_fall_back() -> None:
    with pytest.raises(KeyError, match="steps"):
        temperature_at("steps", 4.0, 2.0, 0.5)  # type: ignore[arg-type]
