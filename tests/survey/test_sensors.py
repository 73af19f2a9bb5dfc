"""The table of sensors: what must hold of every band, and what real measurements say of the figures."""

import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import PROJECT

from outcrop.errors import SurveyError
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.surveys import DATA_VARIABLE

RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
#: By sensor: its bands, the lowest and the highest centre in micrometres.
SENSORS = {
    "aster": (14, 0.56, 11.3),
    "aviris": (224, 0.37049, 2.50759),
    "landsat8_oli": (8, 0.44296, 2.20073),
    "landsat8_oli_l2": (7, 0.44296, 2.20073),
    "neon_ais_idtrees": (369, 0.38353, 2.47684),
    "sentinel2": (13, 0.4427, 2.2024),
    "sentinel2_l2a": (12, 0.4427, 2.2024),
}


@pytest.mark.parametrize("sensor", SENSORS)
def test_bands_have_names_centres_and_widths_in_micrometres(sensor: str) -> None:
    bands = sensor_bands(sensor)
    centres = [band.centre_um for band in bands]
    assert (len(bands), min(centres), max(centres)) == SENSORS[sensor]
    assert len({band.name for band in bands}) == len(bands)
    assert all(0.004 < band.fwhm_um < 0.75 for band in bands)


def test_an_unknown_sensor_is_told_with_those_that_are_known() -> None:
    with pytest.raises(SurveyError, match=f"`hubble` is not known, only {', '.join(SENSORS)}; use one of these"):
        sensor_bands("hubble")


@pytest.mark.parametrize(
    ("product", "whole", "left_out"),
    [("sentinel2_l2a", "sentinel2", "B10"), ("landsat8_oli_l2", "landsat8_oli", "B09")],
)
def test_a_surface_product_lacks_the_cirrus_band(product: str, whole: str, left_out: str) -> None:
    assert sensor_bands(product) == tuple(band for band in sensor_bands(whole) if band.name != left_out)


def test_the_idtrees_bands_are_even_but_for_the_two_water_bands() -> None:
    bands = sensor_bands("neon_ais_idtrees")
    centres = np.array([band.centre_um for band in bands])
    steps = np.diff(centres)
    (gaps,) = np.nonzero(steps > 0.006)
    np.testing.assert_allclose(np.delete(steps, gaps), 0.005008, atol=2e-5)
    assert [bands[i].name for i in gaps] == ["b192", "b283"]
    np.testing.assert_allclose(centres[gaps], [1.340, 1.796], atol=0.001)
    np.testing.assert_allclose(centres[gaps + 1], [1.435, 1.961], atol=0.001)


@pytest.mark.skipif(not (RAW / "neon").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_real_leaves_show_their_features_at_the_idtrees_wavelengths() -> None:
    centres = np.array([band.centre_um for band in sensor_bands("neon_ais_idtrees")])
    cubes = [rasterio.open(path).read() for path in sorted((RAW / "neon/HSI").glob("*.tif"))[::8]]
    pixels = np.concatenate([cube.reshape(len(centres), -1) for cube in cubes], axis=1).astype(float)
    red, infrared = pixels[np.searchsorted(centres, [0.67, 0.86])]
    leaves = pixels[:, (infrared - red) > 0.6 * (infrared + red)].mean(axis=1)

    def within(low: float, high: float) -> np.ndarray:
        return np.flatnonzero((centres > low) & (centres < high))

    jumps = np.abs(np.diff(np.log(leaves)))
    assert set(np.argsort(jumps)[-2:]) == {191, 264}  # the last bands before the gaps
    green, trough = within(0.5, 0.6), within(0.6, 0.72)
    assert centres[green][leaves[green].argmax()] == pytest.approx(0.555, abs=0.008)
    assert centres[trough][leaves[trough].argmin()] == pytest.approx(0.674, abs=0.008)
    edge = within(0.68, 0.78)[:-1]
    assert centres[edge][np.diff(leaves)[edge].argmax()] == pytest.approx(0.718, abs=0.012)


@pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_the_oli_bands_are_those_of_its_measured_responses() -> None:
    curves = defaultdict(list)
    for line in (RAW / "spectra/srf.csv").read_text().splitlines():
        if line.startswith("Landsat8_OLI"):
            _, band, wavelength, response = line.split(",")
            curves[f"B{int(band):02d}"].append((float(wavelength), float(response)))
    for band in sensor_bands("landsat8_oli_l2"):
        wavelength, response = np.array(curves[band.name]).T
        inside = wavelength[response >= response.max() / 2]
        assert band.centre_um == pytest.approx((inside[0] + inside[-1]) / 2, abs=0.002)
        assert band.fwhm_um == pytest.approx(inside[-1] - inside[0], abs=0.002)
