"""Panels: surfaces of which everything is known, to hold instruments against."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.light import Light
from outcrop.survey.simulation.surfaces import FINE, MARGIN

Array = NDArray[np.float32]


def grey(value: float = 0.3) -> Callable[[Array], Array]:
    """A spectrum without features."""
    return lambda wavelengths: np.full(len(wavelengths), value)


@dataclass(frozen=True, eq=False)
class Panel:
    """A scene with one spectrum to the left of column ``edge`` and another from there on, on a relief.

    ``relief`` gives heights in metres of rows and columns in cells.
    """

    size: int = 64
    left: Callable[[Array], Array] = field(default_factory=grey)
    right: Callable[[Array], Array] = field(default_factory=grey)
    edge: float = 1e9
    relief: Callable[[Array, Array], Array] = lambda rows, cols: 0 * rows
    sun: tuple[float, float] = (180.0, 45.0)
    shine: float = 0.95
    inertia: float = 1000.0
    elements: tuple[float, float, float] = (1.0, 4.0, 1.5)
    green: float = 0.0
    cell_m: float = 4.0

    @cached_property
    def elevation(self) -> Array:
        rows, cols = np.mgrid[-MARGIN : self.size + MARGIN, -MARGIN : self.size + MARGIN]
        return self.relief(rows, cols).astype(np.float32)

    @cached_property
    def light(self) -> Light:
        return Light(self.elevation, self.cell_m, *self.sun)

    def reflectance(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Array:
        self._check(row, col, height, width, 1)
        return self._spectra(np.arange(col, col + width) + 0.5, height, wavelengths_um)

    def colours(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Array:
        self._check(row, col, height, width, FINE)
        return self._spectra((np.arange(col, col + width) + 0.5) / FINE, height, wavelengths_um)

    def emissivity(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Array:
        return np.full((len(wavelengths_um), height, width), self.shine, dtype=np.float32)

    def thermal_inertia(self, row: int, col: int, height: int, width: int) -> Array:
        self._check(row, col, height, width, 1)
        return np.full((height, width), self.inertia, dtype=np.float32)

    def radioelements(self, row: int, col: int, height: int, width: int) -> Array:
        self._check(row, col, height, width, 1)
        here = np.arange(col, col + width) < self.edge
        values = np.array(self.elements)[:, None, None] * np.where(here, 1, 0)
        return np.broadcast_to(values, (3, height, width)).astype(np.float32)

    def vegetation(self, row: int, col: int, height: int, width: int) -> Array:
        return np.full((height, width), self.green, dtype=np.float32)

    def _spectra(self, columns: Array, height: int, wavelengths: Array) -> Array:
        left, right = self.left(wavelengths)[:, None, None], self.right(wavelengths)[:, None, None]
        spectra = np.where(columns < self.edge, left, right)
        return np.broadcast_to(spectra, (len(wavelengths), height, len(columns))).astype(np.float32)

    def _check(self, row: int, col: int, height: int, width: int, fine: int) -> None:
        """No instrument may look beyond the margin."""
        least, most = -MARGIN * fine, (self.size + MARGIN) * fine
        assert min(row, col) >= least and max(row + height, col + width) <= most
