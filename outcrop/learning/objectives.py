"""What a network is trained for: labels alone, or labels and what its guides say."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from outcrop.learning.losses import annealed, cosine_distance, distillation_kl
from outcrop.learning.networks import Prediction
from outcrop.learning.samples import Sample
from outcrop.params import Distil


class LabelObjective(nn.Module):
    """Class-weighted cross-entropy on the labels: for the teacher and for the control.

    Parameters
    ----------
    weights : (classes,) class weights
    smoothing : label smoothing
    """

    weights: Tensor

    def __init__(self, network: nn.Module, weights: Tensor, smoothing: float = 0.0) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("weights", weights)
        self.smoothing = smoothing

    def forward(self, sample: Sample, progress: float) -> Tensor:
        """Loss of one batch; ``progress`` is the share of training done (unused: labels do not change)."""
        return self.on_labels(self.network(sample.patches), sample)

    def on_labels(self, prediction: Prediction, sample: Sample) -> Tensor:
        """Cross-entropy over the labelled samples; 0 if there is none."""
        if not bool((sample.labels >= 0).any()):
            return prediction.logits.sum() * 0.0
        return functional.cross_entropy(
            prediction.logits, sample.labels, self.weights, ignore_index=-1, label_smoothing=self.smoothing
        )


@dataclass(frozen=True)
class Guidance:
    """What an objective knows of a guide: how many features it has, and the weights (classes,) of what it says."""

    features: int
    weights: Tensor


class DistilObjective(LabelObjective):
    """Labels, the guides' logits and, through projectors that are thrown away afterwards, their features.

    hard CE + mean over guides of [logit_weight T^2 KL(z(g)/T, z(s)/T) + feature_weight (1 - cos(P f_s, f_g))], T going
    from high to low over training. The terms of a guide are means over samples weighted by the class that the guide
    sees: pairs come as the ground has them, and rare minerals would hardly be taught. Of several guides each is left
    out of a batch with chance ``guide_dropout``, but never all.
    """

    def __init__(
        self,
        network: nn.Module,
        weights: Tensor,
        guides: Sequence[Guidance],
        params: Distil,
        features: int,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(network, weights, smoothing)
        self.params = params
        self.guides = nn.ModuleList(_Guide(guide, params, features) for guide in guides)

    def forward(self, sample: Sample, progress: float) -> Tensor:
        """Loss of one batch at ``progress`` (0-1) through training."""
        prediction: Prediction = self.network(sample.patches)
        if len(sample.guides) != len(self.guides):
            raise ValueError("distillation needs the outputs of every guide")
        heard = [self.guides[i](prediction, sample.guides[i], progress) for i in self._heard()]
        return self.params.hard_weight * self.on_labels(prediction, sample) + torch.stack(heard).mean()

    def _heard(self) -> list[int]:
        """Which guides a batch is taught by."""
        count = len(self.guides)
        if count == 1:
            return [0]
        kept: list[int] = (torch.rand(count) >= self.params.guide_dropout).nonzero().flatten().tolist()
        return kept or [int(torch.randint(count, ()))]


class _Guide(nn.Module):
    """What is learnt from one guide."""

    weights: Tensor

    def __init__(self, guidance: Guidance, params: Distil, features: int) -> None:
        super().__init__()
        self.params = params
        self.projector = nn.Linear(features, guidance.features)
        self.register_buffer("weights", guidance.weights)

    def forward(self, prediction: Prediction, said: Prediction, progress: float) -> Tensor:
        temperature = annealed(self.params.temperature.start, self.params.temperature.end, progress)
        logits = distillation_kl(prediction.logits, said.logits, temperature)
        distance = cosine_distance(self.projector(prediction.features), said.features)
        loss = self.params.logit_weight * logits + self.params.feature_weight * distance
        weights = self.weights[said.logits.argmax(dim=1)]
        return (weights * loss).sum() / weights.sum()
