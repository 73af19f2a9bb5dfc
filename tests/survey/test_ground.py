"""Cells have the size that they have on the ground, whatever their CRS counts in."""

import pytest
from affine import Affine

from outcrop.survey.grids import Grid
from outcrop.survey.ground import cell_size, crs_title


def grid(crs: str | None, side: float, left: float, top: float) -> Grid:
    return Grid(100, 100, Affine(side, 0, left, 0, -side, top), crs)


#: One degree of latitude is 111.1 km on the WGS 84 ellipsoid at 45 degrees, and of longitude cos(latitude) of 111.3 km.
CASES = {
    "metres are metres": (grid("EPSG:32632", 2, 4e5, 6e6), (2, 2), 0),
    "feet": (grid("EPSG:2263", 100, 1e6, 2e5), (30.48, 30.48), 1e-4),
    "degrees": (grid("EPSG:4326", 1e-3, 10, 45.05), (78.8, 111.1), 2e-3),
    "stretched by the projection": (grid("EPSG:3857", 10, 0, 8.4e6), (4.993, 4.993), 5e-3),  # at 60 degrees north
    "a smaller planet": (grid("IAU_2015:49900", 1e-3, 10, 0.05), (59.28, 59.28), 1e-3),
    "no geodesy": (grid('LOCAL_CS["mine grid",UNIT["metre",1]]', 3, 0, 0), (3, 3), 0),
}


@pytest.mark.parametrize("case", CASES)
def test_the_size_of_a_cell(case: str) -> None:
    given, expected, tolerance = CASES[case]
    size = cell_size(given)
    assert size is not None
    assert tuple(size) == pytest.approx(expected, rel=tolerance)
    assert size.area == pytest.approx(expected[0] * expected[1], rel=2 * tolerance)


def test_without_a_crs_nothing_is_known_of_the_ground() -> None:
    assert cell_size(grid(None, 2, 0, 0)) is None
    assert cell_size(grid("nonsense", 2, 0, 0)) is None


def test_sizes_in_words() -> None:
    assert str(cell_size(grid("EPSG:32632", 2.5, 4e5, 6e6))) == "2.5 m"
    assert str(cell_size(grid("EPSG:4326", 1e-3, 10, 60.05))) == "55.8 x 111.4 m"


def test_a_crs_is_called_by_its_code_or_name() -> None:
    assert crs_title("EPSG:32632") == "EPSG:32632"
    assert crs_title('LOCAL_CS["mine grid",UNIT["metre",1]]') == "mine grid"
