"""Regression heads over a network whose trunk is fixed, and how well they do on blocks that nothing was learnt from.

A linear head is all that a trunk's features need here: it is fitted in closed form, so that a head costs seconds and
the same features always give the same head. The student's is distilled: it regresses on what the teacher's head says
of unlabelled cells (Ba & Caruana, "Do deep nets really need to be deep?", NIPS 2014).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from outcrop.errors import DataError
from outcrop.learning.metrics import Estimate, estimate, paired_weights, share_of

Array = NDArray[np.float64]
Blocks = NDArray[np.integer]
#: Penalties of the ridge that are tried, for features of unit variance; parts of the blocks by which one is chosen.
STRENGTHS, FOLDS = (1.0, 10.0, 100.0, 1e3, 1e4, 1e5), 5
#: Below this R2 on disjoint blocks, what a head says is not to be used.
SUPPORTED = 0.3
NOT_SUPPORTED = "not supported"


@dataclass(frozen=True)
class LinearHead:
    """``features @ weight + bias``, within ``bounds``.

    Parameters
    ----------
    weight : (features,)
    bounds : least and greatest value that there can be
    """

    weight: Array
    bias: float
    bounds: tuple[float, float]

    def says(self, features: Array) -> Array:
        """(n, features) -> (n,), in the unit of what it was fitted to."""
        return np.asarray(np.clip(features @ self.weight + self.bias, *self.bounds))


def fit_head(features: Array, wanted: Array, blocks: Blocks, bounds: tuple[float, float]) -> LinearHead:
    """Ridge regression; the penalty is the one that does best on blocks that are left out.

    Parameters
    ----------
    features : (n, d)
    wanted : (n,) truth, or what a teacher says
    blocks : (n,) which block each cell lies in

    Raises
    ------
    DataError : the cells lie in fewer than two blocks.
    """
    found = len(np.unique(blocks))
    if found < 2:
        raise DataError(
            f"a head cannot be fitted to cells of {found} block", remedy="measure in several blocks, five or more"
        )
    scaler = StandardScaler().fit(features)
    scaled = scaler.transform(features)
    parts = list(GroupKFold(min(FOLDS, found)).split(scaled, wanted, blocks))
    ridge = RidgeCV(STRENGTHS, cv=parts, scoring="neg_mean_squared_error").fit(scaled, wanted)
    weight = np.asarray(ridge.coef_ / scaler.scale_, dtype=np.float64)
    return LinearHead(weight, float(ridge.intercept_ - scaler.mean_ @ weight), bounds)


def block_r2(truth: Array, said: Sequence[Array], blocks: Blocks, draws: int, seed: int) -> list[Array]:
    """R2 of several models on the same cells, under the weights of `outcrop.learning.metrics.paired_weights`.

    ``1 - sum (y - f)^2 / sum (y - mean y)^2``: 1 for the truth, 0 for its mean, negative for what is worse than that.

    Parameters
    ----------
    truth : (n,)
    said : by model, (n,)
    blocks : (n,)
    draws : of whole blocks

    Returns
    -------
    by model, (1 + draws,): the value, then those of the draws

    Raises
    ------
    DataError : the truth is the same everywhere, so that there is nothing to explain.
    """
    _, place = np.unique(blocks, return_inverse=True)
    weights = paired_weights(int(place.max()) + 1, draws, seed)

    def total(values: Array) -> Array:
        return np.asarray(weights @ np.bincount(place, weights=values))

    # About the mean, so that a difference of large squares does not lose digits.
    centred = truth - truth.mean()
    spread = total(centred**2) - total(centred) ** 2 / total(np.ones(len(truth)))
    if spread[0] <= np.finfo(np.float64).eps * len(truth):
        raise DataError("the truth is the same in all test cells", remedy="test on ground that varies")
    spread = np.where(spread > 0, spread, np.nan)
    return [1 - total((truth - each) ** 2) / spread for each in said]


@dataclass(frozen=True)
class Comparison:
    """R2 of teacher, distilled student and control on the same cells, and the share of the gap that was recovered."""

    teacher: Estimate
    student: Estimate
    control: Estimate
    gain: Estimate
    gap_recovered: Estimate | None

    @property
    def verdict(self) -> str:
        """What may be done with what the student says."""
        return verdict(self.student.value)


def verdict(r2: float) -> str:
    """Whether an estimate may be used, by its R2 on disjoint blocks."""
    return NOT_SUPPORTED if r2 < SUPPORTED else "supported"


def compare_heads(
    truth: Array, teacher: Array, student: Array, control: Array, blocks: Blocks, draws: int, seed: int
) -> Comparison:
    """Compare what three models say (n,) of the same cells, paired by block."""
    t, s, c = block_r2(truth, (teacher, student, control), blocks, draws, seed)
    # A teacher that does no better than the control leaves no gap to recover.
    recovered = share_of(s - c, t - c) if t[0] > c[0] else None
    return Comparison(estimate(t), estimate(s), estimate(c), estimate(s - c), recovered)
