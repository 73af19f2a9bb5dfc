"""The promotion gate: what is promoted, kept or vetoed, with scores of a known truth."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from outcrop.learning.gates import LEVEL, POWER, WORTHWHILE, Burden, expanded_level, judge, power_of
from outcrop.learning.metrics import Scored
from outcrop.params import Promote

CLASSES = ("basalt", "olivine", "calcite")
BUDGET = Promote(latency_ms=10, size_mb=1, draws=400, signature_days=1)
LIGHT = Burden(latency_ms=1, bytes=1000)
BLOCKS, CELLS = 24, 40


def scored(right: float | dict[int, float], confidence: float = 0.8, seed: int = 0) -> Scored:
    """Scores that are right in this share of the cells, of each class or of all; the seed decides which."""
    labels = np.tile(np.arange(CELLS) % 3, BLOCKS)
    blocks = np.repeat(np.arange(BLOCKS), CELLS)
    share = right if isinstance(right, dict) else dict.fromkeys(range(3), right)
    hit = np.random.default_rng(seed).random(len(labels)) < np.vectorize(share.get)(labels)
    said = np.where(hit, labels, (labels + 1) % 3)
    probabilities = np.full((len(labels), 3), (1 - confidence) / 2, dtype=np.float32)
    probabilities[np.arange(len(labels)), said] = confidence
    return Scored(labels.astype(np.int64), probabilities, blocks)


def judged(champion: Scored, challenger: Scored, burden: Burden = LIGHT, sites: list[str] | None = None):  # type: ignore[no-untyped-def]
    places = sites or ["north"] * (BLOCKS // 2) + ["south"] * (BLOCKS // 2)
    return judge(champion, challenger, CLASSES, places, burden, BUDGET, bins=10, seed=0)


def worse_in_the_south() -> Scored:
    good, bad = scored(0.99), scored(0.55, seed=2)
    south = good.blocks >= BLOCKS // 2
    return replace(good, probabilities=np.where(south[:, None], bad.probabilities, good.probabilities))


CASES = [
    ("better everywhere", scored(0.6), scored(0.9, seed=1), LIGHT, "promoted", "macro-F1"),
    ("the same", scored(0.7), scored(0.7), LIGHT, "inconclusive", "holds 0"),
    ("worse", scored(0.9), scored(0.6, seed=1), LIGHT, "kept", "gets worse"),
    (
        "better, but a class gets worse",
        scored({0: 0.5, 1: 0.5, 2: 0.95}),
        scored({0: 0.9, 1: 0.9, 2: 0.5}, seed=1),
        LIGHT,
        "kept",
        "class calcite gets worse",
    ),
    ("better, but a site gets worse", scored(0.7), worse_in_the_south(), LIGHT, "kept", "site south gets worse"),
    ("better, but sure of itself", scored(0.8, 0.8), scored(0.86, 0.99, seed=1), LIGHT, "kept", "calibration"),
    ("better, but slow", scored(0.6), scored(0.9, seed=1), replace(LIGHT, latency_ms=11), "kept", "11.0 ms"),
    ("better, but large", scored(0.6), scored(0.9, seed=1), replace(LIGHT, bytes=2_000_000), "kept", "2.0 MB"),
]


@pytest.mark.parametrize(
    ("name", "champion", "challenger", "burden", "verdict", "reason"), CASES, ids=[case[0] for case in CASES]
)
def test_the_gate(name: str, champion: Scored, challenger: Scored, burden: Burden, verdict: str, reason: str) -> None:
    found = judged(champion, challenger, burden)
    assert found.verdict == verdict
    assert reason in found.reason


def test_what_is_in_too_few_blocks_is_named_and_not_judged() -> None:
    champion, challenger = scored(0.6), scored(0.9, seed=1)
    found = judged(champion, challenger, sites=["north"] * (BLOCKS - 2) + ["islet"] * 2)
    assert found.unjudged == ("islet",)
    assert set(found.sites or ()) == {"north"}
    few = champion.blocks < 2
    parts = [Scored(s.labels[few], s.probabilities[few], s.blocks[few]) for s in (champion, challenger)]
    assert judged(*parts, sites=["north", "north"]).verdict == "inconclusive"


@pytest.mark.parametrize("blocks", [10, 30])
def test_intervals_of_few_blocks_are_as_wide_as_students(blocks: int) -> None:
    """For a mean of normal values the expanded percentile interval is the t interval, up to the bootstrap's noise."""
    rng = np.random.default_rng(blocks)
    values = rng.normal(0, 1, blocks)
    drawn = rng.choice(values, (100_000, blocks)).mean(axis=1)
    low = np.quantile(drawn, expanded_level(blocks))
    expected = stats.t.interval(0.95, blocks - 1, values.mean(), values.std(ddof=1) / np.sqrt(blocks))[0]
    assert low == pytest.approx(expected, abs=0.12 * (values.mean() - expected))


@pytest.mark.parametrize(("blocks", "spread"), [(10, 0.03), (30, 0.07)])
def test_what_a_test_could_show_is_what_t_tests_show(blocks: int, spread: float) -> None:
    """Against t tests of simulated blocks: on as many, and on the number that is asked for."""
    rng = np.random.default_rng(blocks)
    values = rng.normal(0, 1, blocks)
    values = spread * (values - values.mean()) / values.std(ddof=1)
    drawn = rng.choice(values, (100_000, blocks)).mean(axis=1)
    power = power_of(np.concatenate([[0.0], drawn]), blocks)
    assert power is not None and power.blocks is not None
    for number, expected in ((blocks, power.share), (power.blocks, POWER)):
        gains = rng.normal(WORTHWHILE, spread, (20_000, number))
        seen = stats.ttest_1samp(gains, 0, axis=1, alternative="greater").pvalue < LEVEL
        assert seen.mean() == pytest.approx(expected, abs=0.03)


def test_an_inconclusive_verdict_says_how_many_blocks_it_takes() -> None:
    found = judged(scored(0.70), scored(0.71, seed=1))
    assert found.verdict == "inconclusive" and found.power is not None
    assert f"for 80% it takes about {found.power.blocks}" in found.reason
    assert judged(scored(0.7), scored(0.7)).power is None
