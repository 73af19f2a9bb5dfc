"""The ground of a simulated site: what lies in every cell and fine pixel, and the truth that is known of it.

It is made by fixed tiles, so that a window holds the same values however it is cut; a few tiles are kept.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import SurveyError
from outcrop.survey.simulation.cells import Cover, measure
from outcrop.survey.simulation.composition import compositions
from outcrop.survey.simulation.fields import Window
from outcrop.survey.simulation.pixels import FineCover, survey_pixels
from outcrop.survey.simulation.places import Place
from outcrop.survey.simulation.surfaces import FINE, MARGIN
from outcrop.survey.simulation.terrain import CELL_M, make_terrain

#: Base cells along one side of a tile; how many tiles are kept of cells (under 1 MB each) and of fine pixels:
#: windows that follow each other, in a row and below it, share the tiles at their borders.
TILE, KEPT_COVERS, KEPT_FINE = 64, 360, 48
Cut = TypeVar("Cut", Cover, FineCover)
Floats = NDArray[np.float32]


class Ground:
    """A square site of ``size`` x ``size`` base cells.

    Parameters
    ----------
    place : which landscape
    size : base cells along one side
    seed : of all that is random; the same seed gives the same ground, at any date
    years : since the rock was spread (of a farm), or since the first date

    Raises
    ------
    SurveyError : the size or the years are impossible.
    """

    cell_m = CELL_M

    def __init__(self, place: Place, size: int, seed: int, years: float = 0.0) -> None:
        if size < 1:
            raise SurveyError(f"a site of {size} cells cannot be simulated", remedy="choose a size of 1 or more")
        if not 0 <= years < 1000:
            raise SurveyError(f"{years:g} years cannot be simulated", remedy="choose from 0 to 1000")
        self.place, self.size, self.years = place, size, years
        self._seed = (seed, place.specimens)
        self._terrain = make_terrain(place.relief, size, (*self._seed, 1))
        self._compositions = compositions(place)
        self._fine_tile = lru_cache(KEPT_FINE)(self._make_fine)
        self._cover_tile = lru_cache(KEPT_COVERS)(self._make_cover)

    @property
    def elevation(self) -> Floats:
        """Heights (size + 2 MARGIN, size + 2 MARGIN) in metres; the scene's first cell stands at [MARGIN, MARGIN]."""
        return self._terrain.elevation

    def cover(self, row: int, col: int, height: int, width: int) -> Cover:
        """Base cells of a window that may reach MARGIN cells outside the scene."""
        return self._cut(self._cover_tile, row, col, height, width, 1)

    def fine(self, row: int, col: int, height: int, width: int) -> FineCover:
        """Fine pixels, FINE along the side of a cell, of a window in fine pixels; it may reach FINE MARGIN outside."""
        return self._cut(self._fine_tile, row, col, height, width, FINE)

    def _window(self, down: int, right: int) -> Window:
        """The cells of a tile; the last ones are smaller."""
        row, col = down * TILE - MARGIN, right * TILE - MARGIN
        end = self.size + MARGIN
        return Window(row, col, min(TILE, end - row), min(TILE, end - col))

    def _make_fine(self, down: int, right: int) -> FineCover:
        return survey_pixels(self.place, self._terrain, self._seed, self._window(down, right), self.years)

    def _make_cover(self, down: int, right: int) -> Cover:
        window = self._window(down, right)
        return measure(self.place, self._compositions, self._fine_tile(down, right), self._seed, window, self.years)

    def _cut(self, tile: Callable[[int, int], Cut], row: int, col: int, height: int, width: int, fine: int) -> Cut:
        side, first, last = TILE * fine, -MARGIN * fine, (self.size + MARGIN) * fine
        if min(row, col) < first or max(row + height, col + width) > last or min(height, width) < 1:
            raise IndexError(f"the window {row}, {col}, {height}, {width} reaches beyond the margin of the site")
        lines = []
        for down in range((row - first) // side, (row + height - 1 - first) // side + 1):
            rows = _overlap(row, height, down * side + first)
            line = []
            for right in range((col - first) // side, (col + width - 1 - first) // side + 1):
                line.append(_taken(tile(down, right), rows, _overlap(col, width, right * side + first)))
            lines.append(_map(lambda *values: np.concatenate(values, axis=-1), *line))
        return _map(lambda *values: np.concatenate(values, axis=-2), *lines)


def _overlap(start: int, count: int, tile: int) -> slice:
    """What ``count`` pixels from ``start`` on take of a tile that begins at ``tile``."""
    return slice(max(start - tile, 0), start + count - tile)


def _taken(tile: Cut, rows: slice, cols: slice) -> Cut:
    return _map(lambda values: values[..., rows, cols], tile)


def _map(function: Callable[..., Any], *tiles: Cut) -> Cut:
    """Apply a function to each array of tiles, and to each array of their dictionaries."""
    first = tiles[0]
    changed: dict[str, Any] = {}
    for name in (field.name for field in fields(first)):
        values = [getattr(tile, name) for tile in tiles]
        if isinstance(values[0], dict):
            changed[name] = {key: function(*(value[key] for value in values)) for key in values[0]}
        else:
            changed[name] = function(*values)
    return type(first)(**changed)
