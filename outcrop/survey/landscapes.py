"""The ground of a simulated site: where which cover lies, how high, and how it is lit."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from outcrop.survey.minerals import MINERALS

#: Side of a base cell in metres.
CELL = 4.0
Array = NDArray[Any]


@dataclass(frozen=True)
class Place:
    """Where a site lies (no CRS: pixel coordinates) and its light: the sun's azimuth and height, tint of blue, red."""

    crs: str | None
    east: float
    north: float
    azimuth: float
    sun: float
    tint: tuple[float, float]


PLACES = {
    "iceland": Place("EPSG:32627", 596_000, 7_100_000, azimuth=170, sun=35, tint=(1.08, 0.95)),
    "lanzarote": Place("EPSG:32628", 623_000, 3_205_000, azimuth=220, sun=60, tint=(1.0, 1.0)),
    "gusev": Place(None, 0, 0, azimuth=250, sun=45, tint=(0.85, 1.1)),
}


@dataclass(frozen=True)
class World:
    """What is really there: shares of the covers (covers, H, W), heights in metres and light (H, W), and the seed."""

    shares: NDArray[np.float32]
    elevation: NDArray[np.float32]
    light: NDArray[np.float32]
    tint: tuple[float, float]
    entropy: tuple[int, int]

    def noise(self, salt: int, shape: tuple[int, ...], *where: int) -> Array:
        """Standard normal noise that depends on nothing but the seed and its arguments."""
        return np.random.default_rng([*self.entropy, salt, *where]).standard_normal(shape, dtype=np.float32)


def make_world(size: int, place: Place, entropy: tuple[int, int]) -> World:
    """Covers in smooth, warped patches, softly mixed at their borders, on rolling ground."""
    rng = np.random.default_rng(entropy)
    fields = np.stack([_smooth(rng, size, 3.5) for _ in MINERALS])
    shift = np.stack([_smooth(rng, size, 6.0) * 4 for _ in range(2)]) + np.mgrid[:size, :size]
    warped = np.stack([ndimage.map_coordinates(field, shift, order=1, mode="mirror") for field in fields])
    power = np.exp(6 * (warped - warped.max(axis=0)))
    heights = 120 * _smooth(rng, size, size / 10) + 6 * _smooth(rng, size, 4.0)
    return World(
        shares=(power / power.sum(axis=0)).astype(np.float32),
        elevation=(400 + heights).astype(np.float32),
        light=_light(heights, place),
        tint=place.tint,
        entropy=entropy,
    )


def _smooth(rng: np.random.Generator, size: int, scale: float) -> NDArray[np.float64]:
    """Smooth noise (size, size) of unit variance, correlated over ``scale`` cells."""
    field = ndimage.gaussian_filter(rng.standard_normal((size, size)), scale, mode="wrap")
    return np.asarray(field / field.std())


def _light(heights: Array, place: Place) -> NDArray[np.float32]:
    """Cosine between the slope's normal and the sun, relative to flat ground: Lambert's law."""
    down, right = np.gradient(heights, 4 * CELL)
    azimuth, sun = np.deg2rad(place.azimuth), np.deg2rad(place.sun)
    towards = -right * np.sin(azimuth) * np.cos(sun) + down * np.cos(azimuth) * np.cos(sun) + np.sin(sun)
    lit = towards / np.sqrt(1 + down**2 + right**2) / np.sin(sun)
    return np.asarray(np.clip(lit, 0.3, 1.6), dtype=np.float32)
