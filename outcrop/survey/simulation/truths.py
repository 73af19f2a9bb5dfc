"""What a simulated site knows of itself, as rasters beside the sensors': for scoring, never for a model to see."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.landscapes import Landscape
from outcrop.survey.simulation.surfaces import MARGIN, Floats
from outcrop.survey.sites import Band, Raster

Window = tuple[int, int, int, int]


@dataclass(frozen=True)
class Truth:
    """One property of the ground on base cells: its bands, its unit, and how it is read from a landscape's window."""

    bands: tuple[str, ...]
    unit: str
    read: Callable[[Landscape, Window], Floats]
    scale: float = 1.0

    @property
    def dtype(self) -> str:
        """Scaled values are whole numbers."""
        return "float32" if self.scale == 1 else "uint16"

    def raster(self, name: str, path: Path, grid: Grid) -> Raster:
        """The layout of its raster."""
        bands = tuple(Band(band) for band in self.bands)
        return Raster(name, path, grid, Nesting(), bands, self.unit, self.dtype, None, scale=self.scale)

    def stored(self, landscape: Landscape, row: int, col: int, height: int, width: int) -> NDArray[np.generic]:
        """Numbers (bands, height, width) as they are stored."""
        values = self.read(landscape, (row, col, height, width))
        return values.astype(np.float32) if self.scale == 1 else np.rint(values / self.scale).astype(np.uint16)


def _of_ground(name: str) -> Callable[[Landscape, Window], Floats]:
    return lambda landscape, window: landscape.ground.cover(*window).truth[name][None]


def _shadow(landscape: Landscape, window: Window) -> Floats:
    row, col, height, width = window
    return landscape.light.shadow[None, row + MARGIN : row + MARGIN + height, col + MARGIN : col + MARGIN + width]


TRUTHS = {
    "fractions": Truth(ENDMEMBERS, "share of the area", Landscape.fractions, scale=1e-4),
    "dominance": Truth(
        ("dominance",), "share of the area", lambda landscape, window: landscape.ground.cover(*window).share[None]
    ),
    "carbonation": Truth(("carbonation",), "share", _of_ground("carbonation")),
    "reactive_surface": Truth(("reactive_surface",), "m2/g", _of_ground("reactive_surface")),
    "soil_ph": Truth(("soil_ph",), "pH", _of_ground("soil_ph")),
    "shadow": Truth(("shadow",), "share of the area", _shadow),
}
