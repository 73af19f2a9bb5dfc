"""Slopes, shadows and sky against geometry, and against a slow march along every ray."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from outcrop.survey.simulation import light
from outcrop.survey.simulation.light import Light

Array = NDArray[np.float32]
CELL = 4.0
ROWS, COLS = np.mgrid[:101, :101].astype(np.float32)


def rough(side: int = 120) -> Array:
    """Hills of some 30 m."""
    noise = np.random.default_rng(3).standard_normal((side, side))
    hills = sum(weight * ndimage.gaussian_filter(noise, scale, mode="wrap") for weight, scale in ((800, 12), (100, 4)))
    return np.asarray(hills, dtype=np.float32)


def test_flat_open_ground_has_all_the_light() -> None:
    flat = Light(np.full((40, 50), 7.0, np.float32), CELL, 130, 30)
    assert flat.cosine == pytest.approx(0.5) and flat.sky == pytest.approx(1.0) and not flat.shadow.any()
    lit = flat.cells(3, 4, 10, 11)
    assert lit.direct.shape == lit.sky.shape == (10, 11)
    assert lit.direct == pytest.approx(1.0)


@pytest.mark.parametrize("azimuth", [0, 70, 90, 180, 215, 270])
@pytest.mark.parametrize("slope", [5, 25])
def test_a_plane_is_lit_by_its_angle_to_the_sun(azimuth: int, slope: int) -> None:
    """Planes that rise to the east, and to the south."""
    for rise, downhill in ((COLS, 270), (ROWS, 0)):
        plane = Light(rise * CELL * np.float32(np.tan(np.deg2rad(slope))), CELL, azimuth, 50)
        tilt, sun, apart = np.deg2rad(slope), np.deg2rad(50), np.deg2rad(azimuth - downhill)
        expected = np.cos(tilt) * np.sin(sun) + np.sin(tilt) * np.cos(sun) * np.cos(apart)
        assert plane.cosine[50, 50] == pytest.approx(expected, abs=1e-5)
        assert plane.sky[50, 50] == pytest.approx((1 + np.cos(tilt)) / 2, abs=1e-3)


@pytest.mark.parametrize("height", [12.0, 40.0])
@pytest.mark.parametrize("azimuth", [0, 90, 180, 270])
@pytest.mark.parametrize("elevation", [20, 45])
def test_a_wall_casts_a_shadow_of_the_right_length(height: float, azimuth: int, elevation: int) -> None:
    across = ROWS if azimuth in (0, 180) else COLS
    away = 1 if azimuth in (0, 270) else -1
    wall = np.where(across == 50, np.float32(height), np.float32(0))
    shadow = Light(wall, CELL, azimuth, elevation).shadow
    behind = ((across - 50) * away > 0) & (ROWS > 20) & (COLS > 20)
    length = shadow[behind].sum() / np.unique((COLS if across is ROWS else ROWS)[behind]).size * CELL
    # The last cell counts by its middle.
    assert length == pytest.approx(height / np.tan(np.deg2rad(elevation)), abs=CELL)
    assert not shadow[(across - 50) * away < 0].any()


@pytest.mark.parametrize("azimuth", [33, 118, 200, 301])
def test_a_post_points_away_from_the_sun(azimuth: int) -> None:
    post = np.where(np.hypot(ROWS - 50, COLS - 50) < 2.5, np.float32(60), np.float32(0))
    shadow = Light(post, CELL, azimuth, 40).shadow * (post == 0)
    tip = ndimage.center_of_mass(shadow)
    assert np.rad2deg(np.arctan2(50 - tip[1], tip[0] - 50)) % 360 == pytest.approx(azimuth, abs=2)


@pytest.mark.parametrize("azimuth", [12, 95, 227, 330])
def test_shadows_are_those_of_a_march_along_every_ray(azimuth: int) -> None:
    """An independent way to the same: walk towards the sun in small steps, over heights between the cells."""
    ground = rough()
    rows, cols = np.mgrid[:120, :120].astype(float)
    hidden = np.zeros(ground.shape, dtype=bool)
    for step in np.arange(1, 80, 0.5):
        down, right = -np.cos(np.deg2rad(azimuth)) * step, np.sin(np.deg2rad(azimuth)) * step
        there = ndimage.map_coordinates(ground, [rows + down, cols + right], order=1, cval=-1e6)
        hidden |= there > ground + step * CELL * np.tan(np.deg2rad(20))
    shadow = Light(ground, CELL, azimuth, 20).shadow
    assert 0.1 < hidden.mean() < 0.6
    assert ((shadow > 0.5) == hidden).mean() > 0.97


def test_a_pit_sees_little_sky_and_a_summit_much() -> None:
    pit = 60 * np.exp(-(np.hypot(ROWS - 50, COLS - 50) ** 2) / 50)
    deep, high = Light(-pit.astype(np.float32), CELL, 0, 45).sky, Light(pit.astype(np.float32), CELL, 0, 45).sky
    assert deep[50, 50] < 0.4 and high[50, 50] > 0.99


def test_bands_of_rows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = Light(rough(), CELL, 140, 30)
    sky, cosine = whole.sky, whole.cosine
    monkeypatch.setattr(light, "BAND", 17)
    banded = Light(rough(), CELL, 140, 30)
    assert np.array_equal(banded.sky, sky) and np.array_equal(banded.cosine, cosine)


def test_between_cells_light_is_linear() -> None:
    slope = Light(rough(), CELL, 140, 30)
    cells, fine = slope.cells(39, 49, 12, 12), slope.between(160, 200, 40, 40, 4)
    for coarse, between in ((cells.direct, fine.direct), (cells.sky, fine.sky)):
        position = (np.arange(40) + 0.5) / 4 + 0.5
        expected = ndimage.map_coordinates(coarse, np.meshgrid(position, position, indexing="ij"), order=1)
        assert between == pytest.approx(expected, abs=1e-5)
        assert between.dtype == np.float32
