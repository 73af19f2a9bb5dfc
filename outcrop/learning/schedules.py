"""How a quantity moves through training; progress is a share, so that a shorter training keeps the shape."""

from collections.abc import Callable
from math import cos, pi
from typing import Literal

Schedule = Literal["constant", "linear", "cosine"]

#: Share of the way from start to end, by progress.
_WAY: dict[Schedule, Callable[[float], float]] = {
    "constant": lambda progress: 0.0,
    "linear": lambda progress: progress,
    "cosine": lambda progress: 0.5 * (1 - cos(pi * progress)),
}


def temperature_at(schedule: Schedule, start: float, end: float, progress: float) -> float:
    """Temperature at ``progress`` through training, T = (1 - s) start + s end.

    Parameters
    ----------
    schedule : gives s: ``constant`` 0 (no ``end``), ``linear`` progress, ``cosine`` (1 - cos(pi progress)) / 2
    start, end : temperatures at progress 0 and 1
    progress : share of the training that is done, 0-1
    """
    way = _WAY[schedule](progress)
    return (1 - way) * start + way * end
