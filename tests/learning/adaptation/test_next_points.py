"""Where to label next: unsure, unlike what is labelled, within reach; and spread over the site."""

import numpy as np

from outcrop.learning.adaptation.next_points import rank_points

CELLS = 40
PLACES = np.column_stack([np.zeros(CELLS), np.arange(CELLS) // 8, np.arange(CELLS) % 8]).astype(np.intp)
BLOCKS = np.arange(CELLS) // 10
LABELLED = np.zeros((1, 2))


def ask(sure: np.ndarray, features: np.ndarray, reach: np.ndarray, number: int = 3) -> list[int]:
    said = np.column_stack([sure, 1 - sure])
    points = rank_points(said, features, PLACES, BLOCKS, reach, LABELLED, number)
    assert [point.rank for point in points] == list(range(1, number + 1))
    return [int(point.row * 8 + point.col) for point in points]


def test_each_of_the_three_counts() -> None:
    rng = np.random.default_rng(0)
    even, apart, flat = np.full(CELLS, 0.9), rng.normal(5, 1, (CELLS, 2)), np.ones(CELLS)
    unsure = even.copy()
    unsure[7] = 0.5
    assert ask(unsure, np.full((CELLS, 2), 3.0), flat, 1) == [7]
    odd = np.full((CELLS, 2), 1.0)
    odd[11] = 9
    assert ask(even, odd, flat, 1) == [11]
    reach = np.zeros(CELLS)
    reach[23] = 1
    assert ask(even, apart, reach, 1) == [23]


def test_what_is_picked_once_is_not_picked_again_nor_its_like() -> None:
    features = np.repeat(np.array([[4.0, 0], [0, 4], [-4, 0], [0, -4]]), 10, axis=0)
    picked = ask(np.full(CELLS, 0.5), features, np.ones(CELLS), 4)
    assert sorted(BLOCKS[picked]) == [0, 1, 2, 3]


def test_no_more_points_than_cells() -> None:
    said = np.full((CELLS, 2), 0.5)
    features = np.random.default_rng(0).normal(size=(CELLS, 2))
    assert len(rank_points(said, features, PLACES, BLOCKS, np.ones(CELLS), LABELLED, 99)) == CELLS
