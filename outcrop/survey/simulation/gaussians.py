"""The modified Gaussian model of reflectance spectra: a continuum and absorption bands, and its fit.

Sunshine et al. 1990 (doi:10.1029/JB095iB05p06955): ln R = c0 + c1 x - sum_k s_k exp(-(x^-1 - mu_k^-1)^2 / 2 sigma_k^2),
where x is the energy of light. Here x is the wavenumber, so x^-1 is the wavelength: bands are Gaussians in wavelength
on a continuum that is straight in energy. Centres mu^-1, widths and wavelengths are given in micrometres.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

Floats: TypeAlias = NDArray[np.float64]

#: Full width at half maximum of a Gaussian, in standard deviations.
FWHM = float(np.sqrt(8 * np.log(2)))
#: A misfit counts in units of this much reflectance, plus this share of it: dark minerals are fitted as well as bright.
ABSOLUTE, RELATIVE = 0.005, 0.02
#: How far a band's logarithmic width strays from where it starts: one standard deviation, and the bound.
WIDTH_TOLERANCE, WIDTH_BOUND = 0.2, np.log(2)
#: Bounds and prior deviations of the continuum and of the strengths, weak enough to let the spectrum speak.
INTERCEPT, SLOPE, STRENGTH = 3.0, 1.5, 8.0
#: Every band starts with this strength: at none the centre and width would have no slope to follow.
FIRST_STRENGTH = 0.05


class Start(NamedTuple):
    """Where a band is sought: its centre, how far that may stray (standard deviation), and full width (all um)."""

    centre: float
    width: float
    tolerance: float


@dataclass(frozen=True)
class Bands:
    """The parameters of one spectrum.

    Parameters
    ----------
    continuum : (2,) natural logarithm of reflectance extrapolated to no energy, and its change per 1/um
    centres, widths : (K,) centres and full widths at half maximum (um)
    strengths : (K,) depths in natural logarithm, >= 0
    """

    continuum: Floats
    centres: Floats
    widths: Floats
    strengths: Floats

    def log_reflectance(self, wavelengths_um: Floats) -> Floats:
        """ln R (B,) at wavelengths (B,)."""
        wavelengths = np.asarray(wavelengths_um, dtype=np.float64)
        shapes = np.exp(-0.5 * (FWHM * (wavelengths[:, None] - self.centres) / self.widths) ** 2)
        return np.asarray(self.continuum[0] + self.continuum[1] / wavelengths - shapes @ self.strengths)


class Misfit(NamedTuple):
    """Root mean square of the differences in reflectance, and the spectral angle (rad)."""

    rmse: float
    angle: float


def misfit(fitted: Floats, measured: Floats) -> Misfit:
    """How far a reflectance (B,) is from a measured one."""
    cosine = float(fitted @ measured / (np.linalg.norm(fitted) * np.linalg.norm(measured)))
    return Misfit(float(np.sqrt(np.mean((fitted - measured) ** 2))), float(np.arccos(min(cosine, 1.0))))


def fit(wavelengths_um: Floats, reflectance: Floats, starts: Sequence[Start]) -> Bands:
    """The bands that explain a spectrum best, each near where it is sought.

    The starts are a prior as well (Tarantola & Valette 1982, doi:10.1029/RG020i002p00219), as in Sunshine et al.: a
    band that the spectrum does not show keeps its place and width and loses its strength.

    Parameters
    ----------
    wavelengths_um, reflectance : (B,) without gaps, 0-1
    """
    wavelengths = np.asarray(wavelengths_um, dtype=np.float64)
    target = np.asarray(reflectance, dtype=np.float64)
    scale = ABSOLUTE + RELATIVE * target
    prior = _prior(float(np.log(np.percentile(target, 95))), starts)

    def residuals(values: Floats) -> Floats:
        fitted = np.exp(_unpack(values).log_reflectance(wavelengths))
        return np.concatenate([(fitted - target) / scale, (values - prior.mean) / prior.deviation])

    def jacobian(values: Floats) -> Floats:
        fitted = np.exp(_unpack(values).log_reflectance(wavelengths))
        slopes = _slopes(_unpack(values), wavelengths) * (fitted / scale)[:, None]
        return np.concatenate([slopes, np.diag(1 / prior.deviation)])

    first = prior.mean.copy()
    first[2 + 2 * len(starts) :] = FIRST_STRENGTH
    bounds = (prior.lower, prior.upper)
    found = least_squares(residuals, first, jacobian, bounds=bounds, x_scale=prior.deviation, max_nfev=300)
    return _unpack(found.x)


class _Prior(NamedTuple):
    """Of the parameters in the order of `_unpack`, (2 + 3 K,) each."""

    mean: Floats
    deviation: Floats
    lower: Floats
    upper: Floats


def _prior(level: float, starts: Sequence[Start]) -> _Prior:
    centres, widths, tolerances = (np.array(column) for column in zip(*starts, strict=True))
    none, ones = np.zeros(len(starts)), np.ones(len(starts))
    continuum = np.array([INTERCEPT, SLOPE])
    mean = np.concatenate([[level, 0], centres, np.log(widths), none])
    deviation = np.concatenate([continuum, tolerances, WIDTH_TOLERANCE * ones, STRENGTH * ones])
    reach = np.concatenate([continuum, 3 * tolerances, WIDTH_BOUND * ones, STRENGTH * ones])
    lower = mean - reach
    lower[-len(starts) :] = 0
    return _Prior(mean, deviation, lower, mean + reach)


def _unpack(values: Floats) -> Bands:
    """Continuum (2), centres (K), logarithms of widths (K), strengths (K)."""
    centres, widths, strengths = values[2:].reshape(3, -1)
    return Bands(values[:2], centres, np.exp(widths), strengths)


def _slopes(bands: Bands, wavelengths: Floats) -> Floats:
    """Derivatives of ln R by the parameters in the order of `_unpack`: (B, 2 + 3 K)."""
    sharpness = FWHM / bands.widths
    offset = (wavelengths[:, None] - bands.centres) * sharpness
    shape = np.exp(-0.5 * offset**2)
    pull = -bands.strengths * shape * offset
    return np.column_stack(
        [np.ones_like(wavelengths), 1 / wavelengths, pull * sharpness, pull * offset, -shape],
    )
