"""Random fields: what is promised of their values, and that no window of them depends on how it was cut."""

import numpy as np
import pytest
from scipy import stats

from outcrop.survey.simulation.fields import Window, fractal, normals, pooled, smooth, upsampled

WHOLE = Window(-70, -33, 150, 140)
PARTS = [(0, 0, 150, 140), (3, 5, 1, 1), (64, 30, 60, 71), (149, 0, 1, 140)]


@pytest.mark.parametrize(("row", "col", "height", "width"), PARTS)
@pytest.mark.parametrize("scale", [0.25, 1.7, 30.0])
def test_a_window_alone_is_the_same_as_cut_from_a_larger_one(
    scale: float, row: int, col: int, height: int, width: int
) -> None:
    whole = fractal((7, 1), WHOLE, scale, 3)
    alone = fractal((7, 1), Window(WHOLE.row + row, WHOLE.col + col, height, width), scale, 3)
    assert np.array_equal(alone, whole[row : row + height, col : col + width])


def test_normals_of_nodes_do_not_depend_on_the_window() -> None:
    whole = normals((1,), -40, -40, 90, 90)
    assert np.array_equal(normals((1,), -1, 3, 20, 40), whole[39:59, 43:83])


@pytest.mark.parametrize("scale", [0.25, 1.7, 4.0])
def test_values_are_standard_normal_at_nodes_and_between(scale: float) -> None:
    # Values far apart are independent, wherever they lie between nodes.
    step = max(int(6 * scale), 1)
    values = smooth((3,), Window(0, 0, 120 * step, 120 * step), scale)[::step, ::step].ravel()
    assert stats.kstest(values, "norm").pvalue > 1e-3
    between = smooth((3,), Window(0, 0, 900, 900, 4), 5.0)
    assert abs(float(between.std()) - 1) < 0.1


def test_variance_is_the_same_at_every_distance_from_a_node() -> None:
    fields = np.stack([smooth((seed,), Window(0, 0, 8, 8, 4), 1.0) for seed in range(3000)])
    assert np.abs(fields.std(axis=0) - 1).max() < 0.08


def test_values_are_alike_within_the_scale_and_not_beyond() -> None:
    field = smooth((5,), Window(0, 0, 800, 800), 8.0)
    near = np.corrcoef(field[:, :-2].ravel(), field[:, 2:].ravel())[0, 1]
    far = np.corrcoef(field[:, :-40].ravel(), field[:, 40:].ravel())[0, 1]
    assert near > 0.9
    assert abs(far) < 0.1


def test_other_seeds_give_other_fields() -> None:
    fields = [smooth((seed,), Window(0, 0, 200, 200), 2.0).ravel() for seed in (1, 2)]
    assert abs(np.corrcoef(*fields)[0, 1]) < 0.1


def test_upsampling_keeps_a_plane_and_pooling_undoes_it() -> None:
    rows, cols = np.mgrid[:12, :9].astype(np.float32)
    plane = 2 * rows - 3 * cols + 1
    fine = upsampled(plane)
    assert fine.shape == (40, 28)
    assert np.allclose(np.diff(fine, axis=0), 0.5, atol=1e-5)
    assert np.allclose(np.diff(fine, axis=1), -0.75, atol=1e-5)
    assert np.allclose(pooled(fine), plane[1:-1, 1:-1], atol=1e-5)


def test_pixels_of_a_window_lie_where_its_cells_do() -> None:
    cells = Window(-2, 5, 3, 4)
    assert cells.finer == Window(-8, 20, 12, 16, 4)
    assert np.allclose(cells.finer.rows.reshape(3, 4).mean(axis=1), cells.rows)
    assert np.allclose(cells.finer.cols.reshape(4, 4).mean(axis=1), cells.cols)
