"""The laser scanner: heights of the ground from several returns a cell."""

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.simulation.optics import gaussian
from outcrop.survey.simulation.surfaces import MARGIN, Surface
from outcrop.survey.simulation.tiles import Instrument, Tile, scene_shape

#: Base cells along the side of a tile.
SIDE = 256
#: Mean number of returns from the ground of a cell; at least one is found.
RETURNS = 8.0
#: Errors (m, 1 sigma) of a return: of its range, and across, which slopes turn into height.
RANGE_ERROR, CROSS_ERROR = 0.04, 0.25
#: Error (m, 1 sigma) that all returns of a cell share: what is left of the trajectory's error.
SHARED_ERROR = 0.02
#: Height (m) that dense plants leave in what is taken for ground, and its spread relative to it.
RESIDUE_M, RESIDUE_SPREAD = 0.35, 0.5
#: Point spread in base cells (full width at half maximum): gridding of the returns.
SPREAD = 1.2
Floats = NDArray[np.float32]


def scanner(surface: Surface, entropy: tuple[int, ...]) -> Instrument:
    """Elevation (1, H, W) of base cells in metres as float32."""
    spread = gaussian(SPREAD)

    def observe(tile: Tile) -> Floats:
        row, col, height, width = tile.around(spread.halo + 1)
        level = surface.elevation[row + MARGIN :, col + MARGIN :][:height, :width]
        steep = np.hypot(*np.gradient(level, np.float32(surface.cell_m)))[1:-1, 1:-1]
        green = surface.vegetation(*tile.around(0))
        return measure(spread.blur(level[1:-1, 1:-1]), spread.blur(steep), green, tile.rng)[None]

    return Instrument(Nesting(), scene_shape(surface.size, Nesting(), 1), "float32", SIDE, entropy, observe)


def measure(level: Floats, steep: Floats, green: Floats, rng: np.random.Generator) -> Floats:
    """Heights (H, W) as found: errors of single returns fall with their number, plants lift and thin them out.

    Parameters
    ----------
    level : true heights in metres
    steep : slope, metres a metre
    green : share of the cell that plants cover
    """
    returns = 1 + rng.poisson(RETURNS * (1 - 0.8 * green))
    single = np.sqrt((RANGE_ERROR**2 + (CROSS_ERROR * steep) ** 2) / returns + SHARED_ERROR**2)
    residue = RESIDUE_M * green * np.maximum(1 + RESIDUE_SPREAD * rng.standard_normal(level.shape), 0)
    return np.asarray(level + single * rng.standard_normal(level.shape) + residue, dtype=np.float32)
