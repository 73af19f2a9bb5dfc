"""Sensor change or geology change: told apart where the truth is known."""

import numpy as np
import pytest

from outcrop.learning.adaptation.shift import Radiometry, compare_radiometry, holm

BANDS = ("red", "green", "blue")
MEANS = np.array([[40.0, 80, 120], [160, 90, 60], [100, 200, 90]])


def cells(
    number: int, shares: np.ndarray, seed: int, gain: np.ndarray | float = 1.0, means: np.ndarray = MEANS
) -> tuple[Radiometry, np.ndarray]:
    rng = np.random.default_rng(seed)
    blocks = np.arange(number) % 12
    classes = rng.choice(3, number, p=shares)
    return Radiometry((means[classes] + rng.normal(0, 6, (number, 3))) * gain, blocks), classes


EVEN = np.full(3, 1 / 3)


@pytest.mark.parametrize(
    ("shares", "gain", "means", "kind"),
    [
        (EVEN, np.ones(3), MEANS, "none"),
        (EVEN, np.array([1.4, 1.2, 1.3]), MEANS, "sensor or light"),
        (np.array([0.9, 0.05, 0.05]), np.ones(3), MEANS, "geology"),
        (np.array([0.45, 0.45, 0.1]), np.ones(3), MEANS + np.array([[40], [-20], [40]]) * [1, 0, 0], "geology"),
    ],
)
def test_the_cause_of_a_difference_is_told(shares: np.ndarray, gain: np.ndarray, means: np.ndarray, kind: str) -> None:
    there, known = cells(600, EVEN, 0)
    here, classes = cells(600, shares, 1, gain, means)
    found = compare_radiometry(BANDS, here, there, known, here.values[:30], classes[:30])
    assert found.kind == kind, found.sentence
    assert [each.band for each in found.bands] == list(BANDS)


def test_without_enough_labels_of_known_classes_the_cause_stays_open() -> None:
    there, known = cells(600, EVEN, 0)
    here, classes = cells(600, EVEN, 1, np.full(3, 1.5))
    found = compare_radiometry(BANDS, here, there, known, here.values[:4], classes[:4])
    assert found.kind == "unclear" and all(each.within is None for each in found.bands)
    new = compare_radiometry(BANDS, here, there, known, here.values[:9], classes[:9] + 3)
    assert new.kind == "unclear"


def test_chance_is_not_called_a_shift() -> None:
    """Over many bands and sites without any difference, false alarms stay near their level."""
    alarms = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        there, here = (Radiometry(rng.normal(size=(240, 20)), np.arange(240) % 12) for _ in range(2))
        labels = np.zeros(240, dtype=int)
        found = compare_radiometry([str(i) for i in range(20)], here, there, labels, here.values[:20], labels[:20])
        alarms += found.kind != "none"
    assert alarms / 60 <= 0.1


def test_holm_by_hand() -> None:
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
