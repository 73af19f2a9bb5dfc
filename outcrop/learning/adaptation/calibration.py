"""Calibration with at most two numbers: how sure the model may be, and how much the labels' class shares count."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from outcrop.learning.adaptation.heads import Array, Classes, Head

#: Standard deviations of the priors of log temperature and of the weight of the class shares.
SPREADS = np.array([0.5, 0.5])


@dataclass(frozen=True)
class Calibration:
    """Logits / ``temperature`` + ``weight`` x log ``shares``; the default changes nothing."""

    temperature: float = 1.0
    weight: float = 0.0
    shares: NDArray[np.float64] | None = None

    def logits(self, logits: Array) -> Array:
        """(n, classes) -> the same, calibrated."""
        bias = 0.0 if self.shares is None else self.weight * np.log(self.shares)
        return logits / self.temperature + bias

    def head(self, head: Head) -> Head:
        """A head whose logits are calibrated as they are."""
        bias = 0.0 if self.shares is None else self.weight * np.log(self.shares)
        return Head(head.weight / self.temperature, head.bias / self.temperature + bias)


def fit_calibration(logits: Array, classes: Classes) -> Calibration:
    """Most probable temperature and weight under priors around no change; shares are the labels', plus one label each.

    Parameters
    ----------
    logits : (n, classes) of cells that the model did not learn from
    classes : (n,)
    """
    counts = np.bincount(classes, minlength=logits.shape[1]) + 1.0
    shares = counts / counts.sum()
    rows = np.arange(len(classes))

    def loss(values: Array) -> float:
        said = log_softmax(logits * np.exp(-values[0]) + values[1] * np.log(shares), axis=1)
        return float(-said[rows, classes].sum() + ((values / SPREADS) ** 2).sum() / 2)

    found = minimize(loss, np.zeros(2), method="L-BFGS-B")
    return Calibration(float(np.exp(found.x[0])), float(found.x[1]), shares)
