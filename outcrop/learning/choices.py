"""Which of two models to use: decided on validation blocks, never on those that are reported."""

from dataclasses import dataclass
from typing import Literal

from outcrop.learning.metrics import Scored, block_sums, estimate, paired_weights, scalars


@dataclass(frozen=True)
class Choice:
    """Which model is the student, and the macro-F1 that distillation gains on validation blocks."""

    kept: Literal["distilled", "control"]
    gain: float
    interval: tuple[float, float]


def choose_student(control: Scored, distilled: Scored, *, draws: int, seed: int) -> Choice:
    """Keep the distilled student unless its macro-F1 is lower than that of its control on the same cells."""
    sums = [block_sums(scored, bins=1) for scored in (control, distilled)]
    weights = paired_weights(len(sums[0].log_loss), draws, seed)
    before, after = (scalars(part.weighted(weights))["macro_f1"] for part in sums)
    gain = estimate(after - before)
    return Choice("distilled" if gain.value >= 0 else "control", gain.value, (gain.low, gain.high))
