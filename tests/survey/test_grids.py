"""Nesting: finer, coarser, shifted grids, and those that do not nest."""

import pytest
from affine import Affine

from outcrop.errors import SurveyError
from outcrop.survey.grids import Grid, Nesting, nest

BASE = Grid(40, 60, Affine(10, 0, 1000, 0, -10, 5000))


@pytest.mark.parametrize(
    ("cell", "left", "top", "expected"),
    [
        (10, 1000, 5000, (Nesting(), 0, 0)),
        (10, 980, 5030, (Nesting(), 3, 2)),
        (10, 1020, 4970, (Nesting(), -3, -2)),
        (2.5, 1000, 5000, (Nesting(fine=4), 0, 0)),
        (2.5, 990, 5005, (Nesting(fine=4), 2, 4)),
        (40, 1000, 5000, (Nesting(coarse=4), 0, 0)),
        (40, 970, 5010, (Nesting(coarse=4, row=1, col=3), 0, 0)),
        (40, 930, 5050, (Nesting(coarse=4, row=1, col=3), 1, 1)),
        (40, 1010, 4990, (Nesting(coarse=4, row=3, col=3), -1, -1)),
    ],
)
def test_nesting_is_found(cell: float, left: float, top: float, expected: tuple[Nesting, int, int]) -> None:
    native = Grid(500, 500, Affine(cell, 0, left, 0, -cell, top))
    assert nest(BASE, native, "a.tif") == expected


@pytest.mark.parametrize("nesting", [Nesting(), Nesting(fine=3), Nesting(coarse=7), Nesting(coarse=4, row=1, col=3)])
def test_the_native_grid_nests_as_it_says_and_covers_the_base(nesting: Nesting) -> None:
    native = nesting.grid(BASE)
    assert nest(BASE, native, "a.tif") == (nesting, 0, 0)
    left, bottom, right, top = native.bounds
    assert left <= 1000 and right >= 1600 and top >= 5000 and bottom <= 4600
    assert max(1000 - left, right - 1600, top - 5000, 4600 - bottom) < 10 * nesting.coarse


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        (Affine(7, 0, 1000, 0, -7, 5000), "do not nest"),
        (Affine(10, 0, 1000, 0, -5, 5000), "do not nest"),
        (Affine(10.1, 0, 1000, 0, -10.1, 5000), "do not nest"),  # 1 % a pixel is half a pixel after 50
        (Affine(10, 0, 1003, 0, -10, 5000), "do not fall on the label grid's lines"),
        (Affine(10, 1, 1000, 1, -10, 5000), "rotated"),
    ],
)
def test_other_grids_are_refused(transform: Affine, message: str) -> None:
    with pytest.raises(SurveyError, match=message):
        nest(BASE, Grid(40, 60, transform), "a.tif")


@pytest.mark.parametrize(("coarse", "side"), [(2, 5), (3, 3), (4, 3), (5, 3), (9, 1), (20, 1)])
def test_patch_of_a_coarse_modality_is_odd_and_covers_the_footprint(coarse: int, side: int) -> None:
    assert Nesting(coarse=coarse).patch_side(9) == side
