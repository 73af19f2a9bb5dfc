"""Where to label next: where the model is unsure, what is unlike the labels there are, and what can be reached."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.learning.adaptation.heads import Array
from outcrop.learning.adaptation.redistillation import Places


@dataclass(frozen=True)
class NextPoint:
    """A place to label: its cell, how urgent it is (0-1 each), and the two classes between which the model is torn."""

    rank: int
    scene: int
    row: int
    col: int
    uncertainty: float
    diversity: float
    reachability: float
    likeliest: int
    second: int


def rank_points(
    probabilities: Array,
    features: Array,
    places: Places,
    blocks: NDArray[np.int64],
    reachability: Array,
    labelled: Array,
    number: int,
) -> list[NextPoint]:
    """Pick places one after the other, each with the highest product of the three.

    Uncertainty is the entropy of the class probabilities as a share of the highest possible; diversity the distance in
    features to the nearest cell that is labelled or picked already, as a share of the largest (Sener & Savarese 2018,
    ICLR, core sets). A block that k places were picked in counts 1 / (1 + k): a walk should show many corners.

    Parameters
    ----------
    probabilities : (m, classes) of unlabelled cells
    features : (m, d)
    places : (m, 3)
    blocks : (m,) the block that each lies in
    reachability : (m,) 0-1
    labelled : (n, d) features of the labels that there are
    """
    spread = np.maximum(features.std(axis=0), 1e-12)
    x, known = features / spread, labelled / spread
    safe = np.maximum(probabilities, 1e-12)
    uncertainty = -(safe * np.log(safe)).sum(axis=1) / np.log(probabilities.shape[1])
    away = np.min(np.stack([np.linalg.norm(x - each, axis=1) for each in known]), axis=0)
    furthest = max(float(away.max()), 1e-12)
    ordered = np.argsort(probabilities, axis=1)
    picked: list[NextPoint] = []
    visits = np.zeros(int(blocks.max()) + 1)
    for rank in range(1, min(number, len(x)) + 1):
        diversity = away / furthest
        best = int(np.argmax(uncertainty * diversity * reachability / (1 + visits[blocks])))
        scene, row, col = map(int, places[best])
        values = (float(uncertainty[best]), float(diversity[best]), float(reachability[best]))
        classes = (int(ordered[best, -1]), int(ordered[best, -2]))
        picked.append(NextPoint(rank, scene, row, col, *values, *classes))
        visits[blocks[best]] += 1
        away = np.minimum(away, np.linalg.norm(x - x[best], axis=1))
    return picked
