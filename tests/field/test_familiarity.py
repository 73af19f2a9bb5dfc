"""The limit of what is familiar is a stated quantile, and what differs from the training data lies beyond it."""

import numpy as np
import pytest
import torch
from clusters import Clusters
from sklearn.covariance import LedoitWolf

from outcrop.field.dense import DenseNetwork
from outcrop.field.familiarity import fit_familiarity, trunk_means
from outcrop.learning.models import build_network

RNG = np.random.default_rng(5)
#: Correlated channels of very different scales.
MIXING = RNG.normal(size=(6, 6)) * np.array([100, 10, 1, 1, 0.1, 0.01])


def rows(count: int) -> np.ndarray:
    return (RNG.normal(size=(count, 6)) @ MIXING + 50).astype(np.float32)


@pytest.mark.parametrize("quantile", [0.9, 0.99])
def test_the_limit_is_the_quantile_of_the_validation_cells(quantile: float) -> None:
    familiarity = fit_familiarity(rows(4000), rows(4000), quantile)
    assert (familiarity.strangeness(rows(20000)) > 1).mean() == pytest.approx(1 - quantile, abs=0.015)
    assert familiarity.quantile == quantile


def test_the_distance_is_mahalanobis() -> None:
    training, asked = rows(500), rows(50)
    familiarity = fit_familiarity(training, rows(500))
    mean, std = training.mean(axis=0), training.std(axis=0)
    expected = LedoitWolf().fit((training - mean) / std).mahalanobis((asked - mean) / std)
    np.testing.assert_allclose(familiarity.strangeness(asked) * familiarity.limit, expected, rtol=1e-3)


def test_what_goes_against_the_correlations_is_strange_although_each_channel_is_common() -> None:
    familiarity = fit_familiarity(rows(4000), rows(4000))
    shuffled = np.stack([RNG.permutation(channel) for channel in rows(1000).T], axis=1)
    assert (familiarity.strangeness(shuffled) > 1).mean() > 0.5


def test_patches_and_windows_have_the_same_means(clusters: Clusters, tmp_path) -> None:
    material = clusters.material(tmp_path)
    config = material.config(material.last)
    network = build_network(config).eval()
    (entry,) = config.inputs
    window = torch.randn(1, 3, 7, 8) * 50 + 100
    corners = [(row, col) for row in range(5) for col in range(6)]
    patches = torch.stack([window[0, :, row : row + entry.side, col : col + entry.side] for row, col in corners])
    dense = DenseNetwork(network, config.inputs, {entry.modality: 1}).eval()
    with torch.inference_mode():
        _, means = dense.look({entry.modality: window})
    np.testing.assert_allclose(trunk_means(network, {entry.modality: patches}), means.numpy(), atol=1e-5)
