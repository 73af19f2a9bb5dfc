"""Light through air and dust: what theory says of it, and the reference spectra that the tables were fitted to."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT
from scipy.integrate import trapezoid

from outcrop.survey.simulation.atmosphere import (
    AIR_MASS,
    OPAQUE,
    REFERENCE_WATER,
    Atmosphere,
    martian,
    planck,
    rayleigh_depth,
    solar_irradiance,
    terrestrial,
)
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
WAVELENGTHS = np.arange(0.38, 2.5, 0.01)
EARTH, MARS = terrestrial(45, haze=0.15, water_cm=1.5), martian(45, dust=0.5)
needs_spectra = pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")


@pytest.fixture
def fits_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts that fit tables are not installed with the packages."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setenv(DATA_VARIABLE, str(RAW))


def test_planck_has_the_known_peak_and_sum() -> None:
    wavelengths = np.linspace(1, 300, 200_000)
    radiance = planck(wavelengths, 288.0)
    assert wavelengths[radiance.argmax()] == pytest.approx(2897.77 / 288, rel=1e-3)
    assert trapezoid(radiance, wavelengths) == pytest.approx(5.670374e-8 * 288**4 / np.pi, rel=2e-3)


def test_molecules_scatter_as_is_known() -> None:
    """0.0973 at 0.55 um and 0.364 at 0.40 um: Bodhaine et al. 1999, table 3 (rounded)."""
    assert rayleigh_depth(np.array([0.55, 0.40])) == pytest.approx([0.0973, 0.364], rel=0.02)


@pytest.mark.parametrize("atmosphere", [EARTH, MARS], ids=["earth", "mars"])
def test_a_perfect_correction_gives_the_ground_back(atmosphere: Atmosphere) -> None:
    found = atmosphere.correct(WAVELENGTHS, atmosphere.misjudged(0, 0))
    clear = found.transmittance > OPAQUE
    assert clear.mean() > 0.9
    assert found.gain[clear] == pytest.approx(1) and found.residual == pytest.approx(0)
    assert found.direct + found.diffuse == pytest.approx(1)
    assert (found.gain <= 1 + 1e-9).all() and (found.transmittance <= 1).all() and (found.path >= 0).all()


def test_water_taken_for_less_than_it_is_leaves_its_bands() -> None:
    gain = EARTH.correct(WAVELENGTHS, EARTH.misjudged(0, -0.1)).gain
    at = {um: gain[np.abs(WAVELENGTHS - um).argmin()] for um in (0.86, 0.94, 1.04, 1.13, 1.24, 2.2)}
    assert at[0.94] < 0.97 and at[1.13] < 0.97
    assert at[0.86] == pytest.approx(1, abs=0.01) and at[1.24] == pytest.approx(1, abs=0.01)


def test_haze_taken_for_more_than_it_is_darkens_what_it_scatters() -> None:
    residual = EARTH.correct(WAVELENGTHS, EARTH.misjudged(0.5, 0)).residual
    visible, infrared = (residual[np.abs(WAVELENGTHS - um) < 0.1].mean() for um in (0.5, 1.6))
    assert (residual <= 0).all() and -0.01 < visible < 2 * infrared < -0.001


def test_the_sky_is_blue_here_and_red_on_mars() -> None:
    blue, red = np.array([0.45]), np.array([0.65])
    assert EARTH.diffuse_share(blue) > 1.5 * EARTH.diffuse_share(red)
    assert MARS.diffuse_share(red) > 1.1 * MARS.diffuse_share(blue)


def test_molecules_send_half_of_what_they_scatter_down() -> None:
    air, blue = terrestrial(60, haze=0.0, water_cm=0.0), np.array([0.42])
    direct = np.exp(-rayleigh_depth(blue) / air.sun)
    diffuse = direct * air.diffuse_share(blue) / (1 - air.diffuse_share(blue))
    assert diffuse / (1 - direct) == pytest.approx(0.5, abs=0.04)


def test_mars_has_less_sun_and_no_water() -> None:
    clear = martian(45, dust=0.0).irradiance(np.array([0.86])) / solar_irradiance(np.array([0.86]))
    assert clear == pytest.approx(np.sin(np.pi / 4) / 1.524**2, rel=0.01)
    found = MARS.correct(np.array([0.94, 1.04, 1.13, 2.01, 2.2]), MARS)
    assert found.transmittance[0] == pytest.approx(found.transmittance[2], rel=0.01)
    assert found.transmittance[3] < 0.8 * found.transmittance[4]


def test_a_low_sun_and_more_haze_mean_less_and_softer_light() -> None:
    low, hazy = terrestrial(15, 0.15, 1.5), terrestrial(45, 0.6, 1.5)
    green = np.array([0.55])
    for other in (low, hazy):
        assert other.irradiance(green) < EARTH.irradiance(green)
        assert other.diffuse_share(green) > EARTH.diffuse_share(green)


@needs_spectra
@pytest.mark.usefixtures("fits_at_hand")
def test_the_sun_is_close_to_a_black_body() -> None:
    from fits.atmosphere import measured

    wavelengths, above, _ = measured(0.4, 2.5)
    ratio = solar_irradiance(wavelengths) / (1000 * above)
    assert np.sqrt(np.mean((ratio - 1) ** 2)) < 0.12 and np.abs(ratio - 1).max() < 0.21


@needs_spectra
@pytest.mark.usefixtures("fits_at_hand")
def test_the_table_of_gases_gives_the_reference_back() -> None:
    from fits.atmosphere import reference

    wavelengths, transmittance = reference()
    air = Atmosphere(90, water_cm=REFERENCE_WATER)
    assert np.sqrt(np.mean((air._gases(wavelengths, AIR_MASS) - transmittance) ** 2)) < 0.01
