"""Teaching the student's head once more at the new site: what the teacher says of cells that nobody has labelled.

The teacher sees all sensors of the site and learns the site's labels first; the student then learns from it on every
unlabelled pair, of which there are thousands where there are twenty labels.
"""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from outcrop.learning.adaptation.heads import Array, Head, with_one

#: Places of cells (n, 3): scene, row, column.
Places = NDArray[np.intp]


@dataclass(frozen=True)
class Pairs:
    """Unlabelled cells that student and teacher both see.

    Parameters
    ----------
    student, teacher : (m, d) features of the same cells, in front of either's last layer
    places : (m, 3)
    weights : (m,) how much each counts
    rehearsed : (r, d) features that the student has of cells of the source sites
    shares : (r,) how much each of them counts, of one
    ridge : how strongly the student's head is held at the source's, in all directions
    rehearsal : how much the rehearsed cells count together, as a share of what the pairs count: what the head says of
        them is to stay
    smoothing : share of a uniform distribution that is mixed into what the teacher says
    """

    student: Array
    teacher: Array
    places: Places
    weights: Array
    rehearsed: Array
    shares: Array
    ridge: float
    rehearsal: float
    smoothing: float

    @cached_property
    def _ones(self) -> Array:
        return with_one(self.student)

    @cached_property
    def _gram(self) -> Array:
        x = self._ones
        again = with_one(self.rehearsed)
        held = self.rehearsal * self.weights.sum() * (again * self.shares[:, None]).T @ again
        return np.asarray((x * self.weights[:, None]).T @ x + held + self.ridge * np.eye(x.shape[1]))

    @cached_property
    def _factor(self) -> Any:
        return cho_factor(self._gram)

    def taught(self, source: Head, teacher: Head, asked: Places, reach: int) -> Head:
        """The student's head after regressing on the teacher's smoothed log-probabilities (Ba & Caruana 2014, NIPS).

        Weighted ridge regression, held at ``source`` everywhere and at what it says of the rehearsed cells (Li & Hoiem
        2016, ECCV, learning without forgetting). Log-probabilities are centred: a head's logits mean the
        same when a number is added to all. Pairs within ``reach`` cells of a place that is ``asked`` about are left
        out: their patches show what would be asked.
        """
        near = self.near(asked, reach)
        said = teacher.probabilities(self.teacher)
        wanted = np.log((1 - self.smoothing) * said + self.smoothing / said.shape[1])
        lacking = wanted - wanted.mean(axis=1, keepdims=True) - source.logits(self.student)
        pulled = self._ones.T @ (lacking * np.where(near, 0.0, self.weights)[:, None])
        return source.moved(np.asarray(cho_solve(self._without(near), pulled)).T)

    def near(self, asked: Places, reach: int) -> NDArray[np.bool_]:
        """Which pairs (m,) lie within ``reach`` cells of a place."""
        near = np.zeros(len(self.places), dtype=bool)
        for scene, row, col in asked:
            away = np.abs(self.places[:, 1:] - (row, col)).max(axis=1)
            near |= (self.places[:, 0] == scene) & (away <= reach)
        return near

    def _without(self, near: NDArray[np.bool_]) -> Any:
        if not near.any():
            return self._factor
        x = self._ones[near]
        return cho_factor(self._gram - (x * self.weights[near, None]).T @ x)

    def balanced(self, said: Array, again: Array, power: float) -> "Pairs":
        """The same, the cells of rare classes weighted up.

        Parameters
        ----------
        said, again : (m, classes), (r, classes) predicted probabilities of the pairs and of the rehearsed cells
        power : 0 leaves all cells equal, 1 gives every predicted class the same weight
        """
        weights, shares = _rare_first(said, power), _rare_first(again, power)
        return replace(self, weights=weights / weights.mean(), shares=shares / shares.sum())


def _rare_first(said: Array, power: float) -> Array:
    """Weights (n,) of cells with predicted probabilities (n, classes); see `Pairs.balanced`."""
    usual = np.maximum(said.mean(axis=0), 1 / (4 * said.shape[1]))
    return np.asarray((said @ (1 / usual)) ** power)
