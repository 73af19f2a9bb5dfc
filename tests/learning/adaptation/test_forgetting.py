"""Rehearsal is as little as home allows, and as much as there is where nothing is enough."""

import numpy as np
import pytest

from outcrop.learning.adaptation.forgetting import Home, rehearse_enough
from outcrop.learning.adaptation.heads import Head
from outcrop.learning.adaptation.redistillation import Pairs

CELLS, FEATURES, CLASSES = 400, 6, 3
REHEARSALS = (100.0, 0.0, 1.0, 10.0)


@pytest.fixture
def heads() -> tuple[Head, Head]:
    """The source's, and a teacher's that contradicts it everywhere."""
    weight = np.random.default_rng(1).normal(size=(CLASSES, FEATURES))
    return Head(weight, np.zeros(CLASSES)), Head(weight[[1, 2, 0]], np.zeros(CLASSES))


@pytest.fixture
def pairs() -> Pairs:
    rng = np.random.default_rng(0)
    site, sources = rng.normal(size=(CELLS, FEATURES)), rng.normal(size=(CELLS, FEATURES))
    places = np.zeros((CELLS, 3), dtype=np.intp)
    return Pairs(site, site, places, np.ones(CELLS), sources, np.full(CELLS, 1 / CELLS), 0.1, 0.0, 0.01)


@pytest.fixture
def home(heads: tuple[Head, Head]) -> Home:
    features = np.random.default_rng(2).normal(size=(CELLS, FEATURES))
    return Home(features, heads[0].logits(features).argmax(axis=1))


def test_home_is_scored_by_macro_f1_over_the_classes_that_are_there() -> None:
    head = Head(np.eye(3), np.zeros(3))
    home = Home(np.eye(3)[[0, 0, 0, 1]], np.array([0, 0, 1, 1]))
    assert home.macro_f1(head) == pytest.approx((2 * 2 / 5 + 2 * 1 / 3) / 2)


@pytest.mark.parametrize("limit", [0.02, 0.2, 0.5])
def test_the_least_rehearsal_that_is_enough(pairs: Pairs, heads: tuple[Head, Head], home: Home, limit: float) -> None:
    source, teacher = heads
    chosen = rehearse_enough(pairs, source, teacher, home, REHEARSALS, 1 - limit)
    lost = {}
    for strength in REHEARSALS:
        alone = rehearse_enough(pairs, source, teacher, home, [strength], 0.0)
        lost[strength] = 1 - home.macro_f1(alone.taught(source, teacher, pairs.places[:0], 0))
    assert lost[0.0] > 0.5 > lost[100.0]
    enough = [strength for strength in REHEARSALS if lost[strength] <= limit]
    assert chosen.rehearsal == (min(enough) if enough else 100.0)


def test_what_costs_nothing_is_not_rehearsed(pairs: Pairs, heads: tuple[Head, Head], home: Home) -> None:
    assert rehearse_enough(pairs, heads[0], heads[0], home, REHEARSALS, 0.95).rehearsal == 0.0
