"""The reference that the networks must beat: a random forest on the same cells and labels."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outcrop.params import Forest
from outcrop.survey.patches import Batch

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

Array = NDArray[np.float32]


def cell_features(batch: Batch, footprint: int) -> Array:
    """(N, features): every band's mean over the centre cell, and its mean and deviation over the footprint."""
    parts = []
    for patches in batch.patches.values():
        side = patches.shape[-1]
        centre = max(1, side // footprint)
        first = (side - centre) // 2
        own = patches[:, :, first : first + centre, first : first + centre]
        parts += [own.mean(axis=(2, 3)), patches.mean(axis=(2, 3)), patches.std(axis=(2, 3))]
    return np.concatenate(parts, axis=1)


def fit_forest(features: Array, labels: NDArray[np.int64], params: Forest, seed: int) -> "RandomForestClassifier":
    """Balanced random forest of ``params.trees`` trees."""
    from sklearn.ensemble import RandomForestClassifier  # 2 s: only where a forest is grown

    forest = RandomForestClassifier(
        params.trees, min_samples_leaf=2, class_weight="balanced_subsample", random_state=seed, n_jobs=-1
    )
    return forest.fit(features, labels)


def score_forest(forest: "RandomForestClassifier", features: Array, classes: int) -> Array:
    """Probabilities (N, classes); a class that the forest never saw gets 0."""
    probabilities = np.zeros((len(features), classes), dtype=np.float32)
    probabilities[:, forest.classes_] = forest.predict_proba(features)
    return probabilities
