"""The thermal camera: brightness temperature over 8-12 um of ground that sun, sky and air have warmed."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.simulation.atmosphere import Atmosphere, planck, solar_irradiance
from outcrop.survey.simulation.light import Illumination
from outcrop.survey.simulation.optics import gaussian
from outcrop.survey.simulation.surfaces import MARGIN, Surface
from outcrop.survey.simulation.tiles import Instrument, Tile, pool, scene_shape

#: Base cells along one side of a native pixel, native pixels along the side of a tile.
COARSE, SIDE = 2, 64
#: Wavelengths (um) at which the band is sampled, each for an equal part of it.
BAND_UM = np.array([8.4, 9.2, 10.0, 10.8, 11.6])
#: Wavelengths (um) whose reflectance gives the broad-band albedo, and the sun's energy around each.
ALBEDO_UM, ALBEDO_ENERGY = np.array([0.5, 0.9, 1.6]), np.array([0.46, 0.36, 0.18], dtype=np.float32)
#: Bolometric irradiance of the sun at 1 au (W m-2), and what a full cover of leaves loses by evaporation (W m-2 K-1).
SOLAR_CONSTANT, EVAPORATION = 1361.0, 25.0
#: Stefan and Boltzmann (W m-2 K-4).
STEFAN = 5.670374419e-8
#: Emissivity of ground over all wavelengths.
BROAD_EMISSIVITY = 0.95
#: Width of the optics' point spread in base cells, before detectors average over their own sides.
SPREAD = 2.0
#: Newton's steps towards the balance of heat; each doubles the digits.
NEWTON_STEPS = 4
#: Noise-equivalent temperature difference (K).
NOISE_K = 0.08
#: Temperatures (K) between which brightness temperatures are looked up.
TEMPERATURES = np.arange(100.0, 460.0, 0.25)
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True)
class Weather:
    """What the ground exchanges heat with.

    Parameters
    ----------
    air_k : temperature of the air, at the scene's mean height
    deep_k : mean of the day, which the ground keeps below what the sun warms
    sky_k, window_k : of a black sky that shines as the air does, at all wavelengths and in the band of 8-12 um
    convection : heat that passes to the air (W m-2 K-1)
    lapse : by how much the air cools a metre of height (K)
    day_s : length of the day
    """

    air_k: float
    deep_k: float
    sky_k: float
    window_k: float
    convection: float
    lapse: float
    day_s: float


def terrestrial_weather(mean_k: float) -> Weather:
    """A dry clear day on the Earth; ``mean_k`` is its mean temperature."""
    return Weather(mean_k + 4, mean_k, mean_k - 15, mean_k - 50, convection=12.0, lapse=0.0065, day_s=86_164.0)


def martian_weather(mean_k: float) -> Weather:
    """A clear day on Mars; ``mean_k`` is its mean temperature."""
    return Weather(mean_k + 10, mean_k, mean_k - 80, mean_k - 90, convection=1.0, lapse=0.0025, day_s=88_775.0)


def thermometer(surface: Surface, atmosphere: Atmosphere, weather: Weather, entropy: tuple[int, ...]) -> Instrument:
    """Brightness temperature (1, H, W) in K as float32; a native pixel covers `COARSE` base cells a side.

    It is corrected for the air between, perfectly; the sky that the ground reflects stays in it.
    """
    nesting = Nesting(coarse=COARSE)
    spread = gaussian(SPREAD)
    mean_height = float(surface.elevation.mean(dtype=np.float64))

    def observe(tile: Tile) -> Floats:
        window = _cells(tile, spread.halo)
        row, col, height, width = window
        lit = surface.light.cells(row + MARGIN, col + MARGIN, height, width)
        level = surface.elevation[row + MARGIN :, col + MARGIN :][:height, :width]
        air = weather.air_k - weather.lapse * (level - mean_height)
        reflectance = surface.reflectance(*window, ALBEDO_UM)
        sun = sunlight(atmosphere, np.tensordot(ALBEDO_ENERGY, reflectance, axes=1), lit)
        warm = kinetic(weather, air, sun, lit.sky, surface.thermal_inertia(*window), surface.vegetation(*window))
        radiance = radiate(surface.emissivity(*window, BAND_UM), warm, lit.sky, weather.window_k)
        seen = brightness_temperature(pool(spread.blur(radiance), COARSE))
        noise = NOISE_K * tile.rng.standard_normal(seen.shape)
        return np.asarray(seen + noise, dtype=np.float32)[None]

    return Instrument(nesting, scene_shape(surface.size, nesting, 1), "float32", SIDE, entropy, observe)


def sunlight(atmosphere: Atmosphere, albedo: Floats, lit: Illumination) -> Floats:
    """Sunlight (H, W) in W m-2 that ground of broad-band ``albedo`` (H, W) takes up."""
    above = solar_irradiance(ALBEDO_UM) * atmosphere.sun
    total = SOLAR_CONSTANT * atmosphere.sun * float(ALBEDO_ENERGY @ (atmosphere.irradiance(ALBEDO_UM) / above))
    diffuse = float(ALBEDO_ENERGY @ atmosphere.diffuse_share(ALBEDO_UM))
    return np.asarray(total * (1 - albedo) * ((1 - diffuse) * lit.direct + diffuse * lit.sky), dtype=np.float32)


def kinetic(weather: Weather, air: Array, sun: Array, sky: Array, inertia: Array, green: Array) -> Floats:
    """Kinetic temperature (H, W) in K of ground that loses as much as it gains near the warmest hour.

    The ground below takes up I sqrt(2 pi / day) a kelvin above the day's mean: the amplitude of a heat wave of one day
    in a uniform half-space (Carslaw & Jaeger 1959, sec. 2.6). Leaves lose heat by evaporation.

    Parameters
    ----------
    air : its temperature, K
    sun : what the ground takes up of its light, W m-2
    sky : share of the sky that it sees
    inertia : thermal inertia, J m-2 K-1 s-1/2
    green : share that plants cover
    """
    ground = inertia * np.sqrt(2 * np.pi / weather.day_s)
    gain = sun + BROAD_EMISSIVITY * STEFAN * (sky * weather.sky_k**4 + (1 - sky) * air**4)
    deep = weather.deep_k + (air - weather.air_k)
    exchange = weather.convection + EVAPORATION * green
    kelvin = np.asarray(air, dtype=np.float32)
    for _ in range(NEWTON_STEPS):
        balance = gain + exchange * (air - kelvin) + ground * (deep - kelvin)
        balance = balance - BROAD_EMISSIVITY * STEFAN * kelvin**4
        kelvin = kelvin + balance / (exchange + ground + 4 * BROAD_EMISSIVITY * STEFAN * kelvin**3)
    return np.asarray(kelvin, dtype=np.float32)


def radiate(emissivity: Array, kelvin: Array, sky: Array, window_k: float) -> Floats:
    """Mean radiance (H, W) in the band: what the ground emits, and what it reflects of the sky and of other ground."""
    own = planck(BAND_UM[:, None, None], kelvin)
    above = planck(BAND_UM[:, None, None], window_k)
    radiance = emissivity * own + (1 - emissivity) * (sky * above + (1 - sky) * own)
    return np.asarray(radiance.mean(axis=0), dtype=np.float32)


def brightness_temperature(radiance: Array) -> NDArray[np.float64]:
    """Temperature (H, W) in K of a black body with the mean ``radiance`` (H, W) in the band."""
    return np.asarray(np.interp(radiance, planck(BAND_UM[:, None], TEMPERATURES).mean(axis=0), TEMPERATURES))


def _cells(tile: Tile, halo: int) -> tuple[int, int, int, int]:
    """A tile's window in base cells, with ``halo`` cells around it."""
    row, col, height, width = (COARSE * part for part in tile.around(0))
    return row - halo, col - halo, height + 2 * halo, width + 2 * halo
