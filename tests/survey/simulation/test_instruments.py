"""All instruments over panels of known truth: what goes in comes out, within the noise that is stated."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from panels import Panel, grey

from outcrop.survey.rasters import PIECE
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.simulation import gammarays, imagers, rangers, thermometers
from outcrop.survey.simulation.atmosphere import Atmosphere, martian, terrestrial
from outcrop.survey.simulation.cameras import camera
from outcrop.survey.simulation.instruments import MODALITIES, Campaign, campaign, instruments
from outcrop.survey.simulation.places import load_places
from outcrop.survey.simulation.surfaces import Surface
from outcrop.survey.simulation.thermometers import martian_weather, terrestrial_weather
from outcrop.survey.simulation.tiles import Instrument

EARTH, MARS = terrestrial(45, 0.1, 1.5), martian(45, 0.5)
HILLS = Panel(size=37, relief=lambda rows, cols: 12 * np.sin(rows / 5) * np.cos(cols / 6))


FLOWN = Campaign(EARTH, terrestrial_weather(285), (0.2, 0.05), camera("Sony_ILCE-7RM2"), (1.0, 1.0, 1.0), white=0.9)


def over(surface: Surface, seed: int = 5, **changes: object) -> dict[str, Instrument]:
    return instruments(surface, replace(FLOWN, **changes), (seed, 1))


def whole(instrument: Instrument) -> NDArray[np.float64]:
    return instrument.read(0, 0, *instrument.shape[1:]).astype(float)


def fingerprint() -> list[int]:
    return [crc32(whole(instrument).tobytes()) for instrument in over(HILLS).values()]


@pytest.fixture
def faultless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Corrections and calibrations without error; noise stays."""
    monkeypatch.setattr(imagers, "CALIBRATION_ERROR", 0.0)
    monkeypatch.setattr(imagers, "WORST", 0.0)


@pytest.mark.parametrize("modality", MODALITIES)
def test_however_a_window_is_cut_it_holds_the_same_pixels(modality: str) -> None:
    instrument = replace(over(HILLS)[modality], side=16)
    scene = instrument.read(0, 0, *instrument.shape[1:])
    assert scene.shape == instrument.shape and scene.dtype == instrument.dtype
    height, width = instrument.shape[1:]
    for row, col, rows, cols in ((0, 0, 1, 1), (3, 1, height - 4, width - 2), (height - 2, width - 3, 2, 3)):
        part = instrument.read(row, col, rows, cols)
        assert np.array_equal(part, scene[:, row : row + rows, col : col + cols])


def test_windows_by_which_rasters_are_written_are_whole_tiles() -> None:
    """Otherwise tiles would be made more than once."""
    assert all(PIECE % instrument.side == 0 for instrument in over(HILLS).values())


def test_two_processes_give_the_same_bytes() -> None:
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {here!r}); from test_instruments import fingerprint; print(fingerprint())"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert found.strip() == str(fingerprint())


def test_another_seed_is_other_noise_and_so_is_another_instrument() -> None:
    here, there = over(HILLS), over(HILLS, seed=6)
    for modality in MODALITIES:
        assert (whole(here[modality]) != whole(there[modality])).mean() > 0.2
    assert len({instrument.entropy for instrument in here.values()}) == len(MODALITIES)


def test_stored_numbers_are_never_those_of_no_data() -> None:
    bright = replace(HILLS, left=grey(1.0))
    for surface in (HILLS, bright, replace(HILLS, left=grey(0.0))):
        seen = over(surface)
        assert whole(seen["rgb"]).min() >= 1
        assert all(whole(seen[modality]).max() <= 15_000 for modality in ("hyperspectral", "multispectral"))
        assert all(np.isfinite(whole(instrument)).all() for instrument in seen.values())
        assert whole(seen["gamma"]).min() >= 0


@pytest.mark.usefixtures("faultless")
@pytest.mark.parametrize(("modality", "sensor"), [("hyperspectral", "aviris"), ("multispectral", "sentinel2_l2a")])
@pytest.mark.parametrize("atmosphere", [EARTH, MARS], ids=["earth", "mars"])
def test_flat_ground_gives_its_reflectance_back(modality: str, sensor: str, atmosphere: Atmosphere) -> None:
    def rising(wavelengths: NDArray) -> NDArray:
        return 0.1 + 0.15 * wavelengths

    seen = 1e-4 * whole(over(Panel(size=64, left=rising), atmosphere=atmosphere)[modality])
    bands = sensor_bands(sensor)
    known = rising(np.array([band.centre_um for band in bands]))
    noise = seen.std(axis=(1, 2))
    clear = noise < 0.01
    assert clear.mean() > 0.85
    assert seen.mean(axis=(1, 2))[clear] == pytest.approx(known[clear], rel=0.02)


def test_noise_depends_on_the_band() -> None:
    """Least in the near infrared, more where sun or detector are weak, and nothing to be seen in water's bands."""
    seen = whole(over(Panel(size=64))["hyperspectral"])
    ratio = seen.mean(axis=(1, 2)) / seen.std(axis=(1, 2))
    centres = np.array([band.centre_um for band in sensor_bands("aviris")])
    at = {um: ratio[np.abs(centres - um).argmin()] for um in (0.38, 0.86, 1.65, 2.2, 1.38, 1.87)}
    assert at[0.86] > 1.5 * at[0.38] and at[0.86] > at[1.65] > at[2.2] > 50
    assert max(at[1.38], at[1.87]) < 4


def test_mars_has_less_light_and_so_more_noise() -> None:
    panel, bands = Panel(size=64), slice(10, 40)
    earth, mars = (whole(over(panel, atmosphere=air)["hyperspectral"])[bands].std(axis=(1, 2)) for air in (EARTH, MARS))
    assert 1.3 < (mars / earth).mean() < 2.5


def test_calibration_errs_from_band_to_band(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imagers, "WORST", 0.0)
    found = whole(over(Panel(size=32))["hyperspectral"]).mean(axis=(1, 2))[20:80] / 3000
    assert found.std() == pytest.approx(imagers.CALIBRATION_ERROR, rel=0.4)


def test_a_correction_is_off_by_some_per_cent() -> None:
    """Not by the same from survey to survey."""
    errors = [whole(over(Panel(size=32), seed=seed)["multispectral"]).mean(axis=(1, 2)) / 3000 - 1 for seed in range(4)]
    assert 0.003 < np.abs(errors).mean() < 0.05
    assert np.std(errors, axis=0).mean() > 0.002


@pytest.mark.usefixtures("faultless")
@pytest.mark.parametrize(
    ("modality", "fwhm"),
    [("hyperspectral", imagers.HYPERSPECTRAL.spread), ("multispectral", imagers.MULTISPECTRAL.spread)],
)
def test_an_edge_spreads_over_the_stated_width(modality: str, fwhm: float) -> None:
    panel = Panel(size=64, left=grey(0.1), right=grey(0.5), edge=32)
    band = 40 if modality == "hyperspectral" else 7
    line = np.diff(whole(over(panel)[modality])[band].mean(axis=0))[22:40]
    position = np.arange(len(line))
    middle = (position * line).sum() / line.sum()
    sigma = np.sqrt((((position - middle) ** 2) * line).sum() / line.sum())
    assert 2.3548 * sigma == pytest.approx(fwhm, rel=0.08)


def test_relief_is_not_corrected() -> None:
    """A slope towards the sun looks as much brighter as the cosine says, but for skylight."""
    tilt = np.deg2rad(20)
    facing = Panel(size=48, relief=lambda rows, cols: -rows * 4 * np.tan(tilt))
    band = [band.name for band in sensor_bands("sentinel2_l2a")].index("B8A")
    ratio = (
        whole(over(facing)["multispectral"])[band].mean() / whole(over(Panel(size=48))["multispectral"])[band].mean()
    )
    diffuse = float(EARTH.diffuse_share(np.array([0.865]))[0])
    expected = (1 - diffuse) * np.sin(np.deg2rad(65)) / np.sin(np.deg2rad(45)) + diffuse * (1 + np.cos(tilt)) / 2
    assert ratio == pytest.approx(expected, rel=0.005)


def test_a_grey_panel_is_grey_in_the_photograph() -> None:
    seen = whole(over(Panel(size=32, left=grey(0.2)))["rgb"]).mean(axis=(1, 2))
    assert seen == pytest.approx(255 * (0.2 / 0.9) ** (1 / 2.2), abs=0.7)


def test_a_cast_colours_the_photograph() -> None:
    site = over(Panel(size=16), atmosphere=MARS, camera=camera("Nikon_D5100"), cast=(1.1, 1.0, 0.8))
    red, green, blue = (whole(site["rgb"]) / 255).mean(axis=(1, 2)) ** 2.2
    assert red / green == pytest.approx(1.1, rel=0.01) and blue / green == pytest.approx(0.8, rel=0.01)


@pytest.mark.parametrize(("atmosphere", "colour"), [(EARTH, "blue"), (MARS, "red")], ids=["earth", "mars"])
def test_shadows_take_the_colour_of_the_sky(atmosphere: Atmosphere, colour: str) -> None:
    wall = Panel(size=48, relief=lambda rows, cols: np.where(np.abs(rows - 24) < 2, 30.0, 0.0))
    red, _, blue = whole(over(wall, atmosphere=atmosphere)["rgb"])[:, 72:84].mean(axis=(1, 2))
    lit = whole(over(wall, atmosphere=atmosphere)["rgb"])[:, 150:].mean()
    assert max(red, blue) < 0.8 * lit
    assert (blue > red + 3) == (colour == "blue") and abs(blue - red) > 3


def test_only_the_sky_lights_a_shadow() -> None:
    wall = Panel(size=48, relief=lambda rows, cols: np.where(np.abs(rows - 24) < 2, 30.0, 0.0))
    green = (whole(over(wall)["rgb"])[1, 72:76].mean() / 255) ** 2.2
    sky = wall.light.sky[16 + 18, 16 + 24]
    assert 0.3 < sky < 0.9
    assert green == pytest.approx(0.3 / 0.9 * sky * float(EARTH.diffuse_share(np.array([0.53]))[0]), rel=0.1)


def test_a_photograph_holds_the_stated_blur() -> None:
    panel = Panel(size=32, left=grey(0.02), right=grey(0.5), edge=16)
    light = (whole(over(panel)["rgb"])[1] / 255) ** 2.2
    line = np.diff(light.mean(axis=0))[59:68]
    position = np.arange(len(line))
    sigma = np.sqrt((position**2 * line).sum() / line.sum() - ((position * line).sum() / line.sum()) ** 2)
    assert 2.3548 * sigma == pytest.approx(1.4, rel=0.1)


@pytest.mark.parametrize("kelvin", [180.0, 253.15, 300.0, 330.0])
def test_a_black_body_has_its_own_brightness_temperature(kelvin: float) -> None:
    black = thermometers.radiate(np.ones((5, 2, 2)), np.full((2, 2), kelvin), np.ones((2, 2)), 200.0)
    assert thermometers.brightness_temperature(black) == pytest.approx(kelvin, abs=0.02)


def test_the_ground_loses_as_much_heat_as_it_gains() -> None:
    weather, stefan = FLOWN.weather, 5.670374419e-8
    air, sun, sky, inertia, green = (np.array([x]) for x in (289.0, 600.0, 0.9, 1200.0, 0.2))
    kelvin = float(thermometers.kinetic(weather, air, sun, sky, inertia, green)[0])
    gains = 600 + 0.95 * stefan * (0.9 * weather.sky_k**4 + 0.1 * 289**4)
    losses = (
        0.95 * stefan * kelvin**4
        + (weather.convection + 0.2 * 25) * (kelvin - 289)
        + 1200 * np.sqrt(2 * np.pi / 86_164) * (kelvin - weather.deep_k)
    )
    assert gains == pytest.approx(losses, abs=0.5)


def test_what_warms_and_what_cools_the_ground() -> None:
    def seen(**changes: object) -> float:
        return float(whole(over(replace(Panel(size=16), **changes))["thermal"]).mean())

    rock = seen()
    assert 285 < rock < 320
    assert seen(inertia=300.0) > rock + 3 and seen(left=grey(0.05)) > rock + 3
    assert seen(green=0.8) < rock - 2 and seen(shine=0.85) < rock - 1
    assert seen(relief=lambda rows, cols: -rows * 1.5) > rock + 2


def test_heights_are_colder() -> None:
    """400 m of air that cools by 6.5 K a km, away from the wall between; the sun's warmth is the same."""
    terraces = Panel(size=160, relief=lambda rows, cols: np.where(cols < 80, 0.0, 400.0))
    heat = whole(over(terraces)["thermal"])[0]
    assert 1.2 < heat[:, :15].mean() - heat[:, -15:].mean() < 2.6


def test_thermal_noise_is_as_stated() -> None:
    assert whole(over(Panel(size=128))["thermal"]).std() == pytest.approx(thermometers.NOISE_K, rel=0.05)


def test_mars_is_cold_and_swings() -> None:
    panels = (Panel(size=16, inertia=inertia) for inertia in (60.0, 1500.0))
    site = {"atmosphere": MARS, "weather": martian_weather(215)}
    dust, rock = (float(whole(over(panel, **site)["thermal"]).mean()) for panel in panels)
    assert 215 < rock < 235 < dust < 290


def test_photons_are_counted_as_poisson_numbers() -> None:
    """Mean and covariance of what is found follow from the counts' variances through the stripping matrix."""
    truth = np.array([1.0, 4.0, 1.5])
    found = gammarays.count(np.broadcast_to(truth[:, None, None], (3, 300, 300)), np.random.default_rng(2))
    rates = gammarays.SENSITIVITY @ truth + gammarays.BACKGROUND
    inverse = np.linalg.inv(gammarays.SENSITIVITY)
    covariance = inverse @ np.diag(rates / gammarays.TIME_S) @ inverse.T
    assert found.mean(axis=(1, 2)) == pytest.approx(truth, rel=0.005)
    assert np.cov(found.reshape(3, -1)) == pytest.approx(covariance, rel=0.05, abs=1e-3)


def test_gamma_rays_come_from_beside() -> None:
    potassium = whole(over(Panel(size=96, edge=48))["gamma"])[0].mean(axis=0)
    assert potassium[:5] == pytest.approx(1, abs=0.05) and potassium[-5:] == pytest.approx(0, abs=0.05)
    assert 0.6 < potassium[11] < 0.95 and 0.05 < potassium[12] < 0.4


def test_ranging_errors_are_as_stated() -> None:
    flat = whole(over(Panel(size=128))["elevation"])
    returns = 1 + np.random.default_rng(0).poisson(rangers.RETURNS, 100_000)
    expected = np.sqrt((rangers.RANGE_ERROR**2 / returns).mean() + rangers.SHARED_ERROR**2)
    assert flat.mean() == pytest.approx(0, abs=0.002) and flat.std() == pytest.approx(expected, rel=0.03)


def test_plants_lift_the_ground_and_slopes_roughen_it() -> None:
    green = whole(over(Panel(size=64, green=0.5))["elevation"])
    assert green.mean() == pytest.approx(0.5 * rangers.RESIDUE_M, rel=0.1)
    steep = Panel(size=64, relief=lambda rows, cols: 4.0 * cols)
    error = whole(over(steep)["elevation"])[0] - steep.elevation[16:-16, 16:-16]
    assert error.std() > 2 * whole(over(Panel(size=64))["elevation"]).std()


def test_every_place_has_a_campaign_of_its_planet() -> None:
    for name, place in load_places().items():
        flown = campaign(place)
        assert (flown.atmosphere.distance_au > 1.5) == (place.planet == "mars"), name
        assert flown.weather.deep_k == place.temperature_k and flown.white == place.camera.white
