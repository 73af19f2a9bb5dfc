"""Measured specimens of an endmember, and how they differ from one another.

What lies between specimens is found in the parameters of their fits where they have one. What differs most from
specimen to specimen is told by three traits: how bright, how red, and how strong in its features a spectrum is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from outcrop.survey.simulation.curves import Curves
from outcrop.survey.simulation.gaussians import Bands

Floats: TypeAlias = NDArray[np.float64]

#: Reflectance of any specimen lies between these.
DARKEST, BRIGHTEST = 0.005, 0.98
#: Wavelengths (um) at which the traits are told, and those at which the contrast of emissivity is.
GRID, THERMAL_GRID = np.linspace(0.4, 2.5, 106), np.linspace(8, 12, 41)
#: Added to the contrast, so that a flat spectrum has a logarithm too.
FAINT = 1e-3


class Measurements(Protocol):
    """Several specimens of one endmember."""

    @property
    def count(self) -> int:
        """Specimens."""

    def log_reflectance(self, weights: Floats, wavelengths_um: Floats) -> Floats:
        """ln R (B,) of what lies between the specimens by weights (count,) that sum to 1."""


@dataclass(frozen=True)
class BandedSpecimens:
    """Specimens as modified Gaussian models of the same bands: what lies between two has its bands between theirs."""

    bands: tuple[Bands, ...]

    @property
    def count(self) -> int:
        """Specimens."""
        return len(self.bands)

    def log_reflectance(self, weights: Floats, wavelengths_um: Floats) -> Floats:
        """ln R (B,)."""
        return self.between(weights).log_reflectance(wavelengths_um)

    def between(self, weights: Floats) -> Bands:
        """The bands that lie between the specimens'; widths are averaged in logarithm."""
        return Bands(
            weights @ np.array([each.continuum for each in self.bands]),
            weights @ np.array([each.centres for each in self.bands]),
            np.exp(weights @ np.log([each.widths for each in self.bands])),
            weights @ np.array([each.strengths for each in self.bands]),
        )


@dataclass(frozen=True)
class SmoothSpecimens:
    """Specimens as curves of ln R."""

    curves: Curves

    @property
    def count(self) -> int:
        """Specimens."""
        return self.curves.count

    def log_reflectance(self, weights: Floats, wavelengths_um: Floats) -> Floats:
        """ln R (B,)."""
        return self.curves.at(weights, wavelengths_um)


@dataclass(frozen=True)
class SampledSpecimens:
    """Specimens as a user's library holds them: reflectance (S, B) at wavelengths (B,), interpolated between them."""

    wavelengths: Floats
    spectra: Floats

    @property
    def count(self) -> int:
        """Specimens."""
        return len(self.spectra)

    def log_reflectance(self, weights: Floats, wavelengths_um: Floats) -> Floats:
        """ln R (B,)."""
        values = weights @ np.log(np.clip(self.spectra, DARKEST, BRIGHTEST))
        return np.asarray(np.interp(wavelengths_um, self.wavelengths, values))


class Traits(NamedTuple):
    """A spectrum's level and slope over ln(wavelength), and the logarithm of its contrast: all of logit R."""

    level: float
    slope: float
    contrast: float


def logit_reflectance(measurements: Measurements, weights: Floats, wavelengths_um: Floats) -> Floats:
    """logit R (B,) of what lies between specimens by weights (count,)."""
    values = np.exp(measurements.log_reflectance(weights, wavelengths_um))
    return np.asarray(logit(np.clip(values, DARKEST, BRIGHTEST)))


def traits(measurements: Measurements, weights: Floats) -> Traits:
    """Level, slope and contrast of what lies between specimens."""
    values = logit_reflectance(measurements, weights, GRID)
    slope, level = np.polyfit(np.log(GRID), values, 1)
    rest = values - level - slope * np.log(GRID)
    return Traits(float(level), float(slope), float(np.log(rest.std() + FAINT)))


def specimen_traits(measurements: Measurements) -> Floats:
    """Level, slope and contrast of each specimen (count, 3)."""
    return np.array([traits(measurements, weights) for weights in np.eye(measurements.count)])


def thermal_contrasts(curves: Curves) -> Floats:
    """Logarithm of each specimen's mean departure -ln(emissivity) from a black body (count, 1)."""
    spectra = [curves.at(weights, THERMAL_GRID) for weights in np.eye(curves.count)]
    return np.array([[np.log(-np.log(np.clip(spectrum, 0.01, 0.999)).mean())] for spectrum in spectra])


def scatter(values: Floats) -> Floats:
    """Sum of the squares and products of deviations from the mean: (count, T) -> (T, T)."""
    deviations = values - values.mean(axis=0)
    return np.asarray(deviations.T @ deviations)


def pooled_covariance(groups: Sequence[Floats]) -> Floats:
    """Covariance (T, T) within groups (count, T): their scatters over their degrees of freedom."""
    return np.asarray(sum(scatter(group) for group in groups)) / sum(len(group) - 1 for group in groups)
