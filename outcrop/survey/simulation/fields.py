"""Random fields over the ground: smooth, fractal, and the same to the last bit however a window of them is cut.

A field is a lattice of independent standard normals, joined by cubic B-splines. Its nodes are drawn block by block from
the seed and the block's place alone, so that any window, at any resolution, shows the same field, and needs no more
memory than itself. Its values are exactly standard normal everywhere, at the nodes and between them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.surfaces import FINE

#: Nodes along one side of the blocks in which they are drawn.
BLOCK = 32
#: Makes the numbers of blocks north and west of the scene positive, as seeds have to be.
ORIGIN = 2**20
Seed = tuple[int, ...]
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True)
class Window:
    """A window of base cells, or of finer pixels, ``fine`` along the side of a cell; it may begin outside the scene."""

    row: int
    col: int
    height: int
    width: int
    fine: int = 1

    @property
    def rows(self) -> NDArray[np.float64]:
        """Where the middles of its rows lie (H,), in cells."""
        return (self.row + 0.5 + np.arange(self.height)) / self.fine

    @property
    def cols(self) -> NDArray[np.float64]:
        """Where the middles of its columns lie (W,), in cells."""
        return (self.col + 0.5 + np.arange(self.width)) / self.fine

    @property
    def finer(self) -> "Window":
        """The fine pixels of a window of base cells."""
        return Window(self.row * FINE, self.col * FINE, self.height * FINE, self.width * FINE, FINE)


def normals(seed: Seed, row: int, col: int, height: int, width: int) -> Floats:
    """Independent standard normals (height, width), one for each node of an endless lattice."""
    values = np.empty((height, width), dtype=np.float32)
    for top in range(row - row % BLOCK, row + height, BLOCK):
        for left in range(col - col % BLOCK, col + width, BLOCK):
            rng = np.random.default_rng([*seed, top // BLOCK + ORIGIN, left // BLOCK + ORIGIN])
            block = rng.standard_normal((BLOCK, BLOCK), dtype=np.float32)
            first, last = max(row, top), min(row + height, top + BLOCK)
            start, stop = max(col, left), min(col + width, left + BLOCK)
            part = block[first - top : last - top, start - left : stop - left]
            values[first - row : last - row, start - col : stop - col] = part
    return values


def smooth(seed: Seed, window: Window, scale: float) -> Floats:
    """A standard normal field (H, W) whose values are alike over about ``scale`` cells."""
    first_row, rows, down = _spline(window.rows / scale)
    first_col, cols, right = _spline(window.cols / scale)
    nodes = normals(seed, first_row, first_col, rows[-1] + 4, cols[-1] + 4)
    # Sums of single terms, not a matrix product, whose order would depend on the size of the window.
    lines = np.zeros((window.height, nodes.shape[1]), dtype=np.float32)
    for tap in range(4):
        lines += down[tap][:, None] * nodes[rows + tap]
    field = np.zeros((window.height, window.width), dtype=np.float32)
    for tap in range(4):
        field += right[tap] * np.take(lines, cols + tap, axis=1)
    return field


def _spline(position: NDArray[np.float64]) -> tuple[int, NDArray[np.intp], Floats]:
    """First node, first node of each position counted from there (N,), and weights (4, N) of the four from there on."""
    whole = np.floor(position)
    t = position - whole
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3])
    # Between nodes a mean of more of them would vary less.
    weights /= np.sqrt((weights**2).sum(axis=0))
    first = int(whole[0]) - 1
    return first, whole.astype(np.intp) - int(whole[0]), weights.astype(np.float32)


def fractal(seed: Seed, window: Window, scale: float, octaves: int, gain: float = 0.5) -> Floats:
    """A standard normal field (H, W) of several scales: each octave has half the scale of the one before.

    ``gain`` is the ratio of their amplitudes; 0.5 makes a surface of Hurst exponent 1, 0.7 of 0.5.
    """
    amplitudes = gain ** np.arange(octaves)
    amplitudes /= np.sqrt((amplitudes**2).sum())
    field = np.zeros((window.height, window.width), dtype=np.float32)
    for octave, amplitude in enumerate(amplitudes):
        field += np.float32(amplitude) * smooth((*seed, octave), window, scale / 2**octave)
    return field


def upsampled(values: Floats) -> Floats:
    """Fine pixels (FINE H, FINE W) from cells (H + 2, W + 2), the outer ones a margin: linear between their middles."""
    position = (np.arange(FINE) + 0.5) / FINE + 0.5
    whole, part = np.floor(position).astype(int), (position % 1).astype(np.float32)
    height, width = values.shape[0] - 2, values.shape[1] - 2
    lines = np.empty((height, FINE, width + 2), dtype=np.float32)
    for pixel, (cell, share) in enumerate(zip(whole, part, strict=True)):
        lines[:, pixel] = values[cell : cell + height] * (1 - share) + values[cell + 1 : cell + 1 + height] * share
    lines = lines.reshape(height * FINE, width + 2)
    field = np.empty((height * FINE, width, FINE), dtype=np.float32)
    for pixel, (cell, share) in enumerate(zip(whole, part, strict=True)):
        field[:, :, pixel] = lines[:, cell : cell + width] * (1 - share) + lines[:, cell + 1 : cell + 1 + width] * share
    return field.reshape(height * FINE, width * FINE)


def pooled(values: Array) -> Floats:
    """Mean (H, W) over cells of fine pixels (FINE H, FINE W)."""
    height, width = values.shape[0] // FINE, values.shape[1] // FINE
    return np.asarray(values.reshape(height, FINE, width, FINE).mean(axis=(1, 3), dtype=np.float32))
