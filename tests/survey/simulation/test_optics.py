"""Point spreads have the stated width, keep what they blur, and do not depend on how a window is cut."""

import numpy as np
import pytest

from outcrop.survey.simulation.optics import gamma_footprint, gaussian


@pytest.mark.parametrize("fwhm", [1.2, 1.4, 2.0, 3.5])
def test_a_step_spreads_over_the_stated_width(fwhm: float) -> None:
    """The slope of a blurred step is the line spread; its second moment gives the full width at half maximum."""
    spread = gaussian(fwhm)
    step = np.where(np.arange(80) < 40, 0.0, 1.0)[None].repeat(80, axis=0)
    line = np.diff(spread.blur(step)[5])
    position = np.arange(len(line))
    middle = (position * line).sum() / line.sum()
    sigma = np.sqrt((((position - middle) ** 2) * line).sum() / line.sum())
    assert 2.3548 * sigma == pytest.approx(fwhm, rel=0.05)


@pytest.mark.parametrize("spread", [gaussian(2.2), gamma_footprint(15, 4, 8)], ids=["gaussian", "gamma"])
def test_what_is_blurred_stays_in_sum(spread) -> None:  # type: ignore[no-untyped-def]
    window = np.random.default_rng(1).random((2, 60, 60), dtype=np.float32)
    assert spread.blur(np.full((60, 60), 3.0)) == pytest.approx(3.0, rel=1e-5)
    point = np.zeros((60, 60), np.float32)
    point[30, 30] = 1
    assert spread.blur(point).sum() == pytest.approx(1.0, rel=1e-5)
    assert spread.blur(window).shape == (2, 60 - 2 * spread.halo, 60 - 2 * spread.halo)


def test_a_window_is_blurred_as_part_of_a_larger_one() -> None:
    window, spread = np.random.default_rng(1).random((3, 50, 60), dtype=np.float32), gaussian(2.0)
    whole = spread.blur(window)
    part = spread.blur(window[:, 7:39, 11:44])
    assert np.array_equal(part, whole[:, 7 : 7 + part.shape[1], 11 : 11 + part.shape[2]])


def test_the_share_of_gamma_rays_from_within_a_radius() -> None:
    """Without air the integral over an infinite plane is known: 1 - h / sqrt(h^2 + r^2)."""
    kernel = gamma_footprint(20, 1.0, 200, attenuation=0.0).kernel
    distance = np.hypot(*np.mgrid[-200:201, -200:201])
    shares = [kernel[distance < radius].sum() / kernel[distance < 199].sum() for radius in (20, 60)]
    known = [(1 - 20 / np.hypot(20, radius)) / (1 - 20 / np.hypot(20, 199)) for radius in (20, 60)]
    assert shares == pytest.approx(known, rel=0.01)


def test_a_higher_detector_sees_farther() -> None:
    low, high = (gamma_footprint(height, 4.0, 12).kernel[12, 12] for height in (8, 30))
    assert low > 3 * high
