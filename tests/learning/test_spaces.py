"""The searched space: what is encoded is decoded again, every point is valid, and bad spaces have their sentence."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outcrop.errors import ParamsError
from outcrop.learning.spaces import END, START, Candidate, Space, space_of
from outcrop.params import Params, load_params
from outcrop.settings import merge

DEFAULTS = Path(__file__).parents[2] / "params.yaml"


def space_with(ranges: dict[str, Any], **others: Any) -> Space:
    return space_of(load_params(DEFAULTS, {**others, "search": {"space": ranges}}))


def only(name: str, low: float, high: float, scale: str) -> dict[str, Any]:
    """A space of one dimension: the others of `params.yaml` are taken out."""
    return dict.fromkeys(load_params(DEFAULTS).search.space) | {name: {"low": low, "high": high, "scale": scale}}


def test_the_defaults_are_found_again_and_lie_within() -> None:
    space = space_with({})
    assert dict(space.defaults.values)["train.lr.student"] == load_params(DEFAULTS).train.lr.student
    point = space.encode(space.defaults)
    assert ((point > 0) & (point < 1)).all() and len(point) == 6
    assert space.decode(point) == space.defaults and space.notes == ()


def test_every_point_gives_valid_parameters_of_few_digits() -> None:
    space, params = space_with({}), load_params(DEFAULTS)
    corners = np.stack(np.meshgrid(*[[0.0, 1.0]] * 6), axis=-1).reshape(-1, 6)
    for point in [*np.random.default_rng(0).random((200, 6)), *corners]:
        candidate = space.decode(point)
        found = Params.model_validate(merge(params.dump(), candidate.changes()))
        assert found.distil.temperature.end <= found.distil.temperature.start
        for name, value in candidate.values:
            assert space.ranges[name].low <= value <= space.ranges[name].high
            written = 1 - value if name.endswith("class_balance") else value
            assert written == pytest.approx(float(f"{written:.3g}"), rel=1e-9)
        assert space.decode(space.encode(candidate)) == candidate


@pytest.mark.parametrize(
    ("name", "low", "high", "scale", "middle"),
    [
        ("distil.hard_weight", 0.01, 100, "log", 1.0),
        ("distil.hard_weight", 0, 3, "linear", 1.5),
        ("distil.class_balance", 0.9, 0.999, "one_minus_log", 0.99),
        ("distil.class_balance", 0, 0.9999, "one_minus_log", 0.99),
    ],
)
def test_the_middle_is_that_of_the_scale(name: str, low: float, high: float, scale: str, middle: float) -> None:
    space = space_with(only(name, low, high, scale))
    assert [space.decode([share]).values for share in (0, 0.5, 1)] == [((name, x),) for x in (low, middle, high)]
    assert space.encode(Candidate(((name, middle),))) == pytest.approx(0.5)


def test_a_rising_temperature_is_swapped() -> None:
    space = space_with({})
    falling, rising = (space.decode([start, end, 0.5, 0.5, 0.5, 0.5]) for start, end in ((0.5, 0.2), (0.1, 0.9)))
    values = dict(falling.values)
    assert values[END] < values[START] == 2.83
    assert dict(rising.values) == values | {START: 3.25, END: 1.23}


def test_what_lies_outside_is_clipped_with_a_note() -> None:
    space = space_with({"distil.hard_weight": {"low": 2, "high": 5, "scale": "log"}}, distil={"feature_weight": 0.0})
    assert dict(space.defaults.values)["distil.hard_weight"] == 0.1
    begun = dict(space.decode(space.encode(space.defaults)).values)
    assert (begun["distil.hard_weight"], begun["distil.feature_weight"]) == (2.0, 0.05)
    weight, hard = space.notes
    assert weight == "`distil.feature_weight` is 0, outside its range 0.05-5: the search begins at its bound"
    assert "`distil.hard_weight` is 0.1, outside its range 2-5" in hard


def test_a_temperature_that_rises_by_default_is_noted() -> None:
    space = space_with({}, distil={"temperature": {"start": 1.5, "end": 3.0}})
    assert space.notes == ("the temperature rises from 1.5 to 3: the search begins with it falling",)


def test_changes_nest() -> None:
    candidate = Candidate(((START, 2.0), (END, 1.0), ("train.lr.student", 0.01)))
    temperature = {"start": 2.0, "end": 1.0}
    assert candidate.changes() == {"distil": {"temperature": temperature}, "train": {"lr": {"student": 0.01}}}


BAD_SPACES: list[tuple[dict[str, Any], str]] = [
    (dict.fromkeys(load_params(DEFAULTS).search.space), r"nothing is searched \(search.space\); give at least one"),
    (only("distil.class_balance", 0.5, 1.5, "linear"), r"`distil.class_balance`: input should be less than 1, got 1.5"),
    (only("distil.hard_weight", -1, 1, "linear"), "`distil.hard_weight`: input should be greater than or equal to 0"),
    (only("distil.hard_weight", 1.0001, 1.0002, "log"), "1.0001-1.0002 is too narrow to search with 3 digits"),
    ({END: {"low": 0.5, "high": 9, "scale": "log"}}, "the temperature must fall, but .* over 0.5-9 and .* over 1-8"),
    (only(END, 0.5, 4, "log"), "the temperature must fall, but .* over 0.5-4 and .* over 2-2"),
    (only(START, 0.5, 4, "log"), "the temperature must fall, but .* over 1-1 and .* over 0.5-4"),
]


@pytest.mark.parametrize(("ranges", "message"), BAD_SPACES, ids=range(len(BAD_SPACES)))
def test_a_space_with_invalid_values_is_refused(ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        space_with(ranges)
    assert "search.space" in str(caught.value) and "\n" not in str(caught.value)
