"""Calibration by one number: how sure the model may be.

The labels' class shares are left out of it: leaving source sites out, a second number that weighs them cost accuracy at
the new site and at home.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from outcrop.learning.adaptation.heads import Array, Classes, Head

#: Standard deviation of the prior of log temperature.
SPREAD = 0.5
#: Log temperatures that are looked at: four of the prior's deviations.
BOUNDS = (-4 * SPREAD, 4 * SPREAD)


@dataclass(frozen=True)
class Calibration:
    """Logits / ``temperature``; the default changes nothing."""

    temperature: float = 1.0

    def logits(self, logits: Array) -> Array:
        """(n, classes) -> the same, calibrated."""
        return logits / self.temperature

    def head(self, head: Head) -> Head:
        """A head whose logits are calibrated as they are."""
        return Head(head.weight / self.temperature, head.bias / self.temperature)


def fit_calibration(logits: Array, classes: Classes) -> Calibration:
    """Most probable temperature under a prior around no change.

    Parameters
    ----------
    logits : (n, classes) of cells that the model did not learn from
    classes : (n,)
    """
    rows = np.arange(len(classes))

    def loss(log_temperature: float) -> float:
        said = log_softmax(logits * np.exp(-log_temperature), axis=1)
        return float(-said[rows, classes].sum() + (log_temperature / SPREAD) ** 2 / 2)

    found = minimize_scalar(loss, bounds=BOUNDS, method="bounded")
    return Calibration(float(np.exp(found.x)))
