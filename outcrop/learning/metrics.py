"""Metrics with block-bootstrap intervals.

Pixels of one block are not independent; blocks are. Every metric is a function of sums over blocks (confusion matrices,
log-losses, calibration bins), so a bootstrap draw is a weighted sum over blocks and thousands of draws cost nothing.
Two models scored on the same cells share the draws: their differences and ratios are paired.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
#: Smallest probability that enters a log-loss, so that one certain mistake does not make it infinite.
FLOOR = 1e-7


@dataclass(frozen=True)
class Scored:
    """What a model said of N cells.

    Parameters
    ----------
    labels : (N,) true class
    probabilities : (N, classes)
    blocks : (N,) block of each cell
    """

    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    blocks: NDArray[np.int64]


@dataclass(frozen=True)
class Sums:
    """Sums over cells; the leading axis, if any, is blocks or bootstrap draws.

    ``confusion`` (..., true, predicted) counts; ``log_loss`` (...); ``calibration`` (..., bins, 3): cells, their summed
    confidence, and how many of them were right.
    """

    confusion: Array
    log_loss: Array
    calibration: Array

    def weighted(self, weights: Array) -> "Sums":
        """Sums over blocks, each taken ``weights`` (..., blocks) times."""
        return Sums(
            np.tensordot(weights, self.confusion, axes=1),
            np.tensordot(weights, self.log_loss, axes=1),
            np.tensordot(weights, self.calibration, axes=1),
        )


def block_sums(scored: Scored, bins: int) -> Sums:
    """Sums of every block, in the order of the blocks' numbers; calibration in ``bins`` of equal mass."""
    _, block = np.unique(scored.blocks, return_inverse=True)
    blocks, classes = int(block.max()) + 1, scored.probabilities.shape[1]
    probabilities = scored.probabilities.astype(np.float64)
    predicted = probabilities.argmax(axis=1)
    confusion = np.bincount((block * classes + scored.labels) * classes + predicted, minlength=blocks * classes**2)
    own = probabilities[np.arange(len(block)), scored.labels]
    confidence = probabilities.max(axis=1)
    # Equal mass: cells ranked by confidence, cut into bins of equal size.
    rank = np.empty(len(block), dtype=np.int64)
    rank[np.argsort(confidence, kind="stable")] = np.arange(len(block))
    cell = block * bins + rank * bins // len(block)
    columns = (np.ones(len(block)), confidence, (predicted == scored.labels).astype(float))
    log_loss = np.bincount(block, weights=-np.log(np.maximum(own, FLOOR)), minlength=blocks)
    calibration = np.stack([np.bincount(cell, weights=column, minlength=blocks * bins) for column in columns], axis=-1)
    return Sums(
        confusion.reshape(blocks, classes, classes).astype(np.float64),
        log_loss.astype(np.float64),
        calibration.reshape(blocks, bins, 3).astype(np.float64),
    )


def class_f1(confusion: Array) -> Array:
    """F1 of every class (..., classes); NaN where the class has no support."""
    support = confusion.sum(axis=-1)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    f1 = 2 * right / np.maximum(support + confusion.sum(axis=-2), 1)
    return np.where(support > 0, f1, np.nan)


def scalars(sums: Sums) -> dict[str, Array]:
    """Every scalar metric, for any leading axes.

    Macro-F1 and average accuracy are means over the classes with support; kappa is Cohen's; ECE is the mean absolute
    gap between confidence and accuracy over the bins, weighted by their mass (Guo et al. 2017, with equal-mass bins).
    """
    confusion = sums.confusion
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = support.sum(axis=-1)
    accuracy = right.sum(axis=-1) / total
    chance = (support * predicted).sum(axis=-1) / total**2
    recall = np.where(support > 0, right / np.maximum(support, 1), np.nan)
    gap = np.abs(sums.calibration[..., 1] - sums.calibration[..., 2])
    return {
        "macro_f1": np.nanmean(class_f1(confusion), axis=-1),
        "overall_accuracy": accuracy,
        "average_accuracy": np.nanmean(recall, axis=-1),
        "kappa": np.where(chance < 1, (accuracy - chance) / np.maximum(1 - chance, 1e-12), 0.0),
        "ece": gap.sum(axis=-1) / total,
        "nll": sums.log_loss / total,
    }


def binary_iou(confusion: Array) -> Array:
    """Intersection over union of the second class (..., 2, 2) -> (...)."""
    return np.asarray(confusion[..., 1, 1] / np.maximum(confusion.sum(axis=(-2, -1)) - confusion[..., 0, 0], 1))


@dataclass(frozen=True)
class Estimate:
    """A number, and the two ends of its central 95 % bootstrap interval."""

    value: float
    low: float
    high: float

    @property
    def interval(self) -> list[float]:
        """Lower and upper end."""
        return [self.low, self.high]

    def may_be(self, number: float) -> bool:
        """Whether the interval holds ``number``, or is not known."""
        return not (self.low > number or self.high < number)


def bootstrap_weights(blocks: int, draws: int, seed: int) -> Array:
    """(draws, blocks) how often each block is taken when ``blocks`` blocks are drawn with replacement."""
    rng = np.random.default_rng([seed, blocks])
    return rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=draws).astype(np.float64)


def paired_weights(blocks: int, draws: int, seed: int) -> Array:
    """(1 + draws, blocks) every block once, and below it the draws of `bootstrap_weights`.

    Metrics under these weights are arrays (1 + draws,) whose first entry is the value and whose others are the
    bootstrap's. Two models' arrays are paired: the array of their difference or quotient is that of the arrays.
    """
    return np.concatenate([np.ones((1, blocks)), bootstrap_weights(blocks, draws, seed)])


def interval(values: Array) -> list[float]:
    """Central 95 % of bootstrap values."""
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return [float(low), float(high)]


def estimate(values: Array) -> Estimate:
    """What an array (1 + draws,) under `paired_weights` says."""
    return Estimate(float(values[0]), *interval(values[1:]))


def kept(part: Array, whole: Array) -> Estimate:
    """How much of a metric that is not negative is left: ``part / whole``, both under `paired_weights`."""
    return estimate(part / np.maximum(whole, FLOOR))


def share_of(part: Array, whole: Array) -> Estimate | None:
    """``part / whole`` of differences under `paired_weights`; None where ``whole`` may be 0.

    A share of nothing means nothing.
    """
    if estimate(whole).may_be(0):
        return None
    with np.errstate(divide="ignore", invalid="ignore"):  # a draw may hold only blocks on which two models agree
        return estimate(part / whole)


def measure(scored: Scored, class_names: Sequence[str], *, bins: int, draws: int, seed: int) -> dict[str, Any]:
    """All metrics of one model, each with its 95 % interval.

    ``iou`` is None unless there are two classes; classes without support are listed under ``absent``.
    """
    per_block = block_sums(scored, bins)
    blocks = len(per_block.log_loss)
    whole = per_block.weighted(np.ones(blocks))
    drawn = per_block.weighted(bootstrap_weights(blocks, draws, seed))
    binary = len(class_names) == 2
    point, spread = scalars(whole), scalars(drawn)
    if binary:
        point["iou"], spread["iou"] = binary_iou(whole.confusion), binary_iou(drawn.confusion)
    f1, f1_drawn, support = class_f1(whole.confusion), class_f1(drawn.confusion), whole.confusion.sum(axis=1)
    seen = [c for c in range(len(class_names)) if support[c]]
    return {
        **{name: float(value) for name, value in point.items()},
        **({} if binary else {"iou": None}),
        "per_class": {
            name: {"f1": float(f1[c]) if c in seen else None, "support": int(support[c])}
            for c, name in enumerate(class_names)
        },
        "absent": [name for c, name in enumerate(class_names) if c not in seen],
        "interval": {
            **{name: interval(values) for name, values in spread.items()},
            "per_class": {class_names[c]: interval(f1_drawn[:, c]) for c in seen},
        },
        "blocks": blocks,
        "cells": len(scored.labels),
        "confusion": whole.confusion.astype(int).tolist(),
    }


def compare(teacher: Scored, control: Scored, student: Scored, *, draws: int, seed: int) -> dict[str, Any]:
    """Retention, gap recovered and the student's gain over its control in macro-F1, paired by block.

    ``gap_recovered`` is None where the interval of teacher - control holds 0.
    """
    sums = [block_sums(scored, bins=1) for scored in (teacher, control, student)]
    weights = paired_weights(len(sums[0].log_loss), draws, seed)
    t, c, s = (scalars(part.weighted(weights))["macro_f1"] for part in sums)
    retention, gain, gap, recovered = kept(s, t), estimate(s - c), estimate(t - c), share_of(s - c, t - c)
    return {
        "retention": retention.value if t[0] else None,
        "gap_recovered": recovered.value if recovered else None,
        "gain": gain.value,
        "interval": {
            "retention": retention.interval,
            "gap_recovered": recovered.interval if recovered else None,
            "gain": gain.interval,
            "gap": gap.interval,
        },
    }
