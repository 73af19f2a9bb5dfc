"""Smooth spectra as a mean and few components, each given by its values at knots: for plants, soil and emissivity.

Plants and soil are no sums of a few Gaussian bands; their spectra vary along few directions instead (Price 1990,
doi:10.1016/0034-4257(90)90049-I). A spectrum is mean + scores x components, interpolated by a natural cubic spline.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

Floats: TypeAlias = NDArray[np.float64]

#: Weight of the squared second differences between knots against the squared misfits of a spectrum: it carries a
#: spectrum over gaps and past its ends, and leaves the rest alone.
ROUGHNESS = 1e-3


@dataclass(frozen=True)
class Curves:
    """Spectra of several specimens.

    Parameters
    ----------
    knots : (N,) um
    mean : (N,) values at the knots, in whatever quantity was fitted
    components : (K, N)
    scores : (S, K), one row a specimen
    """

    knots: Floats
    mean: Floats
    components: Floats
    scores: Floats

    @property
    def count(self) -> int:
        """Specimens."""
        return len(self.scores)

    def at(self, weights: Floats, wavelengths_um: Floats) -> Floats:
        """The curve (B,) whose scores are the specimens' by weights (S,); beyond the end knots it stays constant."""
        values = self.mean + (weights @ self.scores) @ self.components
        wavelengths = np.clip(wavelengths_um, self.knots[0], self.knots[-1])
        return np.asarray(CubicSpline(self.knots, values, bc_type="natural")(wavelengths))


def fit_knots(wavelengths_um: Floats, values: Floats, knots: Floats) -> Floats:
    """Values at the knots (N,) of the spline that fits a spectrum (B,), NaN where there is none, best."""
    known = np.isfinite(values)
    design = CubicSpline(knots, np.eye(len(knots)), bc_type="natural")(wavelengths_um[known])
    penalty = np.sqrt(ROUGHNESS) * np.diff(np.eye(len(knots)), 2, axis=0)
    target = np.concatenate([values[known], np.zeros(len(penalty))])
    return np.asarray(np.linalg.lstsq(np.concatenate([design, penalty]), target, rcond=None)[0])


def fit_curves(wavelengths_um: Floats, spectra: Floats, knots: Floats, components: int) -> Curves:
    """The mean and the principal components of spectra (S, B), fewer where there are fewer specimens.

    Parameters
    ----------
    components : at most this many are kept
    """
    values = np.array([fit_knots(wavelengths_um, spectrum, knots) for spectrum in spectra])
    mean = values.mean(axis=0)
    scores, scale, axes = np.linalg.svd(values - mean, full_matrices=False)
    kept = min(components, len(spectra) - 1)
    return Curves(knots, mean, axes[:kept], scores[:, :kept] * scale[:kept])
