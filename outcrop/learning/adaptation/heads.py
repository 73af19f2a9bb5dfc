"""Linear heads over fixed features, and two ways of adapting one to few labels: prototypes and logistic regression.

A head is what stands behind a network's last activation. All ways start from the source's head and move away from it
only as far as the labels pull, so that a class without labels keeps its weights.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax

Array = NDArray[np.float64]
Classes = NDArray[np.intp]


@dataclass(frozen=True)
class Head:
    """Logits of features x: ``weight`` x + ``bias``.

    Parameters
    ----------
    weight : (classes, features)
    bias : (classes,)
    """

    weight: Array
    bias: Array

    def logits(self, features: Array) -> Array:
        """(n, features) -> (n, classes)."""
        return np.asarray(features @ self.weight.T + self.bias)

    def probabilities(self, features: Array) -> Array:
        """(n, features) -> (n, classes)."""
        return np.asarray(softmax(self.logits(features), axis=1))

    def moved(self, step: Array) -> "Head":
        """The head with ``step`` (classes, features + 1) added; its last column goes to the bias."""
        return Head(self.weight + step[:, :-1], self.bias + step[:, -1])

    def extended(self, classes: int) -> "Head":
        """With so many more classes, none of which is likelier than the average known one before labels speak."""
        if not classes:
            return self
        rows = np.repeat(self.weight.mean(axis=0, keepdims=True), classes, axis=0)
        return Head(np.vstack([self.weight, rows]), np.append(self.bias, np.full(classes, self.bias.mean())))


def with_one(features: Array) -> Array:
    """Features (n, d + 1) with a one behind, for the bias."""
    return np.column_stack([features, np.ones(len(features))])


def fit_logistic(features: Array, classes: Classes, source: Head, strength: float) -> Head:
    """Logistic regression pulled towards the source's weights instead of zero: L2-SP (Li et al. 2018, ICML).

    Minimises ``sum_i -log p(y_i | x_i) + strength / 2 ||W - W_source||^2``, the bias counted as a weight. The minimum
    lies in the span of the features, so that few labels make a small problem whatever the number of features.

    Parameters
    ----------
    features : (n, d)
    classes : (n,) places among the head's classes
    """
    x = with_one(features)
    basis, _ = np.linalg.qr(x.T)
    z = x @ basis
    offset = source.logits(features)
    wanted = np.eye(len(source.bias))[classes]

    def loss(flat: Array) -> tuple[float, Array]:
        step = flat.reshape(len(source.bias), -1)
        said = log_softmax(offset + z @ step.T, axis=1)
        value = -(wanted * said).sum() + strength / 2 * (flat @ flat)
        return float(value), np.asarray((np.exp(said) - wanted).T @ z + strength * step).ravel()

    start = np.zeros(len(source.bias) * z.shape[1])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200})
    return source.moved(found.x.reshape(len(source.bias), -1) @ basis.T)


@dataclass(frozen=True)
class Prototypes:
    """Where the source's classes lie among its features.

    Parameters
    ----------
    means : (classes, features)
    precision : (features, features) inverse of the covariance within classes
    """

    means: Array
    precision: Array


def fit_prototypes(features: Array, classes: Classes, source: Head, known: Prototypes, prior: float) -> Head:
    """Class means of few labels, shrunk to the source's: a class with n labels moves by n / (n + prior) of the way.

    A class's weights change by what linear discriminant analysis says of its moved mean, ``P (m - m_source)``, and its
    bias by ``-(m' P m - m_source' P m_source) / 2``. A class that is new to the source starts from the mean of all.

    Parameters
    ----------
    features : (n, d); the first of them are those that ``known`` is about, and what is gated behind them is left alone:
        at the sources it hardly varies, so its covariance there says nothing of the site
    classes : (n,) places among the head's classes
    prior : how many labels the source's mean counts for
    """
    centre = known.means.mean(axis=0)
    weight, bias = source.weight.copy(), source.bias.copy()
    plain = features[:, : len(centre)]
    for label in np.unique(classes):
        own = plain[classes == label]
        before = known.means[label] if label < len(known.means) else centre
        after = (prior * before + own.sum(axis=0)) / (prior + len(own))
        weight[label, : len(centre)] += known.precision @ (after - before)
        bias[label] -= (after @ known.precision @ after - before @ known.precision @ before) / 2
    return Head(weight, bias)
