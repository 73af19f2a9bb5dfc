"""Choosing a rung of the ladder by the labels alone: each is judged on labels that it was not fitted to."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from outcrop.learning.adaptation.calibration import Calibration, fit_calibration
from outcrop.learning.adaptation.heads import Array, Classes

Indices = NDArray[np.intp]


class Fitted(Protocol):
    """What a rung makes of labels: it says of features (k, d) which class is how likely, as logits (k, classes)."""

    def logits(self, features: Array) -> Array: ...


#: (labels to learn from, labels that it will be asked about) -> what is fitted over the rung's features. What
#: lies close to a label that is asked about must not be learnt from either.
Fit = Callable[[Indices, Indices], Fitted]
NOBODY: Indices = np.empty(0, dtype=np.intp)


@dataclass(frozen=True)
class Rung:
    """A way of adapting.

    Parameters
    ----------
    name : what it is called
    base : which of the networks gives its features
    features : (n, d) of the labels
    fit : see `Fit`
    folds : parts into which the labels are cut to judge it; 0: one label a part. None: it learns from no label
    opens : it brings a base of its own; other rungs are tried only over the base of the rung chosen so far
    """

    name: str
    base: str
    features: Array
    fit: Fit
    folds: int | None = 0
    opens: bool = False


@dataclass(frozen=True)
class Judged:
    """A rung and what it says of labels that it did not learn from: ``logits`` (n, classes), ``nll`` (n,) in nats."""

    rung: Rung
    logits: Array
    nll: Array
    calibration: Calibration = field(default_factory=Calibration)

    def fitted(self, labels: int) -> Fitted:
        """What it makes of all labels, before calibration."""
        return self.rung.fit(np.arange(labels), NOBODY)


@dataclass(frozen=True)
class Comparison:
    """Whether a rung is better than the one chosen so far: mean gain in log-loss a label and its standard error."""

    name: str
    nll: float
    accuracy: float
    gain: float
    error: float
    taken: bool


@dataclass(frozen=True)
class Choice:
    """The chosen rung, and how it was come by, in the order of the ladder."""

    chosen: Judged
    steps: tuple[Comparison, ...]


def judge(rung: Rung, classes: Classes, seed: int) -> Judged:
    """What a rung says of every label when that label, or its part of the labels, is left out."""
    everything = np.arange(len(classes))
    if rung.folds is None:
        return _judged(rung, rung.fit(everything, NOBODY).logits(rung.features), classes)
    logits: Array | None = None
    for part in _parts(len(classes), rung.folds, seed):
        said = rung.fit(np.setdiff1d(everything, part), part).logits(rung.features[part])
        logits = np.empty((len(classes), said.shape[1])) if logits is None else logits
        logits[part] = said
    assert logits is not None
    return _judged(rung, logits, classes)


def _parts(labels: int, folds: int, seed: int) -> list[Indices]:
    """The labels, cut at random into so many parts; 0: each by itself."""
    if not folds or folds >= labels:
        return [np.array([label]) for label in range(labels)]
    return list(np.array_split(np.random.default_rng([seed, labels]).permutation(labels), folds))


def _judged(rung: Rung, logits: Array, classes: Classes) -> Judged:
    losses = -log_softmax(logits, axis=1)[np.arange(len(classes)), classes]
    return Judged(rung, logits, losses)


def calibrated(judged: Judged, classes: Classes) -> Judged:
    """The same rung with a calibration that is fitted to all other labels when it is judged on one."""
    rows = np.arange(len(classes))
    others = [rows != row for row in rows]
    fits = [fit_calibration(judged.logits[kept], classes[kept]) for kept in others]
    logits = np.concatenate([fit.logits(judged.logits[[row]]) for row, fit in enumerate(fits)])
    whole = fit_calibration(judged.logits, classes)
    return replace(_judged(judged.rung, logits, classes), calibration=whole)


def choose(rungs: Sequence[Rung], classes: Classes, seed: int) -> Choice:
    """Climb the ladder: a rung is taken if it beats the one chosen so far by more than one standard error.

    The gain is the mean over the labels of the difference in log-loss, its error that of a mean of paired differences.
    The last step is the calibration of the chosen rung, judged in the same way.

    Parameters
    ----------
    rungs : from the simplest, which changes nothing, to the one that changes most
    classes : (n,) of the labels
    """
    chosen = judge(rungs[0], classes, seed)
    steps = [_compared(rungs[0].name, chosen, None, classes)]
    for rung in rungs[1:]:
        if rung.base != chosen.rung.base and not rung.opens:
            continue
        found = judge(rung, classes, seed)
        steps.append(_compared(rung.name, found, chosen, classes))
        chosen = found if steps[-1].taken else chosen
    found = calibrated(chosen, classes)
    steps.append(_compared("calibration", found, chosen, classes))
    return Choice(found if steps[-1].taken else chosen, tuple(steps))


def _compared(name: str, found: Judged, chosen: Judged | None, classes: Classes) -> Comparison:
    nll, right = float(found.nll.mean()), found.logits.argmax(axis=1) == classes
    if chosen is None:
        return Comparison(name, nll, float(right.mean()), 0.0, 0.0, taken=True)
    difference = chosen.nll - found.nll
    gain, error = float(difference.mean()), float(difference.std(ddof=1) / np.sqrt(len(difference)))
    return Comparison(name, nll, float(right.mean()), gain, error, taken=gain > error)
