"""Change between two maps that both err: silent where nothing changed, and seen where something did."""

import numpy as np
import pytest

from outcrop.errors import OutcropError
from outcrop.field.change import detect_change, net_flow

SIDE, SIZE = 8, 64
BASALT, CALCITE, SOIL = 0, 1, 2
RATES = np.array([[0.75, 0.1, 0.15], [0.1, 0.8, 0.1], [0.1, 0.05, 0.85]])


def ground(rng: np.random.Generator) -> np.ndarray:
    plots = rng.choice(3, (SIZE // 16, SIZE // 16), p=[0.5, 0.1, 0.4])
    plots[0, 0] = BASALT
    return plots.repeat(16, axis=0).repeat(16, axis=1)


def mapped(truth: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A map whose error rates differ from block to block and from date to date."""
    said = np.empty(truth.shape, dtype=np.uint8)
    for row in range(0, SIZE, SIDE):
        for col in range(0, SIZE, SIDE):
            rates = np.array([rng.dirichlet(20 * row_rates) for row_rates in RATES])
            part = truth[row : row + SIDE, col : col + SIDE]
            chance = rng.random(part.shape)
            said[row : row + SIDE, col : col + SIDE] = (chance[..., None] > rates.cumsum(axis=1)[part]).sum(axis=-1)
    return np.minimum(said, 2)


def pair(share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng([seed, 1])
    before = ground(rng)
    after = np.where((before == BASALT) & (rng.random(before.shape) < share), CALCITE, before)
    return mapped(before, rng), mapped(after, rng)


def alarms(share: float, pairs: int) -> float:
    found = [detect_change(*pair(share, seed), {BASALT}, {CALCITE}, side=SIDE, seed=seed) for seed in range(pairs)]
    return float(np.mean([each.alarm for each in found]))


def test_unchanged_ground_gives_few_alarms_and_a_tenth_is_seen() -> None:
    assert alarms(0.0, 60) <= 0.1
    assert alarms(0.1, 30) >= 0.9


def test_what_both_maps_see_for_certain_is_counted() -> None:
    first = np.repeat(np.array([[BASALT], [CALCITE]], dtype=np.uint8), 32, axis=0).repeat(64, axis=1)
    second = first.copy()
    second[:32:4, :] = CALCITE
    flows, sizes = net_flow(first, second, {BASALT}, {CALCITE}, SIDE)
    assert flows.tolist() == [16] * 32 and sizes.tolist() == [64] * 32
    found = detect_change(first, second, {BASALT}, {CALCITE}, side=SIDE, seed=1)
    assert found.share == found.low == found.high == 0.25 and found.alarm
    back = detect_change(second, first, {BASALT}, {CALCITE}, side=SIDE, seed=1)
    assert back.share < 0 and not back.alarm


def test_nodata_of_either_date_counts_for_nothing() -> None:
    first, second = pair(0.3, 1)
    hidden = np.zeros(first.shape, dtype=bool)
    hidden[:, :32] = True
    blind = detect_change(first, np.where(hidden, 255, second), {BASALT}, {CALCITE}, side=SIDE, seed=1)
    cut = detect_change(first[:, 32:], second[:, 32:], {BASALT}, {CALCITE}, side=SIDE, seed=1)
    assert (blind.share, blind.blocks) == (cut.share, cut.blocks)


def test_maps_that_cannot_be_compared_are_refused() -> None:
    first, second = pair(0.1, 2)
    cases = {
        "different sizes": (first, second[:32], {BASALT}, {CALCITE}),
        "at once": (first, second, {BASALT, CALCITE}, {CALCITE}),
        "too few": (first[:8, :24], second[:8, :24], {BASALT}, {CALCITE}),
    }
    for sentence, (one, other, feedstock, products) in cases.items():
        with pytest.raises(OutcropError, match=sentence):
            detect_change(one, other, feedstock, products, side=SIDE, seed=1)
