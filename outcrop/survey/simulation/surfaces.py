"""What an instrument sees of the ground: the one thing that instruments know of a simulated site.

Windows are given as row, column, height and width, in base cells or, where a method says so, in fine pixels, of which
`FINE` lie along the side of a cell. They may reach `MARGIN` cells outside the scene: a point spread needs what lies
beside it.
"""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.light import Light

#: Base cells around the scene in which the ground is defined.
MARGIN = 16
#: Fine pixels along one side of a base cell: those of the camera.
FINE = 4
Array = NDArray[Any]
Floats = NDArray[np.float32]


class Surface(Protocol):
    """The ground of a square scene, as light finds it.

    ``size`` counts the base cells along one side of the scene, ``cell_m`` is the side of a cell in metres.
    ``elevation`` in metres and all arrays of ``light`` are (size + 2 MARGIN, size + 2 MARGIN): the scene's first cell
    stands at [MARGIN, MARGIN].
    """

    @property
    def size(self) -> int: ...

    @property
    def cell_m(self) -> float: ...

    @property
    def elevation(self) -> Floats: ...

    @property
    def light(self) -> Light: ...

    def reflectance(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Reflectance (wavelengths, height, width) of base cells, 0-1, lit and seen from above."""

    def colours(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Reflectance (wavelengths, height, width) of *fine pixels*, with their texture."""

    def emissivity(self, row: int, col: int, height: int, width: int, wavelengths_um: Array) -> Floats:
        """Thermal emissivity (wavelengths, height, width) of base cells, 0-1."""

    def thermal_inertia(self, row: int, col: int, height: int, width: int) -> Floats:
        """Thermal inertia (height, width) of base cells, in J m-2 K-1 s-1/2."""

    def radioelements(self, row: int, col: int, height: int, width: int) -> Floats:
        """Potassium in %, thorium and uranium in ppm (3, height, width) of base cells."""

    def vegetation(self, row: int, col: int, height: int, width: int) -> Floats:
        """Share (height, width) of base cells that green plants cover, 0-1."""
