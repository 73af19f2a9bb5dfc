"""Mineral fractions of the units: Dirichlet around a unit's mean at a place, alike in neighbouring cells.

A Dirichlet variate is a set of gamma variates made to sum to 1. Each endmember has one standard normal field; the gamma
quantile of its probability gives the variate of whichever unit lies there, so that marginals are exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincinv, ndtr

from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.fields import Seed, Window, fractal, normals
from outcrop.survey.simulation.places import Place, mean_composition
from outcrop.survey.simulation.units import UNITS, units

#: Normal scores between which gamma quantiles are tabulated, and how finely.
REACH, STEPS = 4.5, 288
#: Distance (cells) over which fractions are alike, and the share of their variance that is.
SCALE, ALIKE = 9.0, 0.7
Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Compositions:
    """Gamma quantiles (units, E, `STEPS` + 1) of a place's units at even steps of normal scores."""

    quantiles: Floats

    def draw(self, present: NDArray[np.uint8], seed: Seed, cells: Window) -> Floats:
        """Volume fractions (L, E, H, W), summing to 1 over E, of the units ``present`` (L, H, W)."""
        fractions = np.zeros((len(present), len(ENDMEMBERS), cells.height, cells.width), dtype=np.float32)
        for endmember in range(len(ENDMEMBERS)):
            field = np.float32(np.sqrt(ALIKE)) * fractal((*seed, endmember, 0), cells, SCALE, 2)
            chance = normals((*seed, endmember, 1), cells.row, cells.col, cells.height, cells.width)
            field += np.float32(np.sqrt(1 - ALIKE)) * chance
            position = np.clip((field / np.float32(2 * REACH) + np.float32(0.5)) * STEPS, 0, STEPS - 1e-3)
            step = position.astype(np.intp)
            part = position - step
            table = self.quantiles[:, endmember]
            low, high = table[present, step], table[present, step + 1]
            fractions[:, endmember] = low + part * (high - low)
        total = np.zeros_like(fractions[:, 0])
        for endmember in range(len(ENDMEMBERS)):
            total += fractions[:, endmember]
        return fractions / total[:, None]


def compositions(place: Place) -> Compositions:
    """The tables of a place."""
    probability = ndtr(np.linspace(-REACH, REACH, STEPS + 1))
    quantiles = np.zeros((len(UNITS), len(ENDMEMBERS), STEPS + 1), dtype=np.float32)
    for value, name in enumerate(UNITS):
        shapes = units()[name].concentration * mean_composition(place, name)
        for endmember in np.flatnonzero(shapes):
            quantiles[value, endmember] = gammaincinv(shapes[endmember], probability)
        # A variate too small for a float must not leave a cell without any minerals.
        quantiles[value, int(shapes.argmax())] += np.float32(1e-6)
    return Compositions(quantiles)
