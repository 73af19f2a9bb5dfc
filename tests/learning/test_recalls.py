"""Recall by a mask: against a direct count, and against populations whose truth is known."""

import numpy as np
import pytest
from sklearn.metrics import recall_score

from outcrop.learning.metrics import Scored
from outcrop.learning.recalls import SplitRecall, split_recall

BLOCKS, EACH = 30, 60
BLOCK = np.arange(BLOCKS).repeat(EACH) * 2 + 5


def scene(seed: int, light: float = 0.9, dark: float = 0.6, spread: float = 0.1) -> tuple[Scored, np.ndarray]:
    """A model that finds class 1 with one chance in the light and another in the dark; both vary by block alike."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, BLOCKS * EACH)
    shadow = rng.random(len(labels)) < 0.3
    ease = rng.choice([-spread, spread], BLOCKS).repeat(EACH)
    right = rng.random(len(labels)) < np.where(shadow, dark, light) + ease
    said = np.where(right, labels, (labels + 1) % 3)
    return Scored(labels, np.eye(3, dtype=np.float32)[said], BLOCK), shadow


def split(scores: list[Scored], mask: np.ndarray, draws: int = 300, seed: int = 0) -> SplitRecall:
    return split_recall(scores, 1, mask, draws=draws, seed=seed)


def test_values_are_recalls_on_the_cells_of_either_side() -> None:
    (first, shadow), (second, _) = scene(0), scene(1)
    second = Scored(first.labels, second.probabilities, BLOCK)
    found = split([first, second], shadow)
    for place, side in ((found.inside, shadow), (found.outside, ~shadow)):
        expected = [
            recall_score(each.labels[side], each.probabilities.argmax(axis=1)[side], labels=[1], average="macro")
            for each in (first, second)
        ]
        assert place.recall.value == pytest.approx(np.mean(expected))
        assert place.cells == (side & (first.labels == 1)).sum()
        assert place.blocks == len(set(BLOCK[side & (first.labels == 1)]))
        assert place.recall.low < place.recall.value < place.recall.high
    assert found.difference.value == pytest.approx(found.inside.recall.value - found.outside.recall.value)
    assert found.difference.high < 0


def test_the_intervals_cover_the_truth_in_about_95_of_100() -> None:
    covered = []
    for seed in range(150):
        scored, shadow = scene(seed, light=0.8, dark=0.6)
        found = split([scored], shadow, draws=300, seed=seed)
        truths = ((found.inside.recall, 0.6), (found.outside.recall, 0.8), (found.difference, -0.2))
        covered.append([estimate.may_be(truth) for estimate, truth in truths])
    assert ((np.mean(covered, axis=0) >= 0.88) & (np.mean(covered, axis=0) <= 0.995)).all()


def test_a_class_that_is_never_in_the_mask_has_no_recall_there() -> None:
    scored, shadow = scene(0)
    found = split([scored], shadow & (scored.labels != 1))
    assert (found.inside.recall, found.inside.cells, found.inside.blocks, found.difference) == (None, 0, 0, None)
    assert found.outside.recall is not None


def test_draws_without_the_class_are_left_out() -> None:
    """All of the class's cells in the mask lie in one block: every draw that holds it says the same."""
    scored, shadow = scene(0)
    found = split([scored], shadow & (BLOCK[0] == BLOCK))
    assert found.inside.blocks == 1
    assert found.inside.recall.low == found.inside.recall.value == found.inside.recall.high
