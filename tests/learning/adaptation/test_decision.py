"""The interval against SciPy's, its coverage in simulation, and the outcomes."""

import numpy as np
import pytest
from scipy.stats import binomtest

from outcrop.learning.adaptation.decision import Accuracy, accuracy_interval, decide, label_weights, labels_needed


@pytest.mark.parametrize(("hits", "labels"), [(0, 5), (3, 12), (20, 20), (33, 50)])
def test_equal_weights_give_the_exact_interval(hits: int, labels: int) -> None:
    right = np.arange(labels) < hits
    found = accuracy_interval(right, np.full(labels, 1 / labels), 0.9)
    expected = binomtest(hits, labels).proportion_ci(0.9, "exact")
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert (found.value, found.labels) == pytest.approx((hits / labels, labels))


def test_labels_picked_by_class_stand_for_the_classes_areas() -> None:
    classes, shares = np.array([0, 0, 1, 1]), np.array([0.8, 0.2])
    weights = label_weights(classes, shares)
    assert weights == pytest.approx([0.4, 0.4, 0.1, 0.1])
    found = accuracy_interval(np.array([True, True, False, False]), weights, 0.9)
    assert found.value == pytest.approx(0.8) and found.labels == pytest.approx(1 / 0.34)


@pytest.mark.parametrize("by_class", [False, True])
def test_stated_intervals_cover_the_truth(by_class: bool) -> None:
    rng = np.random.default_rng(0)
    areas, recall = np.array([0.6, 0.3, 0.1]), np.array([0.7, 0.4, 0.2])
    truth, covered = areas @ recall, 0
    for _ in range(400):
        classes = np.arange(21) % 3 if by_class else rng.choice(3, 20, p=areas)
        weights = label_weights(classes, areas) if by_class else np.full(20, 1 / 20)
        found = accuracy_interval(rng.random(len(classes)) < recall[classes], weights, 0.9)
        covered += found.low <= truth <= found.high
    assert covered / 400 >= 0.87


@pytest.mark.parametrize(
    ("accuracy", "way", "outcome", "says"),
    [
        (Accuracy(0.9, 0.7, 0.98, 20), "redistilled", "adopt", "redistilled beats"),
        (Accuracy(0.9, 0.7, 0.98, 20), None, "keep source model", "no way of adapting"),
        (Accuracy(0.6, 0.4, 0.8, 20), "redistilled", "refuse", "too uncertain"),
        (Accuracy(0.1, 0.0, 0.3, 20), "redistilled", "refuse", "not good enough"),
        (Accuracy(0.5, 0.3, 0.7, 20), None, "refuse", "would not show it"),
    ],
)
def test_every_outcome_has_its_reason(accuracy: Accuracy, way: str | None, outcome: str, says: str) -> None:
    found = decide(accuracy, 0.5, 0.9, way)
    assert found.outcome == outcome and says in found.reason
    assert bool(found.more_labels) == (accuracy.value == 0.6)


def test_so_many_more_labels_settle_it_and_one_fewer_would_not() -> None:
    accuracy = accuracy_interval(np.arange(20) < 13, np.full(20, 1 / 20), 0.9)
    more = labels_needed(accuracy, 0.5, 0.9)
    assert more is not None and more > 0

    def low(labels: int) -> float:
        return float(binomtest(round(0.65 * labels), labels).proportion_ci(0.9, "exact").low)

    assert low(20 + more + 4) > 0.5 - 0.02 and low(20 + more // 2) < 0.5
