"""Grids, and how a modality's grid nests in the base grid.

The base grid is the grid of the labels. A finer modality has ``fine`` native pixels a side in every base cell; of a
coarser one, a native pixel covers ``coarse`` base cells a side. One of the two numbers is always 1.
"""

from dataclasses import dataclass
from math import ceil

from affine import Affine

from outcrop.errors import SurveyError

#: Largest shift between the two grids that a departure from a whole ratio may build up, in pixels of the finer grid.
DRIFT_TOLERANCE = 0.5
#: Largest departure from a whole offset, in pixels of the finer grid.
OFFSET_TOLERANCE = 0.05


@dataclass(frozen=True)
class Grid:
    """A north-up grid: ``height`` x ``width`` pixels, placed by ``transform`` in ``crs`` (None: pixel coordinates)."""

    height: int
    width: int
    transform: Affine
    crs: str | None = None

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, bottom, right and top, in the CRS."""
        left, top = self.transform @ (0, 0)
        right, bottom = self.transform @ (self.width, self.height)
        return left, bottom, right, top


@dataclass(frozen=True)
class Nesting:
    """How native pixels lie on base cells.

    Parameters
    ----------
    fine : native pixels along one side of a base cell (1 for equal or coarser grids)
    coarse : base cells along one side of a native pixel (1 for equal or finer grids)
    row, col : base cells by which base cell (0, 0) lies inside native pixel (0, 0); 0 unless coarser
    """

    fine: int = 1
    coarse: int = 1
    row: int = 0
    col: int = 0

    def patch_side(self, footprint: int) -> int:
        """Native pixels along one side of the patch of a footprint of ``footprint`` base cells (odd)."""
        if self.coarse == 1:
            return footprint * self.fine
        side = ceil(footprint / self.coarse)
        return side if side % 2 else side + 1

    def grid(self, base: Grid) -> Grid:
        """The native grid that covers ``base`` exactly (a coarser one: with the pixels that its edges cut)."""
        if self.coarse == 1:
            shape, ratio = (base.height * self.fine, base.width * self.fine), 1 / self.fine
        else:
            rows, cols = base.height + self.row, base.width + self.col
            shape, ratio = (ceil(rows / self.coarse), ceil(cols / self.coarse)), float(self.coarse)
        transform = base.transform @ Affine.translation(-self.col, -self.row) @ Affine.scale(ratio)
        return Grid(*shape, transform, base.crs)


def nest(base: Grid, native: Grid, where: object) -> tuple[Nesting, int, int]:
    """Find the whole ratio between two grids and the native pixel that holds the base grid's first corner.

    Returns
    -------
    nesting, first_row, first_col : the last two index the native grid (may be negative: the native grid starts later)

    Raises
    ------
    SurveyError : the grids are rotated, or their pixels do not nest by a whole ratio.
    """
    for grid in (base, native):
        if grid.transform.b or grid.transform.d:
            raise SurveyError("the raster is rotated", where=where, remedy="warp it to a north-up grid first")
    ratio_x, ratio_y = base.transform.a / native.transform.a, base.transform.e / native.transform.e
    fine, coarse = max(1, round(ratio_x)), max(1, round(1 / ratio_x)) if ratio_x > 0 else 1
    exact = fine / coarse
    drift = max(abs(ratio_x / exact - 1) * base.width, abs(ratio_y / exact - 1) * base.height) * fine
    if ratio_x <= 0 or ratio_y <= 0 or drift > DRIFT_TOLERANCE:
        raise SurveyError(
            f"pixels of {abs(native.transform.a):g} x {abs(native.transform.e):g} do not nest in base cells of "
            f"{abs(base.transform.a):g} x {abs(base.transform.e):g}",
            where=where,
            remedy="resample the raster to a whole multiple or fraction of the label grid's cell",
        )
    # Offset of the base grid's corner from the native grid's corner, in units of the smaller of the two pixels.
    unit_x, unit_y = (native.transform.a, native.transform.e) if coarse == 1 else (base.transform.a, base.transform.e)
    off_x = (base.transform.c - native.transform.c) / unit_x
    off_y = (base.transform.f - native.transform.f) / unit_y
    if abs(off_x - round(off_x)) > OFFSET_TOLERANCE or abs(off_y - round(off_y)) > OFFSET_TOLERANCE:
        raise SurveyError(
            "the raster's pixel edges do not fall on the label grid's lines",
            where=where,
            remedy="shift or resample it to the label grid",
        )
    row, col = round(off_y), round(off_x)
    if coarse == 1:
        return Nesting(fine=fine), row, col
    return Nesting(coarse=coarse, row=row % coarse, col=col % coarse), row // coarse, col // coarse
