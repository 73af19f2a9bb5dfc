"""Regression heads: a linear truth is recovered, R2 is that of another implementation, and what fails is said."""

import numpy as np
import pytest
from sklearn.metrics import r2_score

from outcrop.errors import DataError
from outcrop.learning.heads import CONTROL, STUDENT, TEACHER, Ways, appraise, teach_heads
from outcrop.learning.observations import Rows, rows_of
from outcrop.learning.properties import PROPERTIES
from outcrop.learning.regression import NOT_SUPPORTED, block_r2, compare_heads, fit_head, verdict

PH = next(each for each in PROPERTIES if each.name == "soil_ph")
CHANGE = next(each for each in PROPERTIES if each.changes)
#: A chemist's formula for the pH of the tests' ground.
WEIGHTS = np.array([0.8, -0.5, 0.3, 0.0, 0.0, 0.0])


def ground(seed: int, *, blocks: int = 20, cells: int = 60, seen: float = 1.0, noise: float = 0.05) -> Rows:
    """Cells whose pH follows a formula of six things; the teacher sees all, RGB the first with ``seen`` of its part."""
    rng = np.random.default_rng(seed)
    place = np.repeat(np.arange(blocks), cells)
    true = rng.normal(size=(blocks, 6))[place] + rng.normal(size=(len(place), 6))
    truth = 7 + true @ WEIGHTS + rng.normal(0, noise, len(place))
    blurred = seen * true + (1 - seen) * rng.normal(size=true.shape)
    rgb = np.concatenate([blurred, rng.normal(size=(len(place), 200))], axis=1)
    return Rows({TEACHER: true, STUDENT: rgb, CONTROL: rgb}, truth, place)


def test_a_linear_truth_is_recovered_whatever_the_features_are_measured_in() -> None:
    rows = ground(1, noise=0.0)
    scale = np.array([1.0, 1e3, 1e-3, 5.0, 1.0, 1.0])
    head = fit_head(rows.features[TEACHER] * scale + 4, rows.truth, rows.blocks, (-np.inf, np.inf))
    assert head.weight * scale == pytest.approx(WEIGHTS, abs=0.01)
    assert head.bias + 4 * head.weight.sum() == pytest.approx(7, abs=0.02)


def test_a_head_says_nothing_that_cannot_be() -> None:
    rows = ground(2)
    head = fit_head(rows.features[TEACHER], rows.truth, rows.blocks, (0.0, 14.0))
    assert set(head.says(np.array([[-99.0, 0, 0, 0, 0, 0], [99.0, 0, 0, 0, 0, 0]]))) == {0.0, 14.0}


def test_r2_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    truth, blocks = rng.normal(1e4, 1, 500), rng.integers(0, 12, 500)
    said = [truth + rng.normal(0, spread, 500) for spread in (0.3, 2.0)]
    for each, found in zip(said, block_r2(truth, said, blocks, 50, 1), strict=True):
        assert found[0] == pytest.approx(r2_score(truth, each), abs=1e-6)
        assert found[1:].std() > 0 and found.shape == (51,)


def test_the_student_gains_from_the_teacher_what_few_measurements_cannot_tell() -> None:
    ways = Ways(measured=120, draws=100)
    heads = teach_heads(PH, ground(4, seen=0.8), ground(5, seen=0.8), ways)
    found = appraise(heads, ground(6, seen=0.8), ways)
    compared = found.comparison
    assert compared.teacher.value > 0.99
    assert compared.control.value < compared.student.value < compared.teacher.value
    assert compared.gain.low > 0 and compared.gap_recovered and compared.gap_recovered.value > 0.1
    assert compared.verdict == "supported"
    assert all(held.coverage.value > 0.85 for held in found.held.values())
    assert found.held[TEACHER].width < found.held[STUDENT].width < 4 * found.held[STUDENT].spread
    assert (found.blocks, found.cells) == (20, 1200)


def test_what_rgb_cannot_see_is_not_supported() -> None:
    ways = Ways(measured=120, draws=50)
    blind = [ground(seed, seen=0.0) for seed in (7, 8, 9)]
    found = appraise(teach_heads(PH, blind[0], blind[1], ways), blind[2], ways)
    assert found.comparison.verdict == NOT_SUPPORTED == "not supported"
    assert found.held[STUDENT].coverage.value > 0.8  # an interval holds also where the estimate is worth nothing
    assert verdict(0.2999) == "not supported" and verdict(0.3) == "supported"


def test_a_change_is_told_from_both_dates() -> None:
    seen = {"student": np.arange(12, dtype=np.float32).reshape(3, 2, 2)}
    rows = rows_of(CHANGE, np.array([[1.0, 2.0], [3.0, 4.0]]), seen, np.array([0, 5]))
    assert rows.features["student"].tolist() == [[0, 1, 4, 4], [2, 3, 4, 4], [0, 1, 8, 8], [2, 3, 8, 8]]
    assert rows.truth.tolist() == [1, 2, 3, 4] and rows.blocks.tolist() == [0, 5, 0, 5]
    alone = rows_of(PH, np.array([[1.0, np.nan], [2.0, 3.0], [4.0, 5.0]]), seen, np.array([0, 5]))
    assert alone.features["student"].tolist() == [[0, 1], [4, 5], [6, 7], [8, 9], [10, 11]]
    assert alone.truth.tolist() == [1, 2, 3, 4, 5] and alone.blocks.tolist() == [0, 0, 5, 0, 5]


def test_too_little_to_learn_from_is_one_sentence() -> None:
    rows = ground(10, blocks=1)
    with pytest.raises(DataError, match="cells of 1 block; measure in several blocks"):
        fit_head(rows.features[TEACHER], rows.truth, rows.blocks, PH.bounds)
    with pytest.raises(DataError, match="the same in all test cells"):
        compare_heads(np.ones(8), *[np.ones(8)] * 3, np.arange(8), 10, 1)
