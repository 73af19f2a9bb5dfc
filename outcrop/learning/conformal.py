"""Intervals of a regression that hold on new ground: split conformal prediction, calibrated by spatial block.

Cells of a block err together, so a thousand cells of ten blocks are no thousand trials. What can be taken for
exchangeable is the blocks, and the cells within one. Then hierarchical conformal prediction (Lee, Barber & Willett,
"Distribution-free inference with hierarchical data", arXiv 2306.06342, 2023) gives an interval that holds the truth of
a cell of a new block with at least the chance that is asked for, whatever the model is and however it errs. It is
the one of Dunn, Wasserman & Ramdas ("Distribution-free prediction sets for two-layer hierarchical models", JASA 2023)
that pools the blocks, with what it takes to hold for few of them.

Libraries of conformal prediction calibrate by cell: they keep the blocks of a fold together but count cells as trials.
"""

from math import ceil

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError, ParamsError

Array = NDArray[np.float64]
Blocks = NDArray[np.integer]
#: Sums of weights that should be equal differ by less than this.
ROUNDING = 1e-9


def least_blocks(confidence: float) -> int:
    """How many blocks an interval needs: with fewer, no finite one can be sure enough.

    Raises
    ------
    ParamsError : the confidence is not between 0 and 1.
    """
    if not 0 < confidence < 1:
        raise ParamsError(f"an interval cannot hold the truth with a chance of {confidence:g}", remedy="choose 0.9")
    return ceil(confidence / (1 - confidence) - ROUNDING)


def require_blocks(found: int, confidence: float) -> None:
    """Make sure that an interval can be calibrated.

    Raises
    ------
    DataError : there are too few blocks.
    """
    if found < least_blocks(confidence):
        raise DataError(
            f"an interval of {confidence:.0%} cannot be calibrated on {found} blocks",
            remedy=f"measure in {least_blocks(confidence)} blocks or more, or ask for less",
        )


def block_radius(errors: Array, blocks: Blocks, confidence: float) -> float:
    """Half the width of intervals around a model's estimates that hold the truth of a cell of a new block.

    Of K blocks with n_k cells, every cell's error weighs ``1 / ((K + 1) n_k)``, and ``1 / (K + 1)`` is left for an
    error without bound, which the new block may hold. The radius is the least error up to which the weights sum to
    ``confidence``.

    Parameters
    ----------
    errors : (n,) absolute errors on cells that the model has not learnt from
    blocks : (n,) which block each lies in
    confidence : chance with which a cell of a new block is to be held, 0-1

    Raises
    ------
    DataError : there are too few blocks, or an error is not a number.
    """
    if not np.isfinite(errors).all():
        raise DataError("an error that an interval is calibrated on is not a number", remedy="check truth and model")
    names, place, counts = np.unique(blocks, return_inverse=True, return_counts=True)
    require_blocks(len(names), confidence)
    weights = 1 / ((len(names) + 1) * counts[place])
    order = np.argsort(errors)
    reached = np.searchsorted(np.cumsum(weights[order]), confidence - ROUNDING)
    return float(errors[order][reached])


def block_coverage(held: NDArray[np.bool_], blocks: Blocks) -> Array:
    """Share (blocks,) of each block's cells whose interval holds the truth: the mean is what `block_radius` promises.

    Parameters
    ----------
    held : (n,) whether the interval of a cell holds its truth
    blocks : (n,)
    """
    _, place = np.unique(blocks, return_inverse=True)
    return np.asarray(np.bincount(place, weights=held) / np.bincount(place))
