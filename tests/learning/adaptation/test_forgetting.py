"""Rehearsal is as little as home allows, and as much as there is where nothing is enough."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from outcrop.learning.adaptation.forgetting import Ground, Home, lost, rehearse_enough
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
    ground = Ground(features, heads[0].logits(features).argmax(axis=1), np.arange(CELLS) // 40)
    return Home(held_out=ground, learnt=ground)


def test_scores_are_macro_f1_over_the_classes_that_are_there_and_without_each_block() -> None:
    head = Head(9 * np.eye(3), np.zeros(3))
    ground = Ground(np.eye(3)[[0, 0, 0, 1]], np.array([0, 0, 1, 1]), np.array([4, 4, 4, 8]))
    assert ground.scores(head) == pytest.approx([(2 * 2 / 5 + 2 * 1 / 3) / 2, 1.0, (2 * 2 / 5 + 0) / 2])


def test_the_error_of_a_loss_is_that_of_a_mean_where_the_loss_is_one() -> None:
    rng = np.random.default_rng(3)
    before, after = rng.random(12), rng.random(12)
    scores = [
        np.array([each.mean(), *(np.delete(each, left).mean() for left in range(12))]) for each in (before, after)
    ]
    difference = before - after
    assert lost(*scores) == pytest.approx((difference.mean(), difference.std(ddof=1) / np.sqrt(12)))
    one = np.array([0.5, 0.5])
    assert lost(one, one / 2) == (0.25, 0.0)


@pytest.mark.parametrize(
    ("held_out", "learnt", "error", "forgets"),
    [
        (0.01, 0.01, 0.0, False),
        (0.03, 0.01, 0.0, True),
        (-0.05, 0.03, 0.0, True),
        (-0.05, 0.01, 0.02, True),
        (0.019, 0.01, 0.006, False),
        (-0.05, 0.01, 0.007, True),
    ],
)
def test_what_few_blocks_do_not_show_the_learnt_ones_do(
    held_out: float, learnt: float, error: float, forgets: bool, monkeypatch: pytest.MonkeyPatch, home: Home
) -> None:
    after = (np.array([0.5 - held_out, 0.5]), np.array([0.5 - learnt, 0.5 - error, 0.5 + error]))
    monkeypatch.setattr(Home, "scores", lambda self, head: after)
    before = (np.array([0.5, 0.5]), np.array([0.5, 0.5, 0.5]))
    assert home.forgets(before, Head(np.eye(3), np.zeros(3)), 0.02) == forgets


@pytest.mark.parametrize("limit", [0.02, 0.2, 0.5])
def test_the_least_rehearsal_that_is_enough(pairs: Pairs, heads: tuple[Head, Head], home: Home, limit: float) -> None:
    source, teacher = heads
    forgets = partial(home.forgets, home.scores(source), limit=limit)
    chosen = rehearse_enough(pairs, source, teacher, forgets, REHEARSALS)
    enough = []
    for strength in REHEARSALS:
        alone = replace(pairs, rehearsal=strength)
        if not forgets(alone.taught(source, teacher, pairs.places[:0], 0)):
            enough.append(strength)
    assert 0.0 not in enough
    assert chosen.rehearsal == (min(enough) if enough else 100.0)


def test_what_costs_nothing_is_not_rehearsed(pairs: Pairs, heads: tuple[Head, Head], home: Home) -> None:
    forgets = partial(home.forgets, home.scores(heads[0]), limit=0.05)
    assert rehearse_enough(pairs, heads[0], heads[0], forgets, REHEARSALS).rehearsal == 0.0
