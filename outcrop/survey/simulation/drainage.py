"""Rivers: which way water runs over a relief, how much of it, and how it cuts the relief down.

All on a square grid of nodes, whose border drains; nodes are numbered row by row.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph
from scipy.sparse.linalg import spsolve

#: A filled hollow falls towards its outlet by so much a node, in metres.
TILT = 1e-3
NEIGHBOURS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
Floats = NDArray[np.float64]
Numbers = NDArray[np.intp]


def fill(height: Floats) -> Floats:
    """Heights (n, n) with every hollow filled to its lowest sill, from where it falls on by `TILT` a node.

    Of all paths to the border, those along a minimum spanning tree, whose edges weigh as much as their higher end,
    climb least (Barnes et al. 2014, doi:10.1016/j.cageo.2013.04.024, fill by the same rule in another order).
    """
    n = len(height)
    flat = height.ravel()
    numbers = np.arange(flat.size).reshape(n, n)
    border = np.unique(np.concatenate([numbers[0], numbers[-1], numbers[:, 0], numbers[:, -1]]))
    starts, ends = [], []
    for down, right in NEIGHBOURS[4:]:
        left, stop = max(-right, 0), n - max(right, 0)
        starts.append(numbers[: n - down, left:stop].ravel())
        ends.append(numbers[down:, left + right : stop + right].ravel())
    # One more node, below all others, takes what leaves over the border.
    starts.append(np.full(border.size, flat.size))
    ends.append(border)
    start, end = np.concatenate(starts), np.concatenate(ends)
    level = np.append(flat, flat.min())
    climb = np.maximum(level[start], level[end]) - flat.min() + 1
    graph = sparse.csr_array((climb, (start, end)), shape=(level.size, level.size))
    tree = csgraph.minimum_spanning_tree(graph)
    _, before = csgraph.breadth_first_order(tree, flat.size, directed=False)
    before[flat.size] = flat.size
    steps, highest, towards = (before != np.arange(level.size)).astype(float), level.copy(), before.astype(np.intp)
    # In as many rounds as the longest path has binary digits, every node hears of the highest one on its way.
    while (towards != flat.size).any():
        highest = np.maximum(highest, highest[towards] + TILT * steps)
        steps, towards = steps + steps[towards], towards[towards]
    return np.asarray(highest[:-1].reshape(n, n))


def receivers(height: Floats, spacing: float) -> tuple[Numbers, Floats]:
    """The neighbour (n n,) down the steepest of eight slopes, and the distance to it; border nodes are their own.

    ``height`` has no hollows (see `fill`).
    """
    n = len(height)
    padded = np.pad(height, 1, constant_values=np.inf)
    best, target = np.zeros((n, n)), np.arange(n * n).reshape(n, n)
    length = np.full((n, n), spacing)
    own = target.copy()
    for down, right in NEIGHBOURS:
        apart = spacing * np.hypot(down, right)
        slope = (height - padded[1 + down : 1 + down + n, 1 + right : 1 + right + n]) / apart
        steeper = slope > best
        best[steeper] = slope[steeper]
        target[steeper] = own[steeper] + down * n + right
        length[steeper] = apart
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        target[edge] = own[edge]
    return target.ravel(), length.ravel()


def _along(rates: Floats, target: Numbers, order: Numbers, values: Floats, *, downstream: bool) -> Floats:
    """Solve x_i = values_i + rates_i x_target(i); ``downstream``: the transpose, x_i = values_i + what flows to i.

    In the order of heights the matrix is triangular, so that solving takes as long as reading it.
    """
    inner = target != np.arange(target.size)
    place = np.empty_like(order)
    place[order] = np.arange(order.size)
    rows, cols = place[inner], place[target[inner]]
    matrix: Any = sparse.eye_array(target.size, format="csr") - sparse.csr_array(
        (rates[inner], (rows, cols)), shape=(target.size, target.size)
    )
    matrix = matrix.T if downstream else matrix
    solved = spsolve(matrix.tocsc(), values[order], permc_spec="NATURAL")
    result: Floats = np.empty_like(solved)
    result[order] = solved
    return result


def drained_area(height: Floats, spacing: float) -> Floats:
    """Area (n, n) whose water passes each node, its own included; ``height`` has no hollows."""
    target, _ = receivers(height, spacing)
    own = np.full(target.size, spacing**2)
    area = _along(np.ones(target.size), target, np.argsort(height.ravel(), kind="stable"), own, downstream=True)
    return np.asarray(area.reshape(height.shape))


def erode(height: Floats, spacing: float, erodibility: float, exponent: float = 0.45) -> Floats:
    """One step of stream-power incision, dh/dt = -K A^m S, by the implicit scheme of Braun & Willett (2013).

    doi:10.1016/j.geomorph.2012.10.008, eq. 22, for n = 1: (1 + F) h_i = h_i(old) + F h_receiver, F = K dt A^m / dx.

    Parameters
    ----------
    height : (n, n) in metres
    erodibility : K dt, in m^(1 - 2 m)
    exponent : m, of the drained area in square metres
    """
    filled = fill(height)
    target, length = receivers(filled, spacing)
    order = np.argsort(filled.ravel(), kind="stable")
    area = _along(np.ones(target.size), target, order, np.full(target.size, spacing**2), downstream=True)
    factor = np.where(target == np.arange(target.size), 0.0, erodibility * area**exponent / length)
    # Below a lake's level there is only its water to carry away.
    cut = _along(factor / (1 + factor), target, order, filled.ravel() / (1 + factor), downstream=False)
    return np.minimum(height, cut.reshape(height.shape))
