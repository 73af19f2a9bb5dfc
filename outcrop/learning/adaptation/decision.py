"""Is a model good enough here? An interval for its accuracy from the labels themselves, and what follows from it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta

from outcrop.learning.adaptation.heads import Array, Classes

Outcome = Literal["adopt", "keep source model", "refuse"]
#: More labels than this are not asked for: the model would have to be another one.
MOST_LABELS = 2000


@dataclass(frozen=True)
class Accuracy:
    """Overall accuracy at a site: ``value`` and the ends of its interval, and the labels that it is worth."""

    value: float
    low: float
    high: float
    labels: float


@dataclass(frozen=True)
class Decision:
    """What to do, why, and how many more labels to take where nothing can be said yet (else 0)."""

    outcome: Outcome
    reason: str
    more_labels: int = 0


def label_weights(classes: Classes, shares: Array) -> Array:
    """Weights (n,) of labels that were picked class by class, so that they stand for the site: they sum to 1.

    Parameters
    ----------
    classes : (n,)
    shares : (classes,) share of the site's cells that is predicted to be of each class
    """
    counts = np.bincount(classes, minlength=len(shares))
    weights = shares[classes] / counts[classes]
    return np.asarray(weights / weights.sum())


def accuracy_interval(right: NDArray[np.bool_], weights: Array, confidence: float) -> Accuracy:
    """Clopper-Pearson's exact interval, for weighted labels as Korn & Graubard (1998, Survey Methodology 24) do.

    The number of labels is the effective one, ``(sum w)^2 / sum w^2``: labels that stand for little of the site count
    for little.

    Parameters
    ----------
    right : (n,) whether a label was predicted when it was left out
    weights : (n,) what each label stands for; they sum to 1
    """
    share, labels = float(weights @ right), float(1 / (weights @ weights))
    low, high = _exact(share * labels, labels, confidence)
    return Accuracy(share, low, high, labels)


def _exact(hits: float, labels: float, confidence: float) -> tuple[float, float]:
    tail = (1 - confidence) / 2
    low = float(beta.ppf(tail, hits, labels - hits + 1)) if hits > 0 else 0.0
    high = float(beta.ppf(1 - tail, hits + 1, labels - hits)) if hits < labels else 1.0
    return low, high


def decide(accuracy: Accuracy, needed: float, confidence: float, adapted: str | None) -> Decision:
    """Compare the interval with the accuracy that is needed.

    Parameters
    ----------
    adapted : the chosen way of adapting; None where the source model was kept
    """
    told = f"accuracy here is {accuracy.low:.2f} to {accuracy.high:.2f} at {confidence:.0%}, needed is {needed:.2f}"
    if accuracy.low >= needed:
        if adapted is None:
            return Decision("keep source model", f"no way of adapting beats it on the labels; its {told}")
        return Decision("adopt", f"{adapted} beats the source model on the labels; its {told}")
    if accuracy.high < needed:
        return Decision("refuse", f"not good enough: {told}")
    more = labels_needed(accuracy, needed, confidence)
    if more is None:
        return Decision("refuse", f"too uncertain: {told}, and more labels of this quality would not show it")
    return Decision("refuse", f"too uncertain: {told}", more)


def labels_needed(accuracy: Accuracy, needed: float, confidence: float) -> int | None:
    """How many more labels would settle it, were the share of right ones to stay; None where too many."""
    worth = 1.0
    for more in range(1, MOST_LABELS + 1):
        labels = accuracy.labels + more * worth
        low, high = _exact(accuracy.value * labels, labels, confidence)
        if low >= needed or high < needed:
            return more
    return None
