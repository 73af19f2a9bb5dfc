"""What a change of teaching is worth: the comparison, and that every change is of parameters that exist."""

import numpy as np
import pytest

from benchmarks.changes import CHANGES, Change, compare, worst_of
from benchmarks.variants import PROJECT
from outcrop.learning.metrics import Scored
from outcrop.params import Params
from outcrop.settings import merge
from outcrop.survey.surveys import load_survey


def scored(right: float) -> Scored:
    """Two classes over 20 blocks of 50 cells; of the second class a share is taken for the first."""
    labels = np.tile(np.repeat([0, 1], 25), 20)
    wrong = (labels == 1) & (np.arange(labels.size) % 25 >= 25 * right)
    said = np.where(wrong, 0, labels)
    return Scored(labels, np.eye(2)[said] * 0.8 + 0.1, np.repeat(np.arange(20), 50))


def test_gains_are_over_the_first_and_the_worst_class_is_told() -> None:
    first, second = compare({"all": [scored(1.0), scored(1.0)], "part": [scored(0.6), scored(1.0)]}, known=0)
    assert first["macro_f1"]["value"] == first["worst_f1"]["value"] == 1
    assert first["gain"] == {"value": 0, "low": 0, "high": 0}
    # 15 of 25 found: F1 of the second class 2 * 15 / (25 + 15), of the first 2 * 25 / (25 + 35); every block alike.
    assert second["worst_gain"] == pytest.approx({"value": -0.125, "low": -0.125, "high": -0.125})
    assert second["known_gain"]["value"] == pytest.approx((50 / 60 - 1) / 2)
    assert worst_of([scored(0.6), scored(1.0)]) == 1
    assert second["gain"]["value"] == pytest.approx(((0.75 + 50 / 60) / 2 - 1) / 2)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_every_change_is_of_parameters_that_exist_and_changes_them(change: Change) -> None:
    _, params = load_survey(PROJECT / "data/surveys/simulated.yaml", PROJECT / "params.yaml", {})
    defaults = params.dump()
    changed = Params.model_validate(merge(defaults, change.params)).dump()
    assert (changed != defaults) == bool(change.params)
