"""The modified Gaussian model: its form, and fits that must recover a chosen truth."""

import numpy as np
import pytest

from outcrop.survey.simulation.gaussians import FWHM, Bands, Start, fit, misfit

WAVELENGTHS = np.arange(0.35, 2.5, 0.004)
TRUTH = Bands(
    np.array([-0.3, -0.15]),
    np.array([0.25, 0.86, 1.05, 2.32]),
    np.array([0.30, 0.20, 0.26, 0.05]),
    np.array([0.8, 0.3, 0.7, 0.2]),
)
STARTS = (Start(0.25, 0.3, 0.01), Start(0.84, 0.22, 0.02), Start(1.03, 0.24, 0.02), Start(2.31, 0.06, 0.012))


def test_a_band_is_a_modified_gaussian_of_energy_on_a_continuum_straight_in_energy() -> None:
    energy = 1 / WAVELENGTHS
    centre, sigma = 1 / 1.05, 0.26 / FWHM
    expected = -0.3 - 0.15 * energy - 0.7 * np.exp(-((energy**-1 - centre**-1) ** 2) / (2 * sigma**2))
    band = Bands(TRUTH.continuum, np.array([1.05]), np.array([0.26]), np.array([0.7]))
    np.testing.assert_allclose(band.log_reflectance(WAVELENGTHS), expected, rtol=1e-12)


def test_the_width_is_the_full_width_at_half_depth() -> None:
    band = Bands(np.zeros(2), np.array([1.0]), np.array([0.2]), np.array([0.6]))
    np.testing.assert_allclose(band.log_reflectance(np.array([0.9, 1.0, 1.1])), [-0.3, -0.6, -0.3])


def test_a_fit_recovers_the_truth() -> None:
    found = fit(WAVELENGTHS, np.exp(TRUTH.log_reflectance(WAVELENGTHS)), STARTS)
    np.testing.assert_allclose(found.centres[1:], TRUTH.centres[1:], atol=0.006)
    np.testing.assert_allclose(found.widths[1:], TRUTH.widths[1:], rtol=0.06)
    np.testing.assert_allclose(found.strengths[1:], TRUTH.strengths[1:], rtol=0.1)


@pytest.mark.parametrize("noise", [0.002, 0.01])
def test_a_fit_leaves_no_more_than_the_noise(noise: float) -> None:
    clean = np.exp(TRUTH.log_reflectance(WAVELENGTHS))
    noisy = clean + np.random.default_rng(2).normal(0, noise, clean.shape)
    found = fit(WAVELENGTHS, noisy, STARTS)
    assert misfit(np.exp(found.log_reflectance(WAVELENGTHS)), clean).rmse < 0.5 * noise


def test_a_band_that_is_not_there_keeps_its_place_and_loses_its_strength() -> None:
    absent = Start(1.9, 0.1, 0.012)
    found = fit(WAVELENGTHS, np.exp(TRUTH.log_reflectance(WAVELENGTHS)), (*STARTS, absent))
    assert found.centres[-1] == pytest.approx(absent.centre, abs=absent.tolerance)
    assert 0 <= found.strengths[-1] < 0.002


def test_the_misfit() -> None:
    measured = np.array([0.3, 0.4])
    assert misfit(measured, measured).rmse == 0
    assert misfit(2 * measured, measured).angle == pytest.approx(0, abs=1e-7)
    assert misfit(np.array([0.4, 0.3]), measured) == pytest.approx((0.1, np.arcsin(0.28)))
