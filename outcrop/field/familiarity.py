"""What a model was trained on looks familiar to it; this tells how far from it a cell is.

The distance is Mahalanobis' in the space of the trunks' means over the patch, the last thing that is common to all
classes: how many standard deviations of the training cells the cell lies away from them (Lee et al., "A Simple Unified
Framework for Detecting Out-of-Distribution Samples", NeurIPS 2018, without their classes, for few cells are labelled).
It is squared and divided by its own quantile over validation cells, which the distance was not fitted on: above 1 the
cell is unlike all but a stated share of the ground that the model comes from.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.covariance import LedoitWolf
from torch import nn

from outcrop.errors import DataError
from outcrop.learning.committee import Committee
from outcrop.learning.encoders import Encoder
from outcrop.learning.models import Model
from outcrop.learning.networks import Patches
from outcrop.survey.cells import CellReader, CellSet, paired_cells
from outcrop.survey.patches import BlockPool, sweep

Rows = NDArray[np.float32]
#: Share of the validation cells that counts as familiar.
QUANTILE = 0.99
#: A channel that is constant over the training cells tells nothing until it moves by about so much.
SMALLEST_DEVIATION = 1e-4
#: Cells that the distance is fitted on, and as many that its limit is set by; patches at a time.
CELLS, BATCH = 4000, 256


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


def familiar_cells(reader: CellReader, seed: int) -> dict[str, CellSet]:
    """The cells that the distance is fitted on (``train``), and those that its limit is set by (``val``).

    Raises
    ------
    DataError : the sites have none.
    """
    cells = {split: paired_cells(reader, split, CELLS, seed) for split in ("train", "val")}
    for split, found in cells.items():
        if not found.size:
            raise DataError(f"no cell can be used in the {split} blocks", remedy="check the site's split and nodata")
    return cells


def learn_familiarity(model: Model, pool: BlockPool, cells: Mapping[str, CellSet]) -> Familiarity:
    """Fit what is familiar to a model on `familiar_cells`; to a committee it is what is so to its first member."""
    names = [entry.modality for entry in model.config.inputs]
    network = model.network.members[0] if isinstance(model.network, Committee) else model.network
    means = {
        split: np.concatenate(
            [
                trunk_means(network, {name: torch.from_numpy(batch.patches[name]) for name in names})
                for batch in sweep(pool, chosen, BATCH)
            ]
        )
        for split, chosen in cells.items()
    }
    return fit_familiarity(means["train"], means["val"])


@torch.inference_mode()
def trunk_means(network: nn.Module, patches: Patches) -> Rows:
    """The means of a network's trunks over patches, by modality (N, bands, side, side) -> (N, channels)."""
    encoders = cast(nn.ModuleDict, network.encoders)
    means = []
    for name, encoder in encoders.items():
        encoder = cast(Encoder, encoder)
        means.append(encoder.trunk(encoder.standardise(patches[name])).mean(dim=(2, 3)))
    return np.asarray(torch.cat(means, dim=1).numpy())
