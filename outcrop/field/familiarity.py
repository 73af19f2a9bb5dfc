"""What a model was trained on looks familiar to it; this tells how far from it a cell is.

The distance is Mahalanobis' in the space of the trunks' means over the patch, the last thing that is common to all
classes: how many standard deviations of the training cells the cell lies away from them (Lee et al., "A Simple Unified
Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018, without their classes, for few cells are labelled).
It is squared and divided by its own quantile over validation cells, which the distance was not fitted on: above 1 the
cell is unlike all but a stated share of the ground that the model comes from.
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import nn

from outcrop.learning.encoders import Encoder
from outcrop.learning.networks import Patches

Rows = NDArray[np.float32]
#: Share of the validation cells that counts as familiar.
QUANTILE = 0.99
#: A channel that is constant over the training cells tells nothing until it moves by about so much.
SMALLEST_DEVIATION = 1e-4


@dataclass(frozen=True)
class Familiarity:
    """``|(x - mean) whitener|^2 / limit``: (channels,) and (channels, channels)."""

    mean: Rows
    whitener: Rows
    limit: float
    quantile: float = QUANTILE

    def strangeness(self, means: Rows) -> Rows:
        """(cells, channels) -> (cells,), above 1 where unfamiliar."""
        return np.asarray(np.square((means - self.mean) @ self.whitener).sum(axis=1) / self.limit, dtype=np.float32)


def fit_familiarity(training: Rows, validation: Rows, quantile: float = QUANTILE) -> Familiarity:
    """Fit the distance on training cells, and its limit on validation cells, both (cells, channels).

    The channels are standardised; their covariance is then shrunk as Ledoit and Wolf (2004) say, for it is inverted.
    """
    exact = training.astype(np.float64)
    scale = np.maximum(exact.std(axis=0), SMALLEST_DEVIATION)
    fitted = LedoitWolf().fit((exact - exact.mean(axis=0)) / scale)
    whitener = np.linalg.cholesky(np.linalg.inv(fitted.covariance_)) / scale[:, None]
    mean, matrix = exact.mean(axis=0).astype(np.float32), whitener.astype(np.float32)
    distances = Familiarity(mean, matrix, 1.0).strangeness(validation)
    return Familiarity(mean, matrix, float(np.quantile(distances, quantile)), quantile)


@torch.inference_mode()
def trunk_means(network: nn.Module, patches: Patches) -> Rows:
    """The means of a student's trunks over patches, by modality (N, bands, side, side) -> (N, channels)."""
    encoders = cast(nn.ModuleDict, network.encoders)
    means = []
    for name, encoder in encoders.items():
        encoder = cast(Encoder, encoder)
        means.append(encoder.trunk(encoder.standardise(patches[name])).mean(dim=(2, 3)))
    return np.asarray(torch.cat(means, dim=1).numpy())
