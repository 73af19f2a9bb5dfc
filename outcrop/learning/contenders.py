"""What a search found: the defaults, what differential evolution and what chance came upon, and which of them won."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from math import isfinite
from statistics import fmean
from typing import Any

from scipy.stats import spearmanr

from outcrop.learning.spaces import Candidate
from outcrop.learning.trials import Outcome


@dataclass(frozen=True)
class Contender:
    """A candidate that was trained in full: ``low`` scored while searching, ``full`` on each of the new seeds."""

    candidate: Candidate
    low: Outcome
    full: tuple[Outcome, ...]

    @property
    def loss(self) -> float:
        """Mean loss over the new seeds: what decides."""
        return fmean(outcome.loss for outcome in self.full)

    @property
    def macro_f1(self) -> float:
        """Mean macro-F1 over the new seeds."""
        return fmean(outcome.macro_f1 for outcome in self.full)

    @property
    def nll(self) -> float:
        """Mean negative log-likelihood over the new seeds."""
        return fmean(outcome.nll for outcome in self.full)


@dataclass(frozen=True)
class Arm:
    """One way of searching: its distinct candidates in the order in which it came upon them, and the best in full."""

    name: str
    candidates: tuple[Candidate, ...]
    low: tuple[Outcome, ...]
    promoted: tuple[Contender, ...]

    @property
    def best(self) -> Contender:
        """The promoted candidate of the lowest mean loss."""
        return _best(self.promoted)

    @property
    def curve(self) -> tuple[float, ...]:
        """Lowest loss so far after each trial."""
        return tuple(accumulate((outcome.loss for outcome in self.low), min))

    @property
    def seconds(self) -> float:
        """What it would have taken by itself, one trial after another."""
        return sum(each.seconds for each in self.low) + _seconds(self.promoted)


@dataclass(frozen=True)
class Result:
    """A finished search. All scores are of the validation blocks.

    The winner's score is flattered: it is the best of several, each a mean over few seeds. The test blocks, which no
    search sees, tell what it is worth.
    """

    seed: int
    fidelity: float
    new_seeds: tuple[int, ...]
    defaults: Contender
    evolved: Arm
    random: tuple[Arm, ...]
    notes: tuple[str, ...]

    @property
    def arms(self) -> tuple[Arm, ...]:
        """Differential evolution and the random searches."""
        return (self.evolved, *self.random)

    @property
    def winner(self) -> Contender:
        """The lowest mean loss of all that were trained in full; of equals the defaults, then evolution's."""
        return _best(self.contenders)

    @property
    def found_by(self) -> str:
        """Name of the arm that the winner is from, or ``defaults``."""
        return next((arm.name for arm in self.arms if self.winner in arm.promoted), "defaults")

    @property
    def gains(self) -> tuple[float, ...]:
        """Macro-F1 of the winner less that of the defaults, seed by seed."""
        pairs = zip(self.winner.full, self.defaults.full, strict=True)
        return tuple(won.macro_f1 - default.macro_f1 for won, default in pairs)

    @property
    def contenders(self) -> tuple[Contender, ...]:
        """All distinct candidates that were trained in full, the defaults first."""
        found = [self.defaults, *(each for arm in self.arms for each in arm.promoted)]
        return tuple({each.candidate: each for each in found}.values())

    @property
    def rank_correlation(self) -> float | None:
        """Spearman's, of the losses while searching and in full; None of fewer than three or of equal losses.

        Only the best are trained in full, and among those that score alike ranks agree less than among all.
        """
        low, full = [each.low.loss for each in self.contenders], [each.loss for each in self.contenders]
        if len(low) < 3 or len(set(low)) == 1 or len(set(full)) == 1:
            return None
        return float(spearmanr(low, full).statistic)

    def as_rows(self) -> list[dict[str, Any]]:
        """A table: the defaults and each arm's best, with what finding it cost."""
        seconds = self.defaults.low.seconds + _seconds([self.defaults])
        rows = [_row("defaults", self.defaults, [self.defaults.low], [self.defaults], seconds)]
        return rows + [
            _row(arm.name, arm.best, arm.low, arm.promoted, arm.seconds) for arm in self.arms if arm.promoted
        ]

    def trials(self) -> list[dict[str, Any]]:
        """Every trial, as plain values: those of an arm in its order, then those in full.

        A trial that several arms share stands once, with the first.
        """
        found = [("defaults", self.defaults.candidate, self.defaults.low)]
        found += [(arm.name, *each) for arm in self.arms for each in zip(arm.candidates, arm.low, strict=True)]
        rows: dict[Candidate, dict[str, Any]] = {}
        for name, candidate, low in found:
            rows.setdefault(candidate, _trial(name, candidate, self.fidelity, self.seed, low))
        owners = {each.candidate: arm.name for arm in reversed(self.arms) for each in arm.promoted}
        return [*rows.values()] + [
            _trial(owners.get(each.candidate, "defaults"), each.candidate, 1.0, seed, outcome)
            for each in self.contenders
            for seed, outcome in zip(self.new_seeds, each.full, strict=True)
        ]

    def dump(self) -> dict[str, Any]:
        """The whole as plain values, for JSON."""
        return {
            "seed": self.seed,
            "fidelity": self.fidelity,
            "new_seeds": list(self.new_seeds),
            "winner": {
                "found_by": self.found_by,
                "values": dict(self.winner.candidate.values),
                "macro_f1": _plain(self.winner.macro_f1),
                "nll": _plain(self.winner.nll),
                "gains": [_plain(gain) for gain in self.gains],
            },
            "defaults": dict(self.defaults.candidate.values),
            "rank_correlation": self.rank_correlation,
            "rows": self.as_rows(),
            "curves": {arm.name: list(arm.curve) for arm in self.arms},
            "trials": self.trials(),
            "notes": list(self.notes),
        }


def _best(contenders: Iterable[Contender]) -> Contender:
    return min(contenders, key=lambda contender: contender.loss)


def _seconds(contenders: Iterable[Contender]) -> float:
    return sum(outcome.seconds for contender in contenders for outcome in contender.full)


def _plain(value: float) -> float | None:
    """JSON knows no NaN."""
    return value if isfinite(value) else None


def _row(
    name: str, best: Contender, low: Sequence[Outcome], full: Sequence[Contender], seconds: float
) -> dict[str, Any]:
    return {
        "found_by": name,
        "trials": len(low),
        "trained_in_full": len(full),
        "best_low_macro_f1": _plain(min(low, key=lambda outcome: outcome.loss).macro_f1),
        "macro_f1": _plain(best.macro_f1),
        "nll": _plain(best.nll),
        "macro_f1_by_seed": [_plain(outcome.macro_f1) for outcome in best.full],
        "seconds": seconds,
    }


def _trial(name: str, candidate: Candidate, fidelity: float, seed: int, outcome: Outcome) -> dict[str, Any]:
    return {
        "found_by": name,
        "values": dict(candidate.values),
        "fidelity": fidelity,
        "seed": seed,
        "loss": outcome.loss,
        **{key: _plain(value) for key, value in asdict(outcome).items()},
    }
