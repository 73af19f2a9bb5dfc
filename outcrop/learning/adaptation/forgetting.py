"""How much a head forgets at home, and how much must be rehearsed so that it does not forget too much."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from outcrop.learning.adaptation.heads import Array, Classes, Head
from outcrop.learning.adaptation.redistillation import Pairs
from outcrop.learning.metrics import Scored, block_sums, scalars

#: Standard errors to the upper end of a one-sided 95 % interval.
ONE_SIDED = 1.645


@dataclass(frozen=True)
class Ground:
    """Labelled cells of the sources: ``features`` (n, d), ``classes`` (n,) and ``blocks`` (n,)."""

    features: Array
    classes: Classes
    blocks: NDArray[np.int64]

    def scores(self, head: Head) -> Array:
        """Macro-F1 of a head over the classes that are there (1 + blocks,): of all cells, and without each block."""
        said = head.probabilities(self.features).astype(np.float32)
        sums = block_sums(Scored(self.classes, said, self.blocks), bins=1)
        blocks = len(sums.log_loss)
        without_each = 1 - np.eye(blocks) if blocks > 1 else np.ones((1, 1))
        return scalars(sums.weighted(np.vstack([np.ones(blocks), without_each])))["macro_f1"]


@dataclass(frozen=True)
class Home:
    """What must not be forgotten: ``held_out`` cells of validation blocks, and ``learnt`` ones of training blocks.

    Validation blocks say what ground costs that was not learnt, but may be few. Training blocks are more: a loss that
    they do not exclude with 95 % is believed, too.
    """

    held_out: Ground
    learnt: Ground

    def scores(self, head: Head) -> tuple[Array, Array]:
        """Of a head, on the held-out and on the learnt cells; see `Ground.scores`."""
        return self.held_out.scores(head), self.learnt.scores(head)

    def forgets(self, before: tuple[Array, Array], head: Head, limit: float) -> bool:
        """Whether a head has lost more macro-F1 than a limit, as against the scores ``before``."""
        (held_out, _), (learnt, error) = (lost(*pair) for pair in zip(before, self.scores(head), strict=True))
        return held_out > limit or learnt + ONE_SIDED * error > limit


def lost(before: Array, after: Array) -> tuple[float, float]:
    """Loss between two `Ground.scores`, and its standard error by the jackknife over blocks (Efron & Stein 1981)."""
    difference = before - after
    without_each = difference[1:]
    spread = (len(without_each) - 1) * np.mean((without_each - without_each.mean()) ** 2)
    return float(difference[0]), float(np.sqrt(spread))


def rehearse_enough(
    pairs: Pairs, source: Head, teacher: Head, forgets: Callable[[Head], bool], rehearsals: Sequence[float]
) -> Pairs:
    """The pairs with the least rehearsal by which what the teacher says costs little at home.

    Parameters
    ----------
    forgets : whether a head costs too much
    rehearsals : that are tried; see `Pairs`. The greatest is taken where none is enough
    """
    nowhere = pairs.places[:0]
    tried = [replace(pairs, rehearsal=strength) for strength in sorted(rehearsals)]
    return next((each for each in tried if not forgets(each.taught(source, teacher, nowhere, 0))), tried[-1])
