"""How often the promotion gate errs: simulated challengers that are as good as the champion, or three points better.

Champion and challenger share what makes a cell and a block hard, as two models trained on the same sites do; how good
each is in the population is set, and known.
"""

from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from outcrop.learning.gates import LEVEL, MOST_BLOCKS, Burden, judge
from outcrop.learning.metrics import Scored, block_sums, scalars
from outcrop.params import Promote

CELLS, CLASSES, SITES = 150, 12, 3
#: Shares of the noise of cells and of blocks that the two models have in common.
SHARED = 0.8
#: How far the classes of a cell stand apart for the champion, and how much noise a block adds to that of its cells.
SKILL, BLOCK_NOISE = 2.2, 0.5
#: Rarest to most frequent class, one to so many.
SPAN = 10.0
BUDGET = Promote(latency_ms=50, size_mb=20, draws=1000, signature_days=365)


@dataclass(frozen=True)
class Design:
    """Blocks of the test, and by how much the challenger's skill exceeds the champion's."""

    blocks: int
    gain: float


def simulate(design: Design, seed: int) -> tuple[Scored, Scored]:
    """Champion and challenger on the same cells of new blocks."""
    rng = np.random.default_rng([seed, design.blocks])
    share = np.geomspace(1, SPAN, CLASSES)
    # A block holds few of the classes, as rocks do.
    mixes = rng.gamma(0.35 * share / share.mean(), size=(design.blocks, CLASSES)) + 1e-9
    mixes /= mixes.sum(axis=1, keepdims=True)
    labels = np.concatenate([rng.choice(CLASSES, CELLS, p=mix) for mix in mixes])
    blocks = np.repeat(np.arange(design.blocks), CELLS)
    cell, block = (rng.normal(size=(rows, CLASSES)) for rows in (len(labels), design.blocks))
    models = []
    for skill in (SKILL, SKILL + design.gain):
        own_cell, own_block = (rng.normal(size=each.shape) for each in (cell, block))
        noise = _mixed(cell, own_cell) + BLOCK_NOISE * _mixed(block, own_block)[blocks]
        logits = skill * np.eye(CLASSES)[labels] + noise
        # The logits that are calibrated: the noise is normal, of this variance.
        logits *= skill / (1 + BLOCK_NOISE**2)
        odds = np.exp(logits - logits.max(axis=1, keepdims=True))
        models.append(Scored(labels, (odds / odds.sum(axis=1, keepdims=True)).astype(np.float32), blocks))
    return models[0], models[1]


def _mixed(shared: NDArray[np.float64], own: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.sqrt(SHARED) * shared + np.sqrt(1 - SHARED) * own


def macro_f1(scored: Scored) -> float:
    """Of all cells."""
    sums = block_sums(scored, bins=1)
    return float(scalars(sums.weighted(np.ones(len(sums.log_loss))))["macro_f1"])


def gain_of(points: float, blocks: int = 2000) -> float:
    """The additional skill that raises macro-F1 by so much in the population, by bisection on a very large test."""
    low, high = 0.0, 1.0
    for _ in range(12):
        middle = (low + high) / 2
        champion, challenger = simulate(Design(blocks, middle), seed=1)
        low, high = (low, middle) if macro_f1(challenger) - macro_f1(champion) > points else (middle, high)
    return (low + high) / 2


def linearised(champion: Scored, challenger: Scored) -> float:
    """t of the difference in macro-F1, its error by the influence of every block: F1 = 2 tp / (true + predicted)."""
    (before, pull), (after, push) = (_influence(scored) for scored in (champion, challenger))
    blocks = len(push)
    return float((after - before) / np.sqrt(blocks / (blocks - 1) * ((push - pull) ** 2).sum()))


def _influence(scored: Scored) -> tuple[float, NDArray[np.float64]]:
    """Macro-F1, and by how much every block (B,) moves it."""
    confusion = block_sums(scored, bins=1).confusion.astype(float)
    right, named = np.einsum("bii->bi", confusion), confusion.sum(axis=2) + confusion.sum(axis=1)
    there = confusion.sum(axis=(0, 2)) > 0
    whole = np.maximum(named.sum(axis=0), 1)
    f1 = 2 * right.sum(axis=0) / whole
    return float(f1[there].mean()), ((2 * right - f1 * named) / whole)[:, there].mean(axis=1)


def log_losses(champion: Scored, challenger: Scored) -> float:
    """t of the difference in log loss: of another thing than macro-F1, but of every probability."""
    before, after = (block_sums(scored, bins=1).log_loss for scored in (champion, challenger))
    return float(stats.ttest_1samp(before - after, 0).statistic)


#: Tests that might tell more: t statistics of a pair.
OTHERS = {"linearised": linearised, "log_loss": log_losses}


def shares(design: Design, challengers: int) -> dict[str, float]:
    """Share of the challengers that met each verdict, and the mean difference in macro-F1.

    With them, what the gate itself says of its blocks: how often they show a worthwhile gain (the mean), and how many
    blocks it asks for (the median).
    """
    names = [f"class {place}" for place in range(CLASSES)]
    sites = [f"site {place * SITES // design.blocks}" for place in range(design.blocks)]
    verdicts, differences, powers, needed = Counter[str](), [], [], []
    others: Counter[str] = Counter()
    critical = stats.t.ppf(1 - LEVEL, design.blocks - 1)
    for seed in range(challengers):
        pair = simulate(design, seed + 100)
        judged = judge(*pair, names, sites, Burden(1.0, 1), BUDGET, bins=15, seed=seed)
        assert judged.macro_f1 is not None and judged.power is not None
        verdicts[judged.verdict] += 1
        differences.append(judged.macro_f1.value)
        powers.append(judged.power.share)
        needed.append(judged.power.blocks or MOST_BLOCKS)
        others.update(name for name, test in OTHERS.items() if test(*pair) > critical)
    told = {name: verdicts[name] / challengers for name in ("promoted", "kept", "inconclusive")}
    told |= {name: others[name] / challengers for name in OTHERS}
    return told | {
        "difference": float(np.mean(differences)),
        "power": float(np.mean(powers)),
        "needed": float(np.median(needed)),
    }
