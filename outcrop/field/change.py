"""Has rock turned into another between two dates, beyond what two maps of unchanged ground differ by?

Two maps of the same ground by the same model differ wherever the model is unsure, but not in one direction: cells that
go from feedstock to product are then as many, but for chance, as cells that go back. Their difference in a block is as
likely negative as positive, so that flipping its signs at random tells how large the sum over blocks may become by
chance, however the model errs and however its errors hang together within a block. What shifts all blocks of one date
alike, such as haze, is not noise in this sense: it is for `outcrop.field.drift` to tell.
"""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError

#: Share of unchanged pairs in which an alarm is accepted, and random flips of the signs that decide about it.
ALPHA, FLIPS = 0.05, 2000
#: Fewer blocks with a difference cannot be told from chance: of 5 blocks, all have one sign once in 32 cases.
FEWEST_BLOCKS = 5
Codes = NDArray[np.uint8]
NODATA = 255


@dataclass(frozen=True)
class Change:
    """What two maps tell of one kind of change.

    Parameters
    ----------
    share : net share of the feedstock's cells that became product; ``low`` and ``high`` are the ends of its 90 %
        interval from resampling blocks. A map that errs sees only a part of a change, so it is rather too small
    p_value : how often chance alone gives as much
    alarm : whether that is at most `ALPHA`
    blocks : with feedstock on the first map
    """

    share: float
    low: float
    high: float
    p_value: float
    alarm: bool
    blocks: int


def net_flow(
    first: Codes, second: Codes, feedstock: Collection[int], products: Collection[int], side: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Cells that went from feedstock to product less those that went back, and cells of feedstock, by block.

    Parameters
    ----------
    first, second : (H, W) classes of two dates; `NODATA` where one is not mapped
    side : cells along one side of a block

    Returns
    -------
    flows, sizes : (blocks,) of the blocks that hold feedstock at the first date
    """
    if first.shape != second.shape:
        raise DataError(
            "the maps of the two dates are of different sizes",
            where=f"{first.shape} and {second.shape}",
            remedy="map scenes on one grid",
        )
    if set(feedstock) & set(products):
        raise DataError("a class is feedstock and product at once", remedy="name each class once")
    both = (first != NODATA) & (second != NODATA)
    was, has = np.isin(first, list(feedstock)) & both, np.isin(first, list(products)) & both
    gone, back = was & np.isin(second, list(products)), has & np.isin(second, list(feedstock))
    rows, cols = (np.arange(length) // side for length in first.shape)
    block = rows[:, None] * (int(cols[-1]) + 1) + cols
    count = int(block.max()) + 1
    flows = np.bincount(block[gone], minlength=count) - np.bincount(block[back], minlength=count)
    sizes = np.bincount(block[was], minlength=count)
    held = (sizes > 0) | (flows != 0)
    return flows[held], sizes[held]


def detect_change(
    first: Codes,
    second: Codes,
    feedstock: Collection[int],
    products: Collection[int],
    *,
    side: int,
    seed: int,
    alpha: float = ALPHA,
) -> Change:
    """Test whether feedstock became product between two dates.

    Parameters
    ----------
    first, second : (H, W) classes of the same model on the same grid; 255 where nothing was mapped
    side : cells along one side of a block, beyond which errors are independent

    Raises
    ------
    DataError : the maps do not fit, or hold too few blocks of feedstock to tell change from chance.
    """
    flows, sizes = net_flow(first, second, feedstock, products, side)
    if len(sizes) < FEWEST_BLOCKS:
        raise DataError(
            f"the feedstock lies in {len(sizes)} blocks, too few to tell change from chance",
            remedy=f"map a region with at least {FEWEST_BLOCKS}",
        )
    rng = np.random.default_rng(seed)
    flipped = rng.choice([-1, 1], (FLIPS, len(flows))) @ flows
    p_value = float((1 + (flipped >= flows.sum()).sum()) / (1 + FLIPS))
    drawn = rng.multinomial(len(flows), np.full(len(flows), 1 / len(flows)), size=FLIPS)
    low, high = np.percentile((drawn @ flows) / np.maximum(drawn @ sizes, 1), [5, 95])
    share = float(flows.sum() / max(int(sizes.sum()), 1))
    return Change(share, float(low), float(high), p_value, p_value <= alpha, len(sizes))
