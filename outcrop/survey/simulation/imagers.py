"""Imaging spectrometers and multispectral cameras: reflectance after an imperfect correction, in the relief's light."""

from dataclasses import dataclass

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.simulation.atmosphere import Atmosphere, solar_irradiance
from outcrop.survey.simulation.light import Illumination
from outcrop.survey.simulation.optics import FWHM, gaussian
from outcrop.survey.simulation.surfaces import MARGIN, Surface
from outcrop.survey.simulation.tiles import Instrument, Tile, scene_shape

#: Base cells along the side of a tile.
SIDE = 128
#: What a stored number of 1 stands for, and the highest reflectance kept.
SCALE, HIGHEST = 1e-4, 1.5
#: By what share calibration errs from band to band (1 sigma).
CALIBRATION_ERROR = 0.02
#: Standard deviations beyond which no correction errs.
WORST = 2.0
#: What the signal-to-noise ratio of an imager is stated for: wavelength and width (um), reflectance.
REFERENCE_UM, REFERENCE_WIDTH_UM, REFERENCE_REFLECTANCE = 0.6, 0.01, 0.5
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Imager:
    """How a sensor sees.

    Parameters
    ----------
    sensor : of the table of sensors; its bands are Gaussian
    nodes : wavelengths a band, by Gauss-Hermite quadrature; 1 where bands are narrow
    spread : of a point, in base cells (full width at half maximum)
    signal_to_noise : of 10 nm at 0.6 um, above ground of reflectance 0.5 under an overhead sun without air
    read_noise : in electrons
    """

    sensor: str
    nodes: int
    spread: float
    signal_to_noise: float
    read_noise: float


#: AVIRIS's bands, with somewhat less signal to noise: it has 600 in the visible and a third of that at 2.2 um, where
#: the sun is weak (rough figures after Green et al. 1998, doi:10.1016/S0034-4257(98)00064-9).
HYPERSPECTRAL = Imager("aviris", nodes=1, spread=1.6, signal_to_noise=500, read_noise=60)
#: Sentinel-2's bands. They are wider, so that their signal is stronger; points spread more.
MULTISPECTRAL = Imager("sentinel2_l2a", nodes=3, spread=2.2, signal_to_noise=400, read_noise=60)


def image(
    imager: Imager, surface: Surface, atmosphere: Atmosphere, mistaken: tuple[float, float], entropy: tuple[int, ...]
) -> Instrument:
    """Reflectance (bands, H, W) of base cells as uint16 of `SCALE`, corrected for air but not for relief.

    Parameters
    ----------
    mistaken : by what share the correction misjudges aerosol or dust, and gases (1 sigma each); drawn once
    """
    chain = _chain(imager, atmosphere, mistaken, entropy)
    spread = gaussian(imager.spread)

    def observe(tile: Tile) -> NDArray[np.uint16]:
        row, col, height, width = tile.around(spread.halo)
        reflectance = surface.reflectance(row, col, height, width, chain.wavelengths.ravel())
        lit = surface.light.cells(row + MARGIN, col + MARGIN, height, width)
        return chain.measure(spread.blur(chain.expose(reflectance, lit)), tile.rng)

    shape = scene_shape(surface.size, Nesting(), len(chain.wavelengths))
    return Instrument(Nesting(), shape, "uint16", SIDE, entropy, observe)


@dataclass(frozen=True, eq=False)
class _Chain:
    """From the ground's reflectance to stored numbers, band by band.

    ``wavelengths`` (B, nodes) in um; ``sun`` and ``sky`` (B, nodes) take reflectance in the two lights to what reaches
    the sensor, to which the air adds ``path`` (B,). A unit of that makes ``electrons`` (B,). The correction takes off
    ``offset`` (B,) and divides by ``divisor`` (B,).
    """

    wavelengths: NDArray[np.float64]
    sun: Floats
    sky: Floats
    path: Floats
    electrons: Floats
    read_noise: float
    offset: Floats
    divisor: Floats

    def expose(self, reflectance: Floats, lit: Illumination) -> Floats:
        """Reflectance (B * nodes, H, W) of the ground as apparent reflectance (B, H, W) above the air."""
        nodes = reflectance.reshape(*self.wavelengths.shape, *reflectance.shape[1:])
        seen = _weigh(self.sun, nodes)
        seen *= lit.direct
        by_sky = _weigh(self.sky, nodes)
        by_sky *= lit.sky
        seen += by_sky
        seen += self.path[:, None, None]
        return seen

    def measure(self, seen: Floats, rng: np.random.Generator) -> NDArray[np.uint16]:
        """Count electrons, with shot and read noise, and correct for the air: stored numbers (B, H, W)."""
        electrons = self.electrons[:, None, None]
        noise = rng.standard_normal(seen.shape, dtype=np.float32)
        noise *= np.sqrt(seen * electrons + np.float32(self.read_noise**2))
        noise /= electrons
        seen = seen + noise
        seen -= self.offset[:, None, None]
        seen /= self.divisor[:, None, None] * np.float32(SCALE)
        return np.rint(np.clip(seen, 0, HIGHEST / SCALE, out=seen), out=seen).astype(np.uint16)


def _weigh(weights: Floats, nodes: Floats) -> Floats:
    """Sum (B, H, W) over the nodes (B, nodes, H, W) of each band."""
    total: Floats = weights[:, 0, None, None] * nodes[:, 0]
    for node in range(1, weights.shape[1]):
        total += weights[:, node, None, None] * nodes[:, node]
    return total


def _chain(imager: Imager, atmosphere: Atmosphere, mistaken: tuple[float, float], entropy: tuple[int, ...]) -> _Chain:
    bands = sensor_bands(imager.sensor)
    centres, widths = (np.array([getattr(band, key) for band in bands]) for key in ("centre_um", "fwhm_um"))
    offsets, weights = hermegauss(imager.nodes)
    wavelengths = centres[:, None] + widths[:, None] / FWHM * offsets
    energy = solar_irradiance(wavelengths) * weights
    share = energy / energy.sum(axis=1, keepdims=True)
    rng = np.random.default_rng(entropy)
    haze, water = np.clip(rng.standard_normal(2), -WORST, WORST) * mistaken
    found = atmosphere.correct(wavelengths, atmosphere.misjudged(haze, water))
    calibration = 1 + CALIBRATION_ERROR * rng.standard_normal(len(bands))
    reference = solar_irradiance(np.array(REFERENCE_UM)) * REFERENCE_UM * REFERENCE_WIDTH_UM * REFERENCE_REFLECTANCE
    signal = solar_irradiance(centres) * centres * widths * atmosphere.sun / atmosphere.distance_au**2
    columns = {
        "sun": share * found.transmittance * found.direct,
        "sky": share * found.transmittance * found.diffuse,
        "path": (share * found.path).sum(axis=1),
        "electrons": imager.signal_to_noise**2 * signal / reference,
        "offset": (share * found.offset).sum(axis=1),
        "divisor": (share * found.divisor).sum(axis=1) / calibration,
    }
    single = {name: column.astype(np.float32) for name, column in columns.items()}
    return _Chain(wavelengths=wavelengths, read_noise=imager.read_noise, **single)
