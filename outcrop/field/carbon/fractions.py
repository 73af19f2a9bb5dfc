"""The areas of classes behind a map that errs: its confusion on test blocks undone, with what stays uncertain.

Cells of one block err together, so counts are taken for fewer cells than were counted: as many as, if they erred alone,
would leave the accuracy as uncertain as resampling blocks does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError

#: What is thought of a class before any cell of it was tested, worth so many cells: half of them are right.
PRIOR = 1.0
#: Sweeps of the sampler; every draw is the end of a chain of its own.
SWEEPS = 50
#: Standard normal quantile of a 95 % interval.
Z95 = 1.959964
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Confusion:
    """What a model said of test cells.

    Parameters
    ----------
    classes : (K,) names, in the order of the map's values
    counts : (K, K) cells, true class by predicted class
    effective : how many independent cells the counts are worth
    """

    classes: tuple[str, ...]
    counts: Array
    effective: float

    @property
    def weight(self) -> float:
        """Independent cells that one cell is worth, in the test and on the map alike."""
        return min(self.effective / max(float(self.counts.sum()), 1.0), 1.0)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {"classes": list(self.classes), "counts": self.counts.tolist(), "effective": self.effective}


def read_confusion(told: Mapping[str, Any], where: object) -> Confusion:
    """A confusion as `Confusion.told` gives it.

    Raises
    ------
    DataError : it is none.
    """
    try:
        classes = tuple(str(name) for name in told["classes"])
        counts = np.array(told["counts"], dtype=np.float64)
        effective = float(told["effective"])
    except (KeyError, TypeError, ValueError) as cause:
        raise DataError(
            "this is no confusion matrix", where=where, remedy="give `classes`, `counts` and `effective`"
        ) from cause
    good = counts.shape == (len(classes),) * 2 and bool((counts >= 0).all()) and counts.sum() > 0 < effective
    if not good or not np.isfinite(counts).all() or not np.isfinite(effective):
        raise DataError(
            "the confusion matrix is impossible",
            where=where,
            remedy="give cells that are not negative, a row a true class and a column a predicted one",
        )
    return Confusion(classes, counts, effective)


def confusion_of(metrics: Mapping[str, Any], classes: Sequence[str]) -> Confusion:
    """The confusion in what `outcrop.learning.metrics.measure` found of a model on test blocks."""
    counts = np.array(metrics["confusion"], dtype=np.float64)
    right, cells = float(metrics["overall_accuracy"]), float(counts.sum())
    low, high = metrics["interval"]["overall_accuracy"]
    error = (high - low) / (2 * Z95)
    alone = right * (1 - right) / error**2 if error > 0 else float(metrics["blocks"])
    return Confusion(tuple(classes), counts, float(np.clip(alone, 1.0, cells)))


def draw_fractions(mapped: NDArray[np.integer], confusion: Confusion, rng: np.random.Generator, draws: int) -> Array:
    """Draw what the areas of the classes may truly be.

    Rows of the confusion are drawn from Dirichlet distributions; under each, the classes behind the mapped cells are
    sampled by turns with the fractions that they make up (Gibbs), which keeps fractions positive.

    Parameters
    ----------
    mapped : (K,) cells that the map gives each class

    Returns
    -------
    (draws, K), rows summing to 1

    Raises
    ------
    DataError : no cell is mapped.
    """
    if not mapped.sum():
        raise DataError("no cell is mapped", remedy="choose regions that lie on the map")
    counts, classes = confusion.counts * confusion.weight, len(mapped)
    known = (counts.sum(axis=1) > 0) | (mapped > 0)  # of a class that was neither tested nor mapped nothing is told
    if known.sum() == 1:
        return np.repeat(known[None].astype(np.float64), draws, axis=0)
    rates = _draw_rates(counts[np.ix_(known, known)], rng, draws)
    seen = np.rint(mapped[known] * confusion.weight).astype(np.int64)
    if not seen.sum():
        seen[mapped[known].argmax()] = 1
    size = int(known.sum())
    rates = rates.transpose(0, 2, 1)[:, seen > 0]  # (draws, predicted, true)
    seen = np.broadcast_to(seen[seen > 0], rates.shape[:2])
    fractions = np.full((draws, size), 1 / size)
    for _ in range(SWEEPS):
        joint = rates * fractions[:, None, :]
        cells = rng.multinomial(seen, joint / joint.sum(axis=2, keepdims=True)).sum(axis=1)
        shares = rng.standard_gamma(cells + 1 / size) + 1e-300
        fractions = shares / shares.sum(axis=1, keepdims=True)
    drawn = np.zeros((draws, classes))
    drawn[:, known] = fractions
    return drawn


def _draw_rates(counts: Array, rng: np.random.Generator, draws: int) -> Array:
    """(draws, true, predicted) how often a class is taken for each."""
    size = len(counts)
    prior = np.full((size, size), PRIOR / 2 / (size - 1))
    np.fill_diagonal(prior, PRIOR / 2)
    shares = rng.standard_gamma(np.broadcast_to(counts + prior, (draws, size, size))) + 1e-12
    return np.asarray(shares / shares.sum(axis=2, keepdims=True))
