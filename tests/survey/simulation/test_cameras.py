"""Cameras: fits against measured sensitivities, few wavelengths against many, and the numbers that light becomes."""

import os
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.simulation.atmosphere import terrestrial
from outcrop.survey.simulation.cameras import DENSE_UM, WAVELENGTHS_UM, camera, develop, sampling
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
LIGHT = terrestrial(45, 0.1, 1.5).irradiance(DENSE_UM)
GREEN_HUMP, RED_EDGE = np.exp(-0.5 * ((DENSE_UM - 0.55) / 0.03) ** 2), 1 / (1 + np.exp(-(DENSE_UM - 0.715) / 0.01))
#: Spectra as steep as the ground has them.
STEEP = {
    "iron oxide": 0.05 + 0.3 / (1 + np.exp(-(DENSE_UM - 0.57) / 0.02)),
    "leaf": 0.04 + 0.08 * GREEN_HUMP + 0.4 * RED_EDGE,
}


@pytest.fixture
def fits_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scripts that fit tables are not installed with the packages."""
    monkeypatch.syspath_prepend(str(PROJECT))
    monkeypatch.setenv(DATA_VARIABLE, str(RAW))


def test_an_unknown_camera_is_named_with_those_known() -> None:
    with pytest.raises(SurveyError, match="the camera `Box Brownie` is not known; choose one of these: Hasselblad_L1D"):
        camera("Box Brownie")


def test_channels_stand_where_colours_are() -> None:
    red, green, blue = camera("Hasselblad_L1D-20c").sensitivity(DENSE_UM) @ DENSE_UM
    weights = camera("Hasselblad_L1D-20c").sensitivity(DENSE_UM).sum(axis=1)
    assert 0.58 < red / weights[0] < 0.63 and 0.51 < green / weights[1] < 0.56 and 0.44 < blue / weights[2] < 0.49


@pytest.mark.parametrize("spectrum", STEEP.values(), ids=STEEP)
def test_nine_wavelengths_do_for_steep_colours(spectrum: np.ndarray) -> None:
    """Against all wavelengths, relative to the brightest channel; 3 % is one or two digital numbers."""
    response = camera("Nikon_D5100").sensitivity(DENSE_UM)
    white = (response * LIGHT).sum(axis=1)
    exact = (response * LIGHT) @ spectrum / white
    sampled = sampling(response, LIGHT) @ np.interp(WAVELENGTHS_UM, DENSE_UM, spectrum) / white
    assert sampled == pytest.approx(exact, abs=0.03 * exact.max())
    assert sampling(response, LIGHT).sum(axis=1) == pytest.approx(white, rel=1e-5)


def test_electrons_scatter_as_their_number_and_the_electronics_do() -> None:
    rng = np.random.default_rng(0)
    for light in (0.02, 0.3):
        exposure = np.full((3, 300, 300), light, np.float32)
        shown = develop(exposure, rng.standard_normal(exposure.shape, dtype=np.float32), 1500.0, 8.0).astype(float)
        found = (shown / 255) ** 2.2
        assert found.mean() == pytest.approx(light, rel=0.02)
        assert found.std() == pytest.approx(np.sqrt(1500 * light + 64) / 1500, rel=0.03)


def test_dark_is_no_gap_and_bright_is_full() -> None:
    shown = develop(np.array([[[-0.1, 0.0, 1.0, 5.0]]], np.float32), np.zeros((1, 1, 4), np.float32), 1e4, 5.0)
    assert shown.ravel().tolist() == [1, 1, 255, 255]


@pytest.mark.usefixtures("fits_at_hand")
@pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_the_table_gives_measured_sensitivities_back() -> None:
    from fits.cameras import NAMES, measured

    curves = measured()
    assert len(NAMES) == 8
    for name, (wavelengths, values) in curves.items():
        misfit = camera(name).sensitivity(wavelengths) - values
        assert (np.sqrt((misfit**2).mean(axis=1)) / values.max(axis=1)).max() < 0.03
