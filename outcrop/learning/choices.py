"""Which of two models to use: decided on validation blocks, never on those that are reported."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from outcrop.learning.metrics import Scored, block_sums, bootstrap_weights, interval, scalars


@dataclass(frozen=True)
class Choice:
    """Which model is the student, and the macro-F1 that distillation gains on validation blocks."""

    kept: Literal["distilled", "control"]
    gain: float
    interval: tuple[float, float]


def choose_student(control: Scored, distilled: Scored, *, draws: int, seed: int) -> Choice:
    """Keep the distilled student unless its macro-F1 is lower than that of its control on the same cells."""
    sums = [block_sums(scored, bins=1) for scored in (control, distilled)]
    weights = bootstrap_weights(len(sums[0].log_loss), draws, seed)
    before, after = (
        scalars(part.weighted(np.concatenate([np.ones((1, weights.shape[1])), weights])))["macro_f1"] for part in sums
    )
    gain = after - before
    low, high = interval(gain[1:])
    return Choice("distilled" if gain[0] >= 0 else "control", float(gain[0]), (low, high))
