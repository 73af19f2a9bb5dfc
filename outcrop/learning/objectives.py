"""What a network is trained for: labels alone, or labels and what its guides say."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from outcrop.learning.losses import (
    cosine_distance,
    decoupled_kl,
    distillation_kl,
    gate,
    kl,
    standardise_logits,
)
from outcrop.learning.networks import Prediction
from outcrop.learning.relations import dist, relational_distance
from outcrop.learning.samples import Sample
from outcrop.learning.schedules import temperature_at
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

    hard CE + mean over guides of [logit_weight L(s, g; T) + feature_weight (1 - cos(P f_s, f_g)) + relation_weight
    RKD(f_s, f_g)], with L one of `LOGIT_LOSSES` and T going from high to low over training. The terms of a guide are
    means over samples weighted by the class that the guide sees: pairs come as the ground has them, and rare minerals
    would hardly be taught. With ``gate``, the logits of a guide that is wrong on a labelled sample do not count there.
    Of several guides each is left out of a batch with chance ``guide_dropout``, but never all.
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
        heard = [self.guides[i](prediction, sample.guides[i], sample.labels, progress) for i in self._heard()]
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

    def forward(self, prediction: Prediction, said: Prediction, labels: Tensor, progress: float) -> Tensor:
        params, heat = self.params, self.params.temperature
        temperature = temperature_at(heat.schedule, heat.start, heat.end, progress)
        weights = self.weights[said.logits.argmax(dim=1)]
        trust = gate(said.logits, labels) if params.gate else torch.ones_like(weights)
        own = prediction.features.float()
        compare = LOGIT_LOSSES[params.logits]
        loss = params.logit_weight * compare(prediction.logits.float(), said.logits, temperature, labels, trust)
        loss = loss + params.feature_weight * cosine_distance(
            self.projector(prediction.features).float(), said.features
        )
        if params.relation_weight:
            loss = loss + params.relation_weight * relational_distance(own, said.features)
        return (weights * loss).sum() / weights.sum()


def _decoupled(student: Tensor, teacher: Tensor, temperature: float, labels: Tensor, trust: Tensor) -> Tensor:
    """Where the teacher is wrong, what it says of the other classes still counts."""
    return decoupled_kl(standardise_logits(student), standardise_logits(teacher), temperature, labels, alpha=trust)


def _relations(student: Tensor, teacher: Tensor, temperature: float, labels: Tensor, trust: Tensor) -> Tensor:
    across = dist(student, teacher, temperature, trust)
    return trust * across.inter + across.intra


#: Losses (N,) of student and teacher logits, at a temperature, with labels and the trust (N,) in the teacher.
LOGIT_LOSSES: dict[str, Callable[[Tensor, Tensor, float, Tensor, Tensor], Tensor]] = {
    "plain": lambda student, teacher, temperature, labels, trust: trust * kl(student, teacher, temperature),
    "standardised": lambda student, teacher, temperature, labels, trust: (
        trust * distillation_kl(student, teacher, temperature)
    ),
    "decoupled": _decoupled,
    "dist": _relations,
}
