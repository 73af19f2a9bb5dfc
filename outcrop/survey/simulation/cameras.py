"""Colour cameras: how sensitive their channels are, and how they make digital numbers of light."""

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import SurveyError

CAMERAS = Path(__file__).with_name("tables") / "cameras.csv"
#: Where colours are sampled (um): sensitivities are broad, so that few wavelengths do.
WAVELENGTHS_UM = np.arange(0.40, 0.73, 0.04)
#: Wavelengths (um) over which sensitivities are summed to weigh those samples.
DENSE_UM = np.arange(0.38, 0.7801, 0.005)
#: Exponent of the gamma curve that turns light into digital numbers.
GAMMA = 1 / 2.2
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True)
class Camera:
    """Relative spectral sensitivity of red, green and blue, each a sum of Gaussians.

    Parameters
    ----------
    name : manufacturer and model
    terms : for red, green and blue: centre (um), sigma (um) and height of each Gaussian
    """

    name: str
    terms: tuple[tuple[tuple[float, float, float], ...], ...]

    def sensitivity(self, wavelengths_um: Array) -> NDArray[np.float64]:
        """Sensitivity (3, B) to energy, the highest about 1."""
        wavelengths = np.asarray(wavelengths_um, dtype=float)
        return np.stack(
            [
                sum(height * np.exp(-0.5 * ((wavelengths - centre) / sigma) ** 2) for centre, sigma, height in channel)
                for channel in self.terms
            ]
        )


def camera(name: str) -> Camera:
    """A camera of the table.

    Raises
    ------
    SurveyError : the table has no such camera.
    """
    known = _cameras()
    if name not in known:
        raise SurveyError(f"the camera `{name}` is not known", remedy=f"choose one of these: {', '.join(known)}")
    return known[name]


def sampling(response: Array, light: Array) -> Floats:
    """Weights (3, `WAVELENGTHS_UM`) that turn colours under ``light`` into exposures; a white surface gives the sum.

    Between the samples colours are taken to be linear, beyond them even.

    Parameters
    ----------
    response : (3, `DENSE_UM`) sensitivities
    light : (`DENSE_UM`,) irradiance
    """
    samples = np.eye(len(WAVELENGTHS_UM))
    hats = np.stack([np.interp(DENSE_UM, WAVELENGTHS_UM, sample) for sample in samples])
    return np.asarray((response * light) @ hats.T, dtype=np.float32)


def develop(exposure: Floats, noise: Floats, full_well: float, read_noise: float) -> NDArray[np.uint8]:
    """Digital numbers 1-255 of exposures (3, H, W), in which 1 fills the well; 0 is kept for no data.

    Electrons scatter as their own number does (shot noise), and by the electronics' read noise.

    Parameters
    ----------
    noise : standard normal, as ``exposure``
    full_well, read_noise : electrons
    """
    electrons = np.maximum(exposure, 0) * np.float32(full_well)
    electrons += np.sqrt(electrons + np.float32(read_noise**2)) * noise
    shown = np.clip(electrons / np.float32(full_well), 0, 1) ** np.float32(GAMMA)
    return np.asarray(np.maximum(np.rint(255 * shown), 1), dtype=np.uint8)


@cache
def _cameras() -> dict[str, Camera]:
    lines = (line for line in CAMERAS.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    table: dict[str, dict[str, list[tuple[float, float, float]]]] = {}
    for row in csv.DictReader(lines):
        channels = table.setdefault(row["camera"], {channel: [] for channel in ("red", "green", "blue")})
        channels[row["channel"]].append((float(row["centre_um"]), float(row["sigma_um"]), float(row["height"])))
    return {name: Camera(name, tuple(tuple(terms) for terms in channels.values())) for name, channels in table.items()}
