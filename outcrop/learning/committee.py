"""A committee: networks that differ in their first weights and their batches alone, averaged.

Lakshminarayanan, Pritzel, Blundell: "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
NeurIPS 2017: the average is more often right and less sure of itself where the members disagree, as at a new site.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from outcrop.learning.networks import Patches, Prediction
from outcrop.learning.teacher import TeacherNetwork


class Committee(nn.Module):
    """Members that were trained one by one; all see the same inputs."""

    def __init__(self, members: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)

    def forward(self, patches: Patches, present: Tensor | None = None) -> Prediction:
        """Logarithm of the members' mean probabilities (N, classes), and their features one behind the other."""
        said = [member(patches, present) for member in self.members]
        logits = torch.stack([prediction.logits.log_softmax(dim=1) for prediction in said])
        mean = logits.logsumexp(dim=0) - np.log(len(said))
        return Prediction(mean, torch.cat([prediction.features for prediction in said], dim=1))

    def attention_to_modalities(self, patches: Patches, present: Tensor | None = None) -> Tensor:
        """How much attention each modality's token receives (N, modalities): the members' mean."""
        members = (cast(TeacherNetwork, member) for member in self.members)
        return torch.stack([member.attention_to_modalities(patches, present) for member in members]).mean(dim=0)


def member_seed(seed: int, member: int) -> int:
    """The seed of a member; that of the first is the survey's own."""
    return seed if member == 0 else int(np.random.default_rng([seed, member]).integers(2**31))
