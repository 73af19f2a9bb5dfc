"""How much a head forgets at home, and how much must be rehearsed so that it does not forget too much."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sklearn.metrics import f1_score

from outcrop.learning.adaptation.heads import Array, Classes, Head
from outcrop.learning.adaptation.redistillation import Pairs


@dataclass(frozen=True)
class Home:
    """Labelled cells of the sources that no model was trained on: ``features`` (n, d) and ``classes`` (n,)."""

    features: Array
    classes: Classes

    def macro_f1(self, head: Head) -> float:
        """Macro-F1 of a head over the classes that are there."""
        said = head.logits(self.features).argmax(axis=1)
        return float(f1_score(self.classes, said, labels=sorted(set(self.classes.tolist())), average="macro"))


def rehearse_enough(
    pairs: Pairs, source: Head, teacher: Head, home: Home, rehearsals: Sequence[float], floor: float
) -> Pairs:
    """The pairs with the least rehearsal by which what the teacher says costs little at home.

    Parameters
    ----------
    rehearsals : that are tried; see `Pairs`. The greatest is taken where none is enough
    floor : macro-F1 on ``home`` that is enough
    """
    nowhere = pairs.places[:0]
    tried = [replace(pairs, rehearsal=strength) for strength in sorted(rehearsals)]
    enough = (each for each in tried if home.macro_f1(each.taught(source, teacher, nowhere, 0)) >= floor)
    return next(enough, tried[-1])
