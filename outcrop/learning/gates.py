"""The promotion gate: is a challenger better than the champion, beyond what the choice of test blocks explains?

Both are scored on the same cells; the bootstrap draws whole blocks and is paired. With few blocks a percentile interval
is too narrow, so its level is widened as a t interval's would be (Hesterberg, "What Teachers Should Know About the
Bootstrap", The American Statistician 69(4), 2015, section 3.3, the expanded percentile interval).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from outcrop.learning.metrics import Scored, Sums, block_sums, class_f1, paired_weights, scalars
from outcrop.params import Promote

Verdict = Literal["promoted", "kept", "inconclusive"]
#: One-sided error of every test.
LEVEL = 0.025
#: A gain in macro-F1 that the gate should not miss, and how often it should see it.
WORTHWHILE, POWER = 0.03, 0.8
#: Test blocks up to which is told how many that takes.
MOST_BLOCKS = 2000
#: A class or a site that occurs in fewer blocks cannot be judged by itself.
FEWEST_BLOCKS = 3


@dataclass(frozen=True)
class Difference:
    """Challenger less champion, its two-sided interval at twice `LEVEL`, and the blocks that it rests on."""

    value: float
    low: float
    high: float
    blocks: int

    def __str__(self) -> str:
        return f"{self.value:+.3f} ({self.low:+.3f} to {self.high:+.3f})"


@dataclass(frozen=True)
class Power:
    """How often these test blocks show a gain of `WORTHWHILE`, and how many show it in `POWER` of all cases.

    ``blocks`` is None where not even `MOST_BLOCKS` do.
    """

    share: float
    blocks: int | None

    def __str__(self) -> str:
        needed = f"about {self.blocks}" if self.blocks else f"more than {MOST_BLOCKS}"
        return (
            f"a gain of {WORTHWHILE:g} shows in {self.share:.0%} of cases on as many blocks; "
            f"for {POWER:.0%} it takes {needed}"
        )


@dataclass(frozen=True)
class Burden:
    """What a challenger costs to run: median latency of one patch, and the bytes of its weights."""

    latency_ms: float
    bytes: int


@dataclass(frozen=True)
class Judgement:
    """What the gate says, and all that it looked at; ``unjudged``: classes and sites in too few blocks.

    ``power`` tells what the test could have shown; None where the models agree everywhere, or nothing was compared.
    """

    verdict: Verdict
    reason: str
    macro_f1: Difference | None = None
    ece: Difference | None = None
    classes: dict[str, Difference] | None = None
    sites: dict[str, Difference] | None = None
    unjudged: tuple[str, ...] = ()
    power: Power | None = None


def over_budget(burden: Burden, budget: Promote) -> list[str]:
    """Which budgets a challenger exceeds, in words."""
    found = []
    if burden.latency_ms > budget.latency_ms:
        found.append(f"a patch takes {burden.latency_ms:.1f} ms, allowed are {budget.latency_ms:g}")
    if burden.bytes > budget.size_mb * 1e6:
        found.append(f"its weights have {burden.bytes / 1e6:.1f} MB, allowed are {budget.size_mb:g}")
    return found


def judge(
    champion: Scored,
    challenger: Scored,
    classes: Sequence[str],
    sites: Sequence[str],
    burden: Burden,
    budget: Promote,
    *,
    bins: int,
    seed: int,
) -> Judgement:
    """Hold a challenger against the champion.

    Promoted is what has a higher macro-F1 for certain, and no veto: a class or a site that gets worse for certain, a
    calibration error that grows for certain, or a budget that is exceeded.

    Parameters
    ----------
    champion, challenger : scored on the same cells
    classes : names, in the order of the probabilities
    sites : the site of every block, in the order of the blocks' numbers
    bins : of the calibration error
    """
    sums = [block_sums(scored, bins) for scored in (champion, challenger)]
    blocks = len(sums[0].log_loss)
    if blocks < FEWEST_BLOCKS:
        return Judgement("inconclusive", f"the test has only {blocks} blocks")
    weights = paired_weights(blocks, budget.draws, seed)
    drawn = [part.weighted(weights) for part in sums]
    before, after = (scalars(part) for part in drawn)
    macro_f1 = _difference(before["macro_f1"], after["macro_f1"], blocks)
    ece = _difference(before["ece"], after["ece"], blocks)
    by_class = dict(_by_class(sums[0], drawn, classes))
    by_site = dict(_by_site(sums, sites, budget.draws, seed))
    vetoes = over_budget(burden, budget)
    vetoes += [f"class {name} gets worse: {found}" for name, found in by_class.items() if found and found.high < 0]
    vetoes += [f"site {name} gets worse: {found}" for name, found in by_site.items() if found and found.high < 0]
    if ece.low > 0:
        vetoes.append(f"calibration gets worse: ECE {ece}")
    power = power_of(after["macro_f1"] - before["macro_f1"], blocks)
    verdict, reason = _decide(macro_f1, vetoes, power)
    judged_classes, judged_sites = (
        {name: found for name, found in each.items() if found} for each in (by_class, by_site)
    )
    unjudged = tuple(name for each in (by_class, by_site) for name, found in each.items() if found is None)
    return Judgement(verdict, reason, macro_f1, ece, judged_classes, judged_sites, unjudged, power)


def _decide(macro_f1: Difference, vetoes: Sequence[str], power: Power | None) -> tuple[Verdict, str]:
    if vetoes:
        return "kept", "; ".join(vetoes)
    if macro_f1.low > 0:
        return "promoted", f"macro-F1 {macro_f1} against the champion"
    if macro_f1.high < 0:
        return "kept", f"the challenger is worse: macro-F1 {macro_f1}"
    told = f"; {power}" if power else ""
    return "inconclusive", f"macro-F1 {macro_f1} on {macro_f1.blocks} blocks: the interval holds 0{told}"


def _by_class(champion: Sums, drawn: Sequence[Sums], classes: Sequence[str]) -> Iterator[tuple[str, Difference | None]]:
    before, after = (class_f1(part.confusion) for part in drawn)
    blocks = (champion.confusion.sum(axis=2) > 0).sum(axis=0)
    for place, name in enumerate(classes):
        if blocks[place]:
            yield name, _difference_if(before[:, place], after[:, place], int(blocks[place]))


def _by_site(
    sums: Sequence[Sums], sites: Sequence[str], draws: int, seed: int
) -> Iterator[tuple[str, Difference | None]]:
    for name in dict.fromkeys(sites):
        own = np.flatnonzero([site == name for site in sites])
        weights = paired_weights(len(own), draws, seed)
        before, after = (
            scalars(Sums(part.confusion[own], part.log_loss[own], part.calibration[own]).weighted(weights))["macro_f1"]
            for part in sums
        )
        yield name, _difference_if(before, after, len(own))


def _difference_if(before: NDArray[np.float64], after: NDArray[np.float64], blocks: int) -> Difference | None:
    return _difference(before, after, blocks) if blocks >= FEWEST_BLOCKS else None


def _difference(before: NDArray[np.float64], after: NDArray[np.float64], blocks: int) -> Difference:
    """Of two metrics (1 + draws,) under the same `paired_weights`."""
    difference = after - before
    tail = expanded_level(blocks)
    low, high = np.nanquantile(difference[1:], [tail, 1 - tail])
    return Difference(float(difference[0]), float(low), float(high), blocks)


def expanded_level(blocks: int) -> float:
    """The percentile of the expanded interval: Phi(-sqrt(n / (n - 1)) t(1 - level, n - 1))."""
    wider = np.sqrt(blocks / (blocks - 1)) * stats.t.ppf(1 - LEVEL, blocks - 1)
    return float(stats.norm.cdf(-wider))


def power_of(difference: NDArray[np.float64], blocks: int) -> Power | None:
    """What a test on so many blocks can show, by the spread (1 + draws,) of a difference under `paired_weights`.

    The power of a one-sided t test at `LEVEL`, whose error falls with the root of the number of blocks.
    """
    error = float(np.nanstd(difference[1:], ddof=1)) * np.sqrt(blocks / (blocks - 1))
    if error == 0:
        return None
    asked = np.array([blocks, *range(FEWEST_BLOCKS, MOST_BLOCKS + 1)])
    away = WORTHWHILE / error * np.sqrt(asked / blocks)
    shares = stats.nct.sf(stats.t.ppf(1 - LEVEL, asked - 1), asked - 1, away)
    enough = asked[1:][shares[1:] >= POWER]
    return Power(float(shares[0]), int(enough[0]) if len(enough) else None)
