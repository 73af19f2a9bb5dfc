"""Teaching a head what the teacher says: against plain refits, with what must be left out and what must stay."""

from dataclasses import replace

import numpy as np
import pytest

from outcrop.learning.adaptation.heads import Head, with_one
from outcrop.learning.adaptation.redistillation import Pairs

PAIRS, FEATURES, CLASSES = 300, 8, 3
NOWHERE = np.empty((0, 3), dtype=np.intp)


@pytest.fixture
def pairs() -> Pairs:
    rng = np.random.default_rng(0)
    student, again = rng.normal(size=(PAIRS, FEATURES)), rng.normal(size=(PAIRS, FEATURES)) + 1
    places = np.column_stack([np.arange(PAIRS) % 2, rng.integers(0, 50, (PAIRS, 2))])
    weights, shares = rng.uniform(0.5, 2, PAIRS), rng.dirichlet(np.ones(PAIRS))
    return Pairs(student, student.copy(), places, weights, again, shares, 0.1, 0.0, 0.05)


@pytest.fixture
def heads() -> tuple[Head, Head]:
    rng = np.random.default_rng(1)
    source, teacher = (Head(rng.normal(size=(CLASSES, FEATURES)), rng.normal(size=CLASSES)) for _ in range(2))
    return source, teacher


def refit(pairs: Pairs, source: Head, teacher: Head, kept: np.ndarray) -> np.ndarray:
    """The same minimum by least squares over stacked rows."""
    said = (1 - pairs.smoothing) * teacher.probabilities(pairs.teacher[kept]) + pairs.smoothing / CLASSES
    wanted = np.log(said) - np.log(said).mean(axis=1, keepdims=True)
    x, root = with_one(pairs.student[kept]), np.sqrt(pairs.weights[kept])[:, None]
    again = with_one(pairs.rehearsed) * np.sqrt(pairs.rehearsal * pairs.weights.sum() * pairs.shares)[:, None]
    rows = np.vstack([x * root, again, np.sqrt(pairs.ridge) * np.eye(FEATURES + 1)])
    lacking = (wanted - source.logits(pairs.student[kept])) * root
    right = np.vstack([lacking, np.zeros((len(again) + FEATURES + 1, CLASSES))])
    return np.linalg.lstsq(rows, right, rcond=None)[0].T


@pytest.mark.parametrize("rehearsal", [0.0, 2.0])
def test_it_is_a_weighted_ridge_regression_without_what_lies_near(
    pairs: Pairs, heads: tuple[Head, Head], rehearsal: float
) -> None:
    pairs, (source, teacher) = replace(pairs, rehearsal=rehearsal), heads
    asked = np.array([[0, 10, 10], [1, 30, 5]])
    for places in (NOWHERE, asked):
        near = pairs.near(places, 6)
        found = pairs.taught(source, teacher, places, 6)
        step = refit(pairs, source, teacher, ~near)
        assert np.column_stack([found.weight - source.weight, found.bias - source.bias]) == pytest.approx(step)
    assert 0 < near.sum() < PAIRS
    far = np.abs(pairs.places[near][:, None, 1:] - asked[:, 1:]).max(axis=2)
    assert (far.min(axis=1) <= 6).all()


def test_the_student_learns_what_it_can_see(pairs: Pairs, heads: tuple[Head, Head]) -> None:
    source, teacher = heads
    agree = [
        (head.logits(pairs.student).argmax(1) == teacher.logits(pairs.teacher).argmax(1)).mean()
        for head in (source, pairs.taught(source, teacher, NOWHERE, 6))
    ]
    assert agree[1] > max(0.9, agree[0] + 0.2)


def test_what_is_rehearsed_stays(pairs: Pairs, heads: tuple[Head, Head]) -> None:
    """The site shows two directions of the features, the source cells the others."""
    source, teacher = heads
    site, home = (np.where(np.arange(FEATURES) < 2, *order) for order in ((pairs.student, 0), (0, pairs.rehearsed)))
    pairs = replace(pairs, student=site, teacher=site, rehearsed=home)
    changes = []
    for rehearsal in (0.0, 10.0):
        head = replace(pairs, rehearsal=rehearsal).taught(source, teacher, NOWHERE, 6)
        changes.append(np.abs(head.logits(home) - source.logits(home)).mean())
    assert changes[1] < changes[0] / 5


def test_rare_classes_are_weighted_up(pairs: Pairs) -> None:
    said = np.full((PAIRS, CLASSES), 0.01)
    said[:, 0] = 0.98
    said[:6] = said[:6, ::-1]
    even = np.full((PAIRS, CLASSES), 1 / CLASSES)
    weights, shares = (
        getattr(pairs.balanced(*both, 1.0), name)
        for both, name in (((said, even), "weights"), ((even, said), "shares"))
    )
    for values, total in ((weights, PAIRS), (shares, 1)):
        assert values.sum() == pytest.approx(total) and values[0] > 5 * values[-1]
    assert pairs.balanced(said, even, 0.0).weights == pytest.approx(1)
    assert pairs.balanced(even, said, 0.0).shares == pytest.approx(1 / PAIRS)
