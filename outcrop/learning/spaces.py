"""The space that a search looks through: parameters by dotted name, as points of a unit cube.

Optimisers see cubes, training sees parameters. A point decodes to values that a person would write (few digits), that
obey all rules, and that are equal whenever two points mean the same: so they can serve as the key of a trial.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from math import log10
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import ParamsError
from outcrop.params import Params, Range
from outcrop.settings import build, merge, nest, value_at

#: Significant digits of a value (of 1 - value on the scale `one_minus_log`): finer steps drown in training's noise.
DIGITS = 3
START, END = "distil.temperature.start", "distil.temperature.end"

_ONTO: dict[str, Callable[[float], float]] = {"linear": float, "log": log10, "one_minus_log": lambda x: log10(1 - x)}
_BACK: dict[str, Callable[[float], float]] = {
    "linear": lambda place: _rounded(place),
    "log": lambda place: _rounded(10**place),
    # To 12 places, for 1 - 0.000123 is not quite the number that is written 0.999877.
    "one_minus_log": lambda place: round(1 - _rounded(10**place), 12),
}


@dataclass(frozen=True)
class Candidate:
    """Values of the searched parameters, by dotted name, in the order of the space."""

    values: tuple[tuple[str, float], ...]

    def changes(self) -> dict[str, Any]:
        """The values nested, as `outcrop.params.merge` puts them over other parameters."""
        return reduce(merge, (nest(name, value) for name, value in self.values), {})


@dataclass(frozen=True)
class Space:
    """The searched parameters.

    ``defaults`` are the current values as they are, also where they lie outside the bounds; ``notes`` say how the point
    from which the search begins differs from them.
    """

    ranges: Mapping[str, Range]
    defaults: Candidate
    notes: tuple[str, ...] = ()

    def encode(self, candidate: Candidate) -> NDArray[np.float64]:
        """The point (dimensions,) 0-1 of a candidate; values outside the bounds are clipped."""
        values = dict(candidate.values)
        return np.array([to_share(each, values[name]) for name, each in self.ranges.items()])

    def decode(self, point: Sequence[float] | NDArray[np.float64]) -> Candidate:
        """The candidate at a point (dimensions,) 0-1.

        A temperature that would rise is repaired by swapping its two ends. That keeps chance even over all falling
        ones; clipping would heap half the cube upon constant temperatures.
        """
        shares = zip(self.ranges.items(), point, strict=True)
        values = {name: from_share(each, float(share)) for (name, each), share in shares}
        if START in values and END in values:
            values[END], values[START] = sorted((values[START], values[END]))
        return Candidate(tuple(values.items()))


def space_of(params: Params) -> Space:
    """The space that ``params.search`` describes, around the values that ``params`` has.

    Raises
    ------
    ParamsError : nothing is searched, a bound is no valid value, or the temperature might rise.
    """
    current = params.dump()
    ranges = {name: each for name, each in params.search.space.items() if each is not None}
    if not ranges:
        raise ParamsError("nothing is searched", where="search.space", remedy="give at least one parameter a range")
    for name, each in ranges.items():
        for bound in (each.low, each.high):
            build(Params, merge(current, nest(name, bound)), f"search.space.{name}", ParamsError)
        if from_share(each, 0) == from_share(each, 1):
            what = f"{each.low}-{each.high} is too narrow to search with {DIGITS} digits"
            raise ParamsError(what, where=f"search.space.{name}", remedy="widen it, or take it out with null")
    _check_temperature(ranges, current)
    space = Space(ranges, Candidate(tuple((name, float(value_at(current, name))) for name in ranges)))
    return Space(ranges, space.defaults, tuple(_notes(space)))


def _check_temperature(ranges: Mapping[str, Range], current: Mapping[str, Any]) -> None:
    """Refuse ends above starts, be they searched or not: then repairing by a swap stays within the bounds."""
    if START not in ranges and END not in ranges:
        return
    (start_low, start_high), (end_low, end_high) = (
        (ranges[name].low, ranges[name].high) if name in ranges else (value_at(current, name),) * 2
        for name in (START, END)
    )
    if end_low > start_low or end_high > start_high:
        raise ParamsError(
            f"the temperature must fall, but `{END}` reaches over {end_low:g}-{end_high:g} and `{START}` over "
            f"{start_low:g}-{start_high:g}",
            where="search.space",
            remedy="give the end no bound above that of the start",
        )


def _notes(space: Space) -> list[str]:
    values = dict(space.defaults.values)
    notes = [
        f"`{name}` is {values[name]:g}, outside its range {each.low:g}-{each.high:g}: the search begins at its bound"
        for name, each in space.ranges.items()
        if not each.low <= values[name] <= each.high
    ]
    if START in values and values.get(END, 0.0) > values[START]:
        notes.append(
            f"the temperature rises from {values[START]:g} to {values[END]:g}: the search begins with it falling"
        )
    return notes


def to_share(scale: Range, value: float) -> float:
    """Where a value lies between its bounds, 0-1, on the scale of its range."""
    low, high, place = (_ONTO[scale.scale](x) for x in (scale.low, scale.high, np.clip(value, scale.low, scale.high)))
    return float((place - low) / (high - low))


def from_share(scale: Range, share: float) -> float:
    """The value at a share (0-1) of its range, of few digits and within its bounds."""
    low, high = _ONTO[scale.scale](scale.low), _ONTO[scale.scale](scale.high)
    return float(np.clip(_BACK[scale.scale](low + share * (high - low)), scale.low, scale.high))


def _rounded(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
