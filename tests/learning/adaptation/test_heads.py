"""Heads over fixed features: against scikit-learn, against hand calculation, and what must stay as it was."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from outcrop.learning.adaptation.calibration import Calibration, fit_calibration
from outcrop.learning.adaptation.heads import Head, Prototypes, fit_logistic, fit_prototypes

CLASSES, FEATURES = 4, 10


@pytest.fixture
def source() -> Head:
    rng = np.random.default_rng(0)
    return Head(rng.normal(size=(CLASSES, FEATURES)), rng.normal(size=CLASSES))


def labelled(number: int, classes: int = CLASSES, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.arange(number) % classes
    return rng.normal(size=(number, FEATURES)) + 2 * np.eye(classes, FEATURES)[labels], labels


def test_pulled_to_zero_it_is_scikit_learns_logistic_regression() -> None:
    x, y = labelled(60)
    found = fit_logistic(x, y, Head(np.zeros((CLASSES, FEATURES)), np.zeros(CLASSES)), strength=2.0)
    # Its bias is not held; with the ones as a feature ours is, and so is theirs.
    theirs = LogisticRegression(C=0.5, fit_intercept=False, tol=1e-8).fit(np.column_stack([x, np.ones(60)]), y)
    assert np.abs(theirs.coef_ - np.column_stack([found.weight, found.bias])).max() < 1e-3


def test_strongly_held_it_stays_and_freed_it_learns(source: Head) -> None:
    x, y = labelled(12)
    held, free = (fit_logistic(x, y, source, strength) for strength in (1e9, 1e-3))
    assert np.abs(held.weight - source.weight).max() < 1e-6
    assert (free.logits(x).argmax(axis=1) == y).all()


def test_few_labels_move_weights_within_their_span_alone(source: Head) -> None:
    x, y = labelled(3, classes=3)
    step = fit_logistic(x, y, source, 1.0).weight - source.weight
    span = np.linalg.lstsq(np.column_stack([x, np.ones(3)]).T[:-1], step.T, rcond=None)[0]
    assert np.abs(x.T @ span - step.T).max() < 1e-9


@pytest.fixture
def known() -> Prototypes:
    rng = np.random.default_rng(3)
    return Prototypes(rng.normal(size=(CLASSES, FEATURES)), np.eye(FEATURES) * 2)


def test_classes_without_labels_keep_their_prototypes_weights(source: Head, known: Prototypes) -> None:
    x, y = labelled(6, classes=2)
    found = fit_prototypes(x, y, source, known, prior=5.0)
    assert (found.weight[2:] == source.weight[2:]).all() and (found.bias[2:] == source.bias[2:]).all()
    assert (found.weight[:2] != source.weight[:2]).all()


def test_a_prototype_moves_as_far_as_its_labels_count(source: Head, known: Prototypes) -> None:
    x, y = labelled(3, classes=1)
    found = fit_prototypes(x, y, source, known, prior=6.0)
    moved = (x.mean(axis=0) - known.means[0]) * 3 / (3 + 6)
    assert found.weight[0] - source.weight[0] == pytest.approx(2 * moved)
    after = known.means[0] + moved
    assert found.bias[0] - source.bias[0] == pytest.approx(known.means[0] @ known.means[0] - after @ after)


def test_new_classes_are_learnt_beside_the_known_ones(source: Head, known: Prototypes) -> None:
    x, y = labelled(30, classes=CLASSES + 2)
    extended = source.extended(2)
    assert (extended.weight[:CLASSES] == source.weight).all() and len(extended.bias) == CLASSES + 2
    assert source.extended(0) is source
    assert (fit_logistic(x, y, extended, 0.1).logits(x).argmax(axis=1) == y).mean() > 0.9
    assert fit_prototypes(x, y, extended, known, 5.0).weight.shape == (CLASSES + 2, FEATURES)


def test_a_model_that_is_too_sure_is_cooled_down() -> None:
    rng = np.random.default_rng(4)
    truth = rng.normal(size=(4000, 3))
    labels = (truth + rng.gumbel(size=truth.shape)).argmax(axis=1)
    found = fit_calibration(truth * 4, labels)
    assert found.temperature == pytest.approx(4, rel=0.1)
    head = Head(np.eye(3), np.zeros(3))
    assert found.head(head).logits(truth) == pytest.approx(found.logits(head.logits(truth)))
    assert Calibration().logits(truth) == pytest.approx(truth)
