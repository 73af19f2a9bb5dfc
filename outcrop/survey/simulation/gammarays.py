"""The gamma spectrometer: potassium, thorium and uranium from counted photons."""

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.simulation.optics import gamma_footprint
from outcrop.survey.simulation.surfaces import MARGIN, Surface
from outcrop.survey.simulation.tiles import Instrument, Tile, pool, scene_shape

#: Base cells along one side of a native pixel, native pixels along the side of a tile.
COARSE, SIDE = 4, 32
#: Height of the detector above ground (m): it is hung below a drone.
HEIGHT_M = 15.0
#: Time (s) over a native pixel: several lines cross it slowly.
TIME_S = 30.0
#: Counts a second in the windows of K, Th and U (rows) for 1 % K, 1 ppm Th and 1 ppm U (columns) of a crystal of 4
#: litres: a portable one's of IAEA-TECDOC-1363, scaled by volume, and a third of it lost with height; from memory.
#: Off the diagonal is what rays scatter into the windows of lower energy (stripping ratios 0.45, 0.55 and 0.9).
SENSITIVITY = np.array([[25.0, 0.55, 2.3], [0.0, 1.0, 0.1], [0.0, 0.45, 2.5]])
#: Counts a second in the windows without any ground: cosmic rays, the aircraft, radon.
BACKGROUND = np.array([8.0, 2.0, 3.0])
Floats = NDArray[np.float32]


def spectrometer(surface: Surface, entropy: tuple[int, ...]) -> Instrument:
    """K in %, Th and U in ppm (3, H, W) as float32; a native pixel covers `COARSE` base cells a side.

    Counts are Poisson numbers; what is known without error are sensitivities and background.
    """
    nesting = Nesting(coarse=COARSE)
    spread = gamma_footprint(HEIGHT_M, surface.cell_m, MARGIN - COARSE)

    def observe(tile: Tile) -> Floats:
        row, col, height, width = (COARSE * part for part in tile.around(0))
        halo = spread.halo
        ground = surface.radioelements(row - halo, col - halo, height + 2 * halo, width + 2 * halo)
        return count(pool(spread.blur(ground), COARSE), tile.rng)

    return Instrument(nesting, scene_shape(surface.size, nesting, 3), "float32", SIDE, entropy, observe)


def count(ground: NDArray[np.floating], rng: np.random.Generator) -> Floats:
    """Concentrations (3, H, W) as they are found from counted photons: background off, windows stripped, never below 0.

    IAEA-TECDOC-1363 (2003), section 4.
    """
    expected = TIME_S * (np.tensordot(SENSITIVITY, ground, axes=1) + BACKGROUND[:, None, None])
    counts = rng.poisson(np.maximum(expected, 0))
    stripped = np.tensordot(np.linalg.inv(SENSITIVITY), counts / TIME_S - BACKGROUND[:, None, None], axes=1)
    return np.asarray(np.maximum(stripped, 0), dtype=np.float32)
