"""Blended batch statistics: by hand, layer by layer, and guarded against another mix of classes."""

import pytest
import torch
from torch import nn

from outcrop.learning.adaptation.statistics import blend_statistics, guarding_weights
from outcrop.learning.networks import Patches, Prediction


class Net(nn.Module):
    """Two normalised layers."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3), nn.GELU(), nn.Conv2d(3, 4, 1))
        self.last = nn.BatchNorm1d(4, affine=False)

    def forward(self, patches: Patches) -> Prediction:
        x = self.last(self.trunk(patches["rgb"]).mean(dim=(2, 3)))
        return Prediction(x, x)


def test_statistics_lie_between_those_of_training_and_of_the_site() -> None:
    network, x = Net().eval(), 3 + 2 * torch.randn(50, 2, 4, 4)
    blended = blend_statistics(network, {"rgb": x}, torch.ones(50), count=8, prior=24)
    with torch.no_grad():
        seen, deeper = network.trunk[0](x), blended.trunk(x).mean(dim=(2, 3))
    assert blended.trunk[1].running_mean == pytest.approx(0.25 * seen.mean(dim=(0, 2, 3)), abs=1e-5)
    variance = seen.var(dim=(0, 2, 3), correction=0)
    assert blended.trunk[1].running_var == pytest.approx(0.75 + 0.25 * variance, rel=1e-4)
    assert blended.last.running_mean == pytest.approx(0.25 * deeper.mean(dim=0), abs=1e-5)
    assert (network.trunk[1].running_mean == 0).all(), "the network itself does not change"


def test_a_weightless_patch_counts_for_nothing() -> None:
    network, x = Net().eval(), torch.randn(20, 2, 4, 4)
    weights = torch.ones(20)
    weights[10:] = 0
    whole = blend_statistics(network, {"rgb": x}, weights, 8, 8)
    half = blend_statistics(network, {"rgb": x[:10]}, weights[:10], 8, 8)
    assert whole.last.running_var == pytest.approx(half.last.running_var)


def test_another_mix_of_classes_is_weighted_back() -> None:
    said = torch.eye(2)[torch.tensor([0] * 90 + [1] * 10)]
    weights, left = guarding_weights(said, torch.tensor([0.5, 0.5]))
    assert float((weights[:, None] * said).sum(dim=0)[0] / weights.sum()) == pytest.approx(0.5)
    assert left == pytest.approx(0.36, abs=0.01)
    assert guarding_weights(said, torch.tensor([0.9, 0.1]))[1] == pytest.approx(1)
