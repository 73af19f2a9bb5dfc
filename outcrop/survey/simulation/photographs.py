"""The camera: three digital numbers a fine pixel, in the site's own light."""

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.simulation.atmosphere import Atmosphere
from outcrop.survey.simulation.cameras import DENSE_UM, WAVELENGTHS_UM, Camera, develop, sampling
from outcrop.survey.simulation.optics import gaussian
from outcrop.survey.simulation.surfaces import FINE, MARGIN, Surface
from outcrop.survey.simulation.tiles import Instrument, Tile, scene_shape

#: Fine pixels along the side of a tile.
SIDE = 256
#: Width of the point spread, with the colour filter's interpolation, in fine pixels (full width at half maximum).
SPREAD = 1.4
#: Electrons that fill a well, and read noise: a one-inch sensor's.
FULL_WELL, READ_NOISE = 15_000.0, 5.0


def photograph(
    surface: Surface,
    atmosphere: Atmosphere,
    camera: Camera,
    cast: tuple[float, float, float],
    white: float,
    entropy: tuple[int, ...],
) -> Instrument:
    """Red, green and blue (3, H, W) uint8, 1-255: white balance for flat ground, then the gamma curve 1 / 2.2.

    It is flown low: the air below is not seen. Shadows take the colour of the sky.

    Parameters
    ----------
    cast : factors of red, green and blue by which the white balance is off
    white : reflectance of flat ground at which green fills the well
    """
    nesting = Nesting(fine=FINE)
    spread = gaussian(SPREAD)
    direct, diffuse = _balanced(atmosphere, camera, cast, white)

    def observe(tile: Tile) -> NDArray[np.uint8]:
        around = tile.around(spread.halo)
        colours = surface.colours(*around, WAVELENGTHS_UM)
        lit = surface.light.between(around[0] + FINE * MARGIN, around[1] + FINE * MARGIN, *around[2:], FINE)
        exposure = np.tensordot(direct, colours, axes=1) * lit.direct + np.tensordot(diffuse, colours, axes=1) * lit.sky
        seen = spread.blur(exposure)
        return develop(seen, tile.rng.standard_normal(seen.shape, dtype=np.float32), FULL_WELL, READ_NOISE)

    return Instrument(nesting, scene_shape(surface.size, nesting, 3), "uint8", SIDE, entropy, observe)


def _balanced(
    atmosphere: Atmosphere, camera: Camera, cast: tuple[float, float, float], white: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (3, wavelengths) of colours in sunlight and in skylight; ``white`` on flat ground gives ``cast``."""
    light, share = atmosphere.irradiance(DENSE_UM), atmosphere.diffuse_share(DENSE_UM)
    response = camera.sensitivity(DENSE_UM)
    direct, diffuse = sampling(response, light * (1 - share)), sampling(response, light * share)
    balance = np.asarray(cast, dtype=np.float32) / (white * (direct + diffuse).sum(axis=1))
    return (direct.T * balance).T, (diffuse.T * balance).T
