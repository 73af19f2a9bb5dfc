"""The student: a small network for the cheapest rung; also the control, which is the same network."""

from collections.abc import Sequence

import torch
from torch import nn

from outcrop.learning.encoders import Encoder, Standardise, strided_trunk
from outcrop.learning.networks import Input, Patches, Prediction
from outcrop.learning.site_gate import SiteGate, gated_width
from outcrop.params import Student


class StudentNetwork(nn.Module):
    """One small encoder a modality, features joined, one linear classifier.

    ``gates``: to how many sites it was adapted, one after the other.
    """

    def __init__(self, inputs: Sequence[Input], classes: int, params: Student, gates: int = 0) -> None:
        super().__init__()
        self.modalities = tuple(entry.modality for entry in inputs)
        self.features = params.features * len(inputs)
        self.encoders = nn.ModuleDict({entry.modality: _encoder(entry, params) for entry in inputs})
        sited = [SiteGate(gated_width(self.features, before)) for before in range(gates)]
        self.classifier = nn.Sequential(nn.GELU(), *sited, nn.Linear(gated_width(self.features, gates), classes))

    def forward(self, patches: Patches) -> Prediction:
        """Classify patches, by modality (N, bands, side, side)."""
        features = torch.cat([self.encoders[name](patches[name]) for name in self.modalities], dim=1)
        return Prediction(self.classifier(features), features)


def _encoder(entry: Input, params: Student) -> Encoder:
    trunk = strided_trunk(len(entry.bands), entry.side, params.stages)
    return Encoder(Standardise(entry.mean, entry.std), trunk, params.stages[-1], params.features, centre=params.centre)
