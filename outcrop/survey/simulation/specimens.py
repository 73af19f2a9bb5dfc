"""Specimens of the endmembers, drawn from the measured ones: what a site's minerals look like.

No two olivines are alike. A draw lies between the measured specimens, in the parameters of their fits, and departs from
there in brightness, slope and contrast as specimens do. Where few were measured (wollastonite, magnesite), most of that
is learnt from the other minerals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from outcrop.survey.simulation.curves import Curves
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.measurements import (
    BRIGHTEST,
    DARKEST,
    GRID,
    Measurements,
    logit_reflectance,
    scatter,
    specimen_traits,
    thermal_contrasts,
    traits,
)

Floats: TypeAlias = NDArray[np.float64]

#: Emissivity of any specimen lies between these.
LEAST_EMISSIVE, MOST_EMISSIVE = 0.05, 0.995
#: The pooled variability counts as this many specimens beside a mineral's own.
PRIOR_SPECIMENS = 4
#: A draw departs by no more than this many standard deviations.
FARTHEST = 2.0


@dataclass(frozen=True)
class Specimen:
    """One specimen of one endmember: between the measured ones by ``weights``, with ``departure`` from there."""

    measurements: Measurements
    weights: Floats
    departure: Floats

    def reflectance(self, wavelengths_um: Floats) -> Floats:
        """Reflectance (B,), 0-1."""
        excess = max(float(self._departed(GRID).max() - logit(BRIGHTEST)), 0.0)
        return np.asarray(np.clip(expit(self._departed(wavelengths_um) - excess), DARKEST, BRIGHTEST))

    def _departed(self, wavelengths: Floats) -> Floats:
        level, slope, _ = traits(self.measurements, self.weights)
        x = np.log(wavelengths)
        rest = logit_reflectance(self.measurements, self.weights, wavelengths) - level - slope * x
        brighter, steeper, stronger = self.departure
        return np.asarray(level + brighter + (slope + steeper) * x + np.exp(stronger) * rest)


@dataclass(frozen=True)
class Emitter:
    """The thermal spectrum of one specimen: what lies between measured ones, raised to the power ``contrast``."""

    curves: Curves
    weights: Floats
    contrast: float

    def emissivity(self, wavelengths_um: Floats) -> Floats:
        """Emissivity (B,), 0-1."""
        between = np.clip(self.curves.at(self.weights, wavelengths_um), LEAST_EMISSIVE, MOST_EMISSIVE)
        return np.asarray(between**self.contrast)


@dataclass(frozen=True)
class Specimens:
    """One specimen of every endmember, in the order of `ENDMEMBERS`."""

    reflecting: tuple[Specimen, ...]
    emitting: tuple[Emitter, ...]

    def reflectance(self, wavelengths_um: NDArray[np.floating]) -> NDArray[np.float32]:
        """Reflectance (E, B) at 0.35-2.5 um, relative to a perfect diffuser, of powders as fine as `MEASURED` has them.

        Plants are single leaves or litter.
        """
        wavelengths = np.asarray(wavelengths_um, dtype=np.float64)
        return np.array([each.reflectance(wavelengths) for each in self.reflecting], dtype=np.float32)

    def emissivity(self, wavelengths_um: NDArray[np.floating]) -> NDArray[np.float32]:
        """Emissivity (E, B) at 7-14.5 um of grains of about 100 um, of clays as fine as they were measured."""
        wavelengths = np.asarray(wavelengths_um, dtype=np.float64)
        return np.array([each.emissivity(wavelengths) for each in self.emitting], dtype=np.float32)


@dataclass(frozen=True)
class Library:
    """Measured specimens of every endmember.

    Parameters
    ----------
    reflecting, emitting : by the names of `ENDMEMBERS`
    spread : (3, 3) covariance of `Traits` within a mineral, pooled over minerals
    contrast_spread : (1, 1) variance of `thermal_contrasts` within a mineral, pooled
    notes : what a reader should know: which endmembers a user's library did not hold
    """

    reflecting: Mapping[str, Measurements]
    emitting: Mapping[str, Curves]
    spread: Floats
    contrast_spread: Floats
    notes: tuple[str, ...] = ()

    def draw(self, rng: np.random.Generator) -> Specimens:
        """One plausible specimen of every endmember. What is drawn of one does not depend on how many others have."""
        streams = [np.random.default_rng(seed) for seed in rng.integers(2**63, size=len(ENDMEMBERS))]
        named = list(zip(ENDMEMBERS, streams, strict=True))
        return Specimens(
            tuple(self._draw_reflecting(name, stream) for name, stream in named),
            tuple(self._draw_emitting(name, stream) for name, stream in named),
        )

    @cached_property
    def _traits(self) -> dict[str, Floats]:
        return {name: specimen_traits(measurements) for name, measurements in self.reflecting.items()}

    @cached_property
    def _contrasts(self) -> dict[str, Floats]:
        return {name: thermal_contrasts(curves) for name, curves in self.emitting.items()}

    def _draw_reflecting(self, name: str, rng: np.random.Generator) -> Specimen:
        weights, departure = _between_and_beyond(self._traits[name], self.spread, rng)
        return Specimen(self.reflecting[name], weights, departure)

    def _draw_emitting(self, name: str, rng: np.random.Generator) -> Emitter:
        weights, departure = _between_and_beyond(self._contrasts[name], self.contrast_spread, rng)
        return Emitter(self.emitting[name], weights, float(np.exp(departure[0])))


def _between_and_beyond(own: Floats, pooled: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """A smoothed bootstrap: weights (count,) between the specimens, and a departure (T,) of their traits (count, T).

    Dirichlet weights with parameters that sum to 1 carry half of the specimens' covariance (Rubin 1981,
    doi:10.1214/aos/1176345338, is the case where they sum to count); a Gaussian kernel carries the rest. The covariance
    is the specimens' own, shrunk towards the pooled one.
    """
    count, number = own.shape
    weights = rng.dirichlet(np.full(count, 1 / count))
    covariance = (scatter(own) + PRIOR_SPECIMENS * pooled) / (count - 1 + PRIOR_SPECIMENS)
    rest = 1 - (count - 1) / (2 * count)
    steps = np.clip(rng.standard_normal(number), -FARTHEST, FARTHEST)
    return weights, np.linalg.cholesky(rest * covariance) @ steps
