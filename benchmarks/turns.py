"""Two pieces of work, timed in turn: what the machine does beside them then burdens both alike."""

from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import NamedTuple


class Turns(NamedTuple):
    """Median seconds of either."""

    first: float
    second: float


def in_turn(first: Callable[[], object], second: Callable[[], object], repetitions: int) -> Turns:
    """Time two pieces of work after a warm-up; each goes first every other time."""
    walls: tuple[list[float], list[float]] = ([], [])
    first(), second()
    for repetition in range(repetitions):
        for turn in (repetition % 2, (repetition + 1) % 2):
            start = perf_counter()
            (first, second)[turn]()
            walls[turn].append(perf_counter() - start)
    return Turns(*map(median, walls))
