"""Intervals that hold on new blocks: against coverage that is known, and against the formula written out."""

import numpy as np
import pytest

from outcrop.errors import DataError, ParamsError
from outcrop.learning.conformal import block_coverage, block_radius, least_blocks


def drawn(rng: np.random.Generator, blocks: int) -> tuple[np.ndarray, np.ndarray]:
    """Errors of exchangeable blocks of unequal size, each with a shift and a spread of its own, and their blocks."""
    sizes = rng.integers(1, 40, blocks)
    shift, spread = rng.normal(0, 2, blocks), rng.gamma(2, 0.5, blocks)
    place = np.repeat(np.arange(blocks), sizes)
    return np.abs(rng.normal(shift[place], spread[place])), place


@pytest.mark.parametrize(("blocks", "confidence"), [(9, 0.9), (24, 0.9), (12, 0.8)])
def test_a_cell_of_a_new_block_is_held_as_often_as_was_asked(blocks: int, confidence: float) -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(2000):
        radius = block_radius(*drawn(rng, blocks), confidence)
        held.append(float(np.mean(drawn(rng, 1)[0] <= radius)))
    mean, error = np.mean(held), np.std(held) / np.sqrt(len(held))
    assert confidence - 3 * error < mean < confidence + 1 / (blocks + 1) + 0.02 + 3 * error


def test_counting_cells_as_trials_would_hold_too_few() -> None:
    rng, blocks = np.random.default_rng(2), np.repeat(np.arange(9), 50)
    by_cell, by_block = [], []
    for _ in range(2000):
        *known, new = rng.random(10)  # the cells of a block err alike
        errors = np.repeat(known, 50)
        by_cell.append(new <= np.quantile(errors, 0.88, method="higher"))
        by_block.append(new <= block_radius(errors, blocks, 0.88))
    assert np.mean(by_cell) < 0.83 and 0.88 <= np.mean(by_block) < 0.93


def test_the_radius_is_that_of_the_formula() -> None:
    errors, blocks = drawn(np.random.default_rng(3), 15)
    sizes = np.bincount(blocks)
    weigh = np.array([1 / (16 * sizes[block]) for block in blocks])
    candidates = [error for error in errors if weigh[errors <= error].sum() >= 0.9]
    assert block_radius(errors, blocks, 0.9) == min(candidates)


def test_cells_of_blocks_of_their_own_give_the_usual_split_conformal_quantile() -> None:
    errors = np.random.default_rng(4).random(99)
    assert block_radius(errors, np.arange(99), 0.9) == np.sort(errors)[89]


def test_how_many_blocks_an_interval_needs() -> None:
    assert [least_blocks(confidence) for confidence in (0.5, 0.8, 0.9, 0.95)] == [1, 4, 9, 19]
    assert block_radius(np.arange(9.0), np.arange(9), 0.9) == 8


def test_coverage_is_by_block() -> None:
    held = np.array([True, True, False, True])
    assert block_coverage(held, np.array([4, 4, 4, 9])).tolist() == [pytest.approx(2 / 3), 1]


@pytest.mark.parametrize(
    ("errors", "blocks", "confidence", "words"),
    [
        (np.ones(80), np.arange(80) % 8, 0.9, "cannot be calibrated on 8 blocks; measure in 9 blocks"),
        (np.ones(0), np.arange(0), 0.9, "cannot be calibrated on 0 blocks"),
        (np.array([1.0, np.nan] * 9), np.arange(18), 0.9, "is not a number"),
        (np.ones(20), np.arange(20), 1.0, "a chance of 1; choose 0.9"),
        (np.ones(20), np.arange(20), 90.0, "a chance of 90"),
    ],
)
def test_bad_calibration_is_one_sentence(errors: np.ndarray, blocks: np.ndarray, confidence: float, words: str) -> None:
    with pytest.raises((DataError, ParamsError), match=words) as told:
        block_radius(errors, blocks, confidence)
    assert str(told.value).count(".") - str(told.value).count("0.") == 1
