"""An instrument's pixels, made by fixed tiles: however a window is cut, it holds the same pixels to the last bit."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting

Array = NDArray[Any]


@dataclass(frozen=True)
class Tile:
    """A window of native pixels that is always made as a whole, with the random numbers that belong to it."""

    row: int
    col: int
    height: int
    width: int
    rng: np.random.Generator

    def around(self, halo: int) -> tuple[int, int, int, int]:
        """Row, column, height and width of the tile with ``halo`` pixels on each side."""
        return self.row - halo, self.col - halo, self.height + 2 * halo, self.width + 2 * halo


@dataclass(frozen=True, eq=False)
class Instrument:
    """Reads native pixels of a scene as they are stored.

    Parameters
    ----------
    nesting : how native pixels lie on base cells
    shape : (bands, height, width) of the scene in native pixels
    dtype : of the stored numbers
    side : of a tile, in native pixels
    entropy : what the random numbers depend on, beside the tile's place
    observe : the stored numbers (bands, height, width) of a tile
    """

    nesting: Nesting
    shape: tuple[int, int, int]
    dtype: str
    side: int
    entropy: tuple[int, ...]
    observe: Callable[[Tile], Array]

    def read(self, row: int, col: int, height: int, width: int) -> Array:
        """The stored numbers (bands, height, width) of a window inside the scene, in native pixels."""
        values = np.empty((self.shape[0], height, width), dtype=self.dtype)
        for top in range(row - row % self.side, row + height, self.side):
            for left in range(col - col % self.side, col + width, self.side):
                tile = self._tile(top, left)
                seen = self.observe(tile)
                first, last = max(row, top), min(row + height, top + tile.height)
                start, stop = max(col, left), min(col + width, left + tile.width)
                part = seen[:, first - top : last - top, start - left : stop - left]
                values[:, first - row : last - row, start - col : stop - col] = part
        return values

    def _tile(self, top: int, left: int) -> Tile:
        _, height, width = self.shape
        # Counted from 1: trailing zeros of a seed do not tell it from a shorter one.
        rng = np.random.default_rng([*self.entropy, top // self.side + 1, left // self.side + 1])
        return Tile(top, left, min(self.side, height - top), min(self.side, width - left), rng)


def scene_shape(size: int, nesting: Nesting, bands: int) -> tuple[int, int, int]:
    """Bands, rows and columns of native pixels that cover a square scene of ``size`` base cells."""
    side = size * nesting.fine if nesting.coarse == 1 else -(-size // nesting.coarse)
    return bands, side, side


def pool(values: Array, factor: int) -> Array:
    """Mean (..., H / factor, W / factor) of ``factor`` x ``factor`` pixels; the sides must divide."""
    *bands, height, width = values.shape
    blocks = values.reshape(*bands, height // factor, factor, width // factor, factor)
    return np.asarray(blocks.mean(axis=(-3, -1)))
