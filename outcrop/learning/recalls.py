"""Recall of one class on some of the test cells and on the others, e.g. of olivine in shadow and in light."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.learning.metrics import Array, Estimate, Scored, estimate, paired_weights


@dataclass(frozen=True)
class Place:
    """Recall of a class on part of the cells, of which so many, in so many blocks, are its own; None where none are."""

    recall: Estimate | None
    cells: int
    blocks: int


@dataclass(frozen=True)
class SplitRecall:
    """Recall inside a mask, outside of it, and inside - outside, paired by block; None where a side has no cells."""

    inside: Place
    outside: Place
    difference: Estimate | None


def split_recall(
    scores: Sequence[Scored], label: int, mask: NDArray[np.bool_], *, draws: int, seed: int
) -> SplitRecall:
    """Recall of a class by a mask, the mean over seeds; a draw takes the same blocks for all of them.

    Blocks are drawn from all test blocks, so that how often the class lies in the mask varies as well; a draw without
    any of its cells there says nothing and is left out of the interval.

    Parameters
    ----------
    scores : one model of every seed, on the same N cells
    label : the class
    mask : (N,) e.g. which cells lie in shadow
    """
    _, block = np.unique(scores[0].blocks, return_inverse=True)
    weights = paired_weights(int(block.max()) + 1, draws, seed)
    chosen = [(scores[0].labels == label) & side for side in (mask, ~mask)]
    found = [_recall(scores, cells, block, weights) for cells in chosen]
    inside, outside = (
        Place(estimate(recall) if cells.any() else None, int(cells.sum()), len(np.unique(block[cells])))
        for recall, cells in zip(found, chosen, strict=True)
    )
    both = inside.cells and outside.cells
    return SplitRecall(inside, outside, estimate(found[0] - found[1]) if both else None)


def _recall(scores: Sequence[Scored], cells: NDArray[np.bool_], block: NDArray[np.int64], weights: Array) -> Array:
    """(1 + draws,) share of ``cells`` that is given its class, under `paired_weights`; NaN of a draw without any."""
    blocks = weights.shape[1]
    right = [cells & (scored.probabilities.argmax(axis=1) == scored.labels) for scored in scores]
    counts = np.mean([np.bincount(block[each], minlength=blocks) for each in right], axis=0)
    support = weights @ np.bincount(block[cells], minlength=blocks)
    return np.where(support > 0, weights @ counts / np.maximum(support, 1), np.nan)
