"""Choosing a rung: leave-one-out by hand, and the simpler one unless the other is better for certain."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax

from outcrop.learning.adaptation.choice import Indices, Rung, choose, judge
from outcrop.learning.adaptation.heads import Head, fit_logistic

LABELS = 20
Y = np.arange(LABELS) % 2
X = np.column_stack([np.where(Y, 2.0, -2.0), np.ones(LABELS)]) + np.random.default_rng(0).normal(0, 0.3, (LABELS, 2))
BLIND, WRONG = Head(np.zeros((2, 2)), np.zeros(2)), Head(np.array([[1.0, 0], [-1, 0]]), np.zeros(2))


def still(name: str, head: Head, base: str = "source") -> Rung:
    return Rung(name, base, X, lambda learnt, asked: head, None, opens=True)


def learning(name: str, strength: float = 1.0, folds: int = 0) -> Rung:
    return Rung(name, "source", X, lambda learnt, asked: fit_logistic(X[learnt], Y[learnt], BLIND, strength), folds)


def test_every_label_is_judged_by_a_head_that_did_not_see_it() -> None:
    found = judge(learning("logistic"), Y, 0)
    by_hand = []
    for one in range(LABELS):
        rest = np.delete(np.arange(LABELS), one)
        by_hand.append(-log_softmax(fit_logistic(X[rest], Y[rest], BLIND, 1.0).logits(X[[one]]), axis=1)[0, Y[one]])
    assert found.nll == pytest.approx(np.array(by_hand))


@pytest.mark.parametrize("folds", [0, 5, 50])
def test_parts_are_disjoint_and_whole(folds: int) -> None:
    asked: list[int] = []

    def fit(learnt: Indices, part: Indices) -> Head:
        assert not set(learnt) & set(part) and len(learnt) + len(part) == LABELS
        asked.extend(part)
        return BLIND

    judge(Rung("any", "source", X, fit, folds), Y, 0)
    assert sorted(asked) == list(range(LABELS))


def test_a_better_rung_is_taken_and_a_worse_one_is_not() -> None:
    choice = choose([still("none", BLIND), learning("logistic"), learning("stiff", 1e6)], Y, 0)
    assert [step.taken for step in choice.steps[:3]] == [True, True, False]
    assert choice.chosen.rung.name == "logistic"
    assert (choice.chosen.fitted(LABELS).logits(X).argmax(axis=1) == Y).all()


def test_what_is_no_better_than_its_error_is_left() -> None:
    rng = np.random.default_rng(1)
    noise = replace(BLIND, weight=rng.normal(0, 0.02, (2, 2)))
    choice = choose([still("none", BLIND), still("noise", noise)], Y, 0)
    step = choice.steps[1]
    assert step.taken == (step.gain > step.error)
    assert choose([still("none", BLIND), still("same", BLIND)], Y, 0).chosen.rung.name == "none"


def test_rungs_over_a_base_that_was_not_taken_are_passed_over() -> None:
    other = Rung("over", "blended", X, lambda learnt, asked: BLIND)
    steps = choose([still("none", BLIND), still("blend", WRONG, "blended"), other], Y, 0).steps
    assert [step.name for step in steps] == ["none", "blend", "calibration"]
