"""How large a cell of a grid is on the ground, whatever the units of its CRS are."""

from typing import NamedTuple

from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError

from outcrop.survey.grids import Grid

#: A projection's own metres are believed while they depart from the ground's by less than this.
BELIEVED = 0.01


class CellSize(NamedTuple):
    """Width and height of a cell in metres on the ground."""

    width: float
    height: float

    @property
    def area(self) -> float:
        """Square metres."""
        return self.width * self.height

    def __str__(self) -> str:
        """ "4 m", or "4 x 6 m" where a cell is no square."""
        return f"{self.width:.4g} m" if round_square(self) else f"{self.width:.4g} x {self.height:.4g} m"


def round_square(size: CellSize) -> bool:
    """Whether width and height differ by less than a hundredth."""
    return abs(size.width / size.height - 1) < BELIEVED


def cell_size(grid: Grid) -> CellSize | None:
    """Size of the cell in the middle of a grid; None without a CRS, or with one that is not tied to the ground.

    A projected CRS in metres or feet is taken at its word; where it is not true to scale (Web Mercator), and for
    degrees, the size is measured along the CRS's own ellipsoid, which need not be the Earth's.
    """
    if grid.crs is None:
        return None
    try:
        crs = CRS.from_user_input(grid.crs)
        nominal, measured = _nominal(grid, crs), _measured(grid, crs)
    except ProjError:
        return None
    if nominal is None or measured is None:
        return measured or nominal
    return nominal if abs(measured.area / nominal.area - 1) < 2 * BELIEVED else measured


def _nominal(grid: Grid, crs: CRS) -> CellSize | None:
    if crs.is_geographic or not crs.axis_info:
        return None
    metres = crs.axis_info[0].unit_conversion_factor
    return CellSize(abs(grid.transform.a) * metres, abs(grid.transform.e) * metres)


def _measured(grid: Grid, crs: CRS) -> CellSize | None:
    geoid, degrees = crs.get_geod(), crs.geodetic_crs
    if geoid is None or degrees is None:
        return None
    row, col = grid.height / 2, grid.width / 2
    middles = [(col - 0.5, row), (col + 0.5, row), (col, row - 0.5), (col, row + 0.5)]
    to_degrees = Transformer.from_crs(crs, degrees, always_xy=True)
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = (to_degrees.transform(*(grid.transform @ place)) for place in middles)
    size = CellSize(geoid.inv(x0, y0, x1, y1)[2], geoid.inv(x2, y2, x3, y3)[2])
    return size if 0 < size.area < float("inf") else None


def crs_title(crs: str) -> str:
    """What to call a CRS in a line of text: ``EPSG:code``, or the name that its WKT gives."""
    return crs if crs.startswith("EPSG:") else str(CRS.from_user_input(crs).name)
