"""Rivers against small reliefs whose answer is known, and what the relief of a place has to be."""

import heapq

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from outcrop.survey.simulation.drainage import TILT, drained_area, erode, fill, receivers
from outcrop.survey.simulation.fields import Window
from outcrop.survey.simulation.places import Relief, load_places
from outcrop.survey.simulation.surfaces import MARGIN
from outcrop.survey.simulation.terrain import CELL_M, make_terrain

PLACES = load_places()
Heights = NDArray[np.float64]


def rough(size: int = 24, seed: int = 0) -> Heights:
    return np.random.default_rng(seed).random((size, size)) * 10


def flooded(height: Heights) -> Heights:
    """Priority flood (Barnes et al. 2014): the same levels, found in another way."""
    n = len(height)
    level, done, heap = height.copy(), np.zeros((n, n), bool), []
    for row, col in np.ndindex(n, n):
        if row in (0, n - 1) or col in (0, n - 1):
            heapq.heappush(heap, (height[row, col], row, col))
            done[row, col] = True
    while heap:
        lowest, row, col = heapq.heappop(heap)
        for i, j in np.ndindex(3, 3):
            down, right = row + i - 1, col + j - 1
            if 0 <= down < n and 0 <= right < n and not done[down, right]:
                done[down, right] = True
                level[down, right] = max(level[down, right], lowest)
                heapq.heappush(heap, (level[down, right], down, right))
    return level


@pytest.mark.parametrize("seed", range(3))
def test_hollows_are_filled_to_their_lowest_sill(seed: int) -> None:
    height = rough(seed=seed)
    filled = fill(height)
    assert (filled >= height).all()
    assert np.abs(filled - flooded(height)).max() < TILT * height.size


def test_after_filling_water_leaves_every_node_and_all_of_it_arrives() -> None:
    filled = fill(rough())
    target, length = receivers(filled, 5.0)
    flat = filled.ravel()
    inner = target != np.arange(target.size)
    assert (flat[target[inner]] < flat[inner]).all()
    assert set(np.unique(length[inner]).round(3)) == {5.0, 7.071}
    border = np.ones(filled.shape, bool)
    border[1:-1, 1:-1] = False
    assert not (~inner.reshape(filled.shape) & ~border).any()
    area = drained_area(filled, 5.0)
    assert area[border].sum() == pytest.approx(filled.size * 25)
    assert area.min() == 25


def test_on_a_plane_water_runs_straight_down() -> None:
    plane = np.repeat(np.arange(8.0)[:, None], 8, axis=1)
    area = drained_area(plane, 1.0)
    assert np.allclose(area[1:-1, 3], [6, 5, 4, 3, 2, 1])


def test_erosion_meets_the_implicit_equation_and_never_raises() -> None:
    height = fill(rough())
    after = erode(height, 1.0, 0.3)
    assert (after <= height).all()
    target, length = receivers(fill(height), 1.0)
    area = drained_area(fill(height), 1.0).ravel()
    factor = 0.3 * area**0.45 / length
    expected = (height.ravel() + factor * after.ravel()[target]) / (1 + factor)
    inner = target != np.arange(target.size)
    assert np.allclose(after.ravel()[inner], expected[inner], atol=1e-2)


@pytest.mark.parametrize("name", PLACES)
def test_relief_is_finite_reproducible_and_as_high_as_said(name: str) -> None:
    relief = PLACES[name].relief
    terrain = make_terrain(relief, 96, (7, 1))
    assert terrain.elevation.shape == terrain.wetness.shape == (96 + 2 * MARGIN,) * 2
    assert terrain.elevation.dtype == terrain.wetness.dtype == np.float32
    assert np.isfinite(terrain.elevation).all()
    assert np.array_equal(terrain.elevation, make_terrain(relief, 96, (7, 1)).elevation)
    assert not np.array_equal(terrain.elevation, make_terrain(relief, 96, (8, 1)).elevation)
    assert 0.3 * relief.height_m < np.ptp(terrain.elevation) < 2 * relief.height_m
    assert abs(float(terrain.wetness.mean())) < 0.05
    assert abs(float(terrain.wetness.std()) - 1) < 0.05


@pytest.mark.parametrize("size", [1, 7, 33])
def test_odd_sizes_have_a_relief(size: int) -> None:
    assert make_terrain(PLACES["jezero"].relief, size, (7,)).elevation.shape == (size + 2 * MARGIN,) * 2


def test_rivers_lie_in_valleys_where_they_shaped_the_relief() -> None:
    depths = []
    for erosion in (1.0, 0.0):
        relief = Relief(base_m=0, height_m=150, erosion=erosion, roughness_m=0)
        height = make_terrain(relief, 160, (3,)).elevation[::2, ::2].astype(float)
        rivers = drained_area(fill(height), 8.0) > 8.0**2 * 60
        depths.append(float((ndimage.uniform_filter(height, 7) - height)[rivers].mean()))
    assert depths[0] > 2 * max(depths[1], 0)


def test_craters_are_as_deep_as_measured_ones() -> None:
    plain = {"base_m": 0.0, "height_m": 1e-6, "erosion": 0.0, "roughness_m": 0.0}
    relief = Relief(**plain, craters=6, degradation=0.0)
    elevation = make_terrain(relief, 400, (5,)).elevation
    depth = -float(elevation.min())
    # Diameter of the deepest one, from the area of its bowl along a row.
    row, col = np.unravel_index(int(elevation.argmin()), elevation.shape)
    rim = [np.argmax(line[:60]) for line in (elevation[row, col:], elevation[row, col::-1])]
    diameter = float(sum(rim)) * CELL_M
    assert depth == pytest.approx(210 * (diameter / 1000) ** 0.81, rel=0.35)


def test_a_window_beyond_the_edge_goes_on_level() -> None:
    terrain = make_terrain(PLACES["iceland"].relief, 40, (7,))
    window = terrain.around(terrain.elevation, Window(-MARGIN, 0, 4, 4), 2)
    assert window.shape == (8, 8)
    assert np.array_equal(window[0], window[2])
    assert np.array_equal(window[2:6, 2:6], terrain.elevation[:4, MARGIN : MARGIN + 4])
