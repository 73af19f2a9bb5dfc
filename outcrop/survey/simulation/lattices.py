"""Things that repeat over a place, each at a random place of its own lattice cell: lenses of rock, stocks, plots.

A thing is known by the row and column of its lattice cell; what is drawn for it depends on these and the seed alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from outcrop.survey.simulation.fields import Seed, normals
from outcrop.survey.simulation.units import UNITS

#: Most that a thing stands away from the middle of its cell, in cells. Up to a quarter, the nearest thing to a point is
#: among the four whose cells' middles are next to it.
JITTER = 0.25
#: Steps of the low-discrepancy sequence in two dimensions (Roberts 2018: powers of the plastic number's inverse).
STEPS = (0.7548776662466927, 0.5698402909980532)
#: Share of chance in ranks: some keeps the sequence from being seen as a pattern.
CHANCE = 0.2
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Things:
    """The things of a stretch of a lattice, rows from ``row`` and columns from ``col`` on; arrays (rows, cols).

    ``down`` and ``right`` is where they stand, ``rank`` (0-1) decides what they are: neighbours differ in it more than
    by chance, so that whatever has a share of the ranks is found all over the place. ``trait`` is standard normal.
    """

    row: int
    col: int
    down: Floats
    right: Floats
    rank: Floats
    trait: Floats


def things(seed: Seed, down: Floats, right: Floats) -> Things:
    """All things near the points at ``down``, ``right`` (any shape), both in lattice cells."""
    row, col = int(np.floor(down.min())) - 1, int(np.floor(right.min())) - 1
    rows, cols = int(np.floor(down.max())) + 2 - row, int(np.floor(right.max())) + 2 - col
    i, j = np.arange(row, row + rows)[:, None], np.arange(col, col + cols)
    chance = [normals((*seed, part), row, col, rows, cols) for part in range(4)]
    return Things(
        row,
        col,
        (i + 0.5 + JITTER * (2 * ndtr(chance[0]) - 1)).astype(np.float32),
        (j + 0.5 + JITTER * (2 * ndtr(chance[1]) - 1)).astype(np.float32),
        ((STEPS[0] * i + STEPS[1] * j + CHANCE * ndtr(chance[2])) % 1).astype(np.float32),
        chance[3],
    )


def nearest(around: Things, down: Floats, right: Floats) -> tuple[NDArray[np.intp], Floats]:
    """Index of the nearest thing in the flattened arrays of ``around``, and its distance in lattice cells."""
    cols = around.down.shape[1]
    first = ((np.floor(down - 0.5) - around.row) * cols + np.floor(right - 0.5) - around.col).astype(np.intp)
    best = np.full(down.shape, np.inf, dtype=np.float32)
    found = np.zeros(down.shape, dtype=np.intp)
    for step in (0, 1, cols, cols + 1):
        number = first + step
        square = (down - around.down.ravel()[number]) ** 2 + (right - around.right.ravel()[number]) ** 2
        nearer = square < best
        best = np.where(nearer, square, best)
        found = np.where(nearer, number, found)
    return found, np.sqrt(best)


def choose(rank: Floats, weights: Mapping[str, float]) -> NDArray[np.uint8]:
    """The unit that each rank (0-1, any shape) means, where units share the ranks by weight."""
    shares = np.cumsum(list(weights.values())) / sum(weights.values())
    values = np.array([UNITS.index(name) for name in weights], dtype=np.uint8)
    return values[np.minimum(np.searchsorted(shares, rank, side="right"), len(values) - 1)]


def across(down: Floats, right: Floats, strike_deg: float) -> Floats:
    """How far points lie to the right of a line through the origin that runs ``strike_deg`` clockwise from north."""
    strike = np.deg2rad(strike_deg)
    return down * np.float32(np.sin(strike)) + right * np.float32(np.cos(strike))


def along(down: Floats, right: Floats, strike_deg: float) -> Floats:
    """How far points lie along such a line."""
    return across(down, right, strike_deg - 90)
