"""What a network is trained for: labels alone, or labels and a teacher's outputs."""

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


class DistilObjective(LabelObjective):
    """Labels, the teacher's logits and, through a projector that is thrown away afterwards, its features.

    hard CE + logit_weight T^2 KL(z(t)/T, z(s)/T) + feature_weight (1 - cos(P f_s, f_t)), T annealed over training.
    The last two are means over samples weighted by ``pair_weights`` (classes,) of the class that the teacher sees:
    pairs come as the ground has them, and rare minerals would hardly be taught.
    """

    pair_weights: Tensor

    def __init__(
        self,
        network: nn.Module,
        weights: Tensor,
        pair_weights: Tensor,
        params: Distil,
        student_features: int,
        teacher_features: int,
        smoothing: float = 0.0,
    ) -> None:
        super().__init__(network, weights, smoothing)
        self.params = params
        self.register_buffer("pair_weights", pair_weights)
        self.projector = nn.Linear(student_features, teacher_features)

    def forward(self, sample: Sample, progress: float) -> Tensor:
        """Loss of one batch at ``progress`` (0-1) through training."""
        if sample.logits is None or sample.features is None:
            raise ValueError("distillation needs the teacher's outputs")
        prediction: Prediction = self.network(sample.patches)
        temperature = annealed(self.params.temperature.start, self.params.temperature.end, progress)
        weights = self.pair_weights[sample.logits.argmax(dim=1)]
        logits = (weights * distillation_kl(prediction.logits, sample.logits, temperature)).sum() / weights.sum()
        distance = cosine_distance(self.projector(prediction.features), sample.features)
        features = (weights * distance).sum() / weights.sum()
        return (
            self.params.hard_weight * self.on_labels(prediction, sample)
            + self.params.logit_weight * logits
            + self.params.feature_weight * features
        )
