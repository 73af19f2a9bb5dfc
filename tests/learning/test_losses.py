"""Losses against independent formulas: scipy, scikit-learn, and worked examples."""

from collections import Counter
from math import cos, pi

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.special import log_softmax, rel_entr, softmax
from scipy.stats import zscore
from sklearn.metrics import log_loss
from torch import nn

from outcrop.learning.losses import annealed, class_weights, cosine_distance, distillation_kl, standardise_logits
from outcrop.learning.networks import Prediction
from outcrop.learning.objectives import DistilObjective, Guidance, LabelObjective
from outcrop.learning.samples import Sample
from outcrop.params import Distil, Temperature

RNG = np.random.default_rng(0)


def logits(n: int = 6, classes: int = 5) -> torch.Tensor:
    return torch.from_numpy(RNG.normal(1, 3, (n, classes)))


def test_standardised_logits_are_z_scores() -> None:
    x = logits()
    np.testing.assert_allclose(standardise_logits(x), zscore(x.numpy(), axis=1), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_of_standardised_logits(temperature: float) -> None:
    student, teacher = logits(), logits()
    p, q = (softmax(zscore(x.numpy(), axis=1) / temperature, axis=1) for x in (teacher, student))
    expected = temperature**2 * rel_entr(p, q).sum(axis=1)
    np.testing.assert_allclose(distillation_kl(student, teacher, temperature), expected, rtol=1e-10)
    assert (distillation_kl(student, teacher, temperature) > 0).all()


def test_logits_that_agree_up_to_scale_and_shift_are_not_pulled() -> None:
    teacher = logits()
    student = (0.3 * teacher - 5).requires_grad_()
    loss = distillation_kl(student, teacher, 2.0)
    loss.sum().backward()
    assert student.grad is not None
    torch.testing.assert_close(loss, torch.zeros_like(loss), atol=1e-12, rtol=0)
    torch.testing.assert_close(student.grad, torch.zeros_like(teacher), atol=1e-12, rtol=0)
    flipped = (-teacher).requires_grad_()
    distillation_kl(flipped, teacher, 2.0).sum().backward()
    assert flipped.grad is not None and (flipped.grad.abs().sum(dim=1) > 1e-3).all()


def test_equal_logits_give_a_finite_gradient() -> None:
    student = torch.zeros(3, 4, requires_grad=True)
    distillation_kl(student, logits(3, 4).float(), 2.0).sum().backward()
    assert student.grad is not None and torch.isfinite(student.grad).all()


def test_cosine_distance() -> None:
    one, other = logits(), logits()
    expected = [cosine(a, b) for a, b in zip(one.numpy(), other.numpy(), strict=True)]
    np.testing.assert_allclose(cosine_distance(one, other), expected, rtol=1e-10)
    np.testing.assert_allclose(cosine_distance(one, 3 * one), 0, atol=1e-12)


def test_effective_number_of_samples_worked_by_hand() -> None:
    """beta 0.9: E_1 = 1, E_2 = 1.9, E_3 = 2.71; weights 1/E, scaled to mean 1 over the three classes with samples."""
    inverse = np.array([1, 1 / 1.9, 1 / 2.71])
    found = class_weights(torch.tensor([1, 2, 0, 3]), 0.9)
    np.testing.assert_allclose(found[[0, 1, 3]], inverse / inverse.mean(), rtol=1e-6)
    assert found[2] == 0


def test_class_weights_go_from_equal_to_inverse_frequency() -> None:
    counts = torch.tensor([10, 100, 1000])
    np.testing.assert_allclose(class_weights(counts, 0.0), 1)
    inverse = 1 / counts.numpy()
    np.testing.assert_allclose(class_weights(counts, 1 - 1e-9), inverse / inverse.mean(), rtol=1e-4)


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5, 1.0])
def test_the_temperature_falls_along_a_cosine(progress: float) -> None:
    assert annealed(4.0, 2.0, progress) == pytest.approx(3 + cos(pi * progress), rel=1e-12)


class Fixed(nn.Module):
    """A network that says what it was told."""

    def __init__(self, prediction: Prediction) -> None:
        super().__init__()
        self.prediction = prediction

    def forward(self, patches: dict[str, torch.Tensor]) -> Prediction:
        return self.prediction


def fixed(n: int = 6, classes: int = 5, features: int = 3) -> Fixed:
    return Fixed(Prediction(logits(n, classes).float().requires_grad_(), logits(n, features).float()))


WEIGHTS = torch.tensor([1.0, 0.5, 2.0, 1.5, 1.0])


def test_label_loss_is_the_weighted_log_loss_of_the_labelled_samples() -> None:
    network, labels = fixed(), torch.tensor([0, -1, 2, 2, -1, 4])
    found = LabelObjective(network, WEIGHTS)(Sample({}, labels), 0.0)
    seen = labels >= 0
    probabilities = softmax(network.prediction.logits.detach().numpy()[seen], axis=1)
    expected = log_loss(labels[seen], probabilities, sample_weight=WEIGHTS[labels[seen]], labels=range(5))
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_label_smoothing() -> None:
    network, labels = fixed(), torch.tensor([0, 1, 2, 2, 3, 4])
    found = LabelObjective(network, torch.ones(5), smoothing=0.1)(Sample({}, labels), 0.0)
    target = 0.9 * np.eye(5)[labels] + 0.1 / 5
    expected = -(target * log_softmax(network.prediction.logits.detach().numpy(), axis=1)).sum(axis=1).mean()
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_no_labels_no_loss_and_no_pull() -> None:
    network = fixed()
    loss = LabelObjective(network, WEIGHTS)(Sample({}, torch.full((6,), -1)), 0.0)
    loss.backward()
    grad = network.prediction.logits.grad
    assert loss.item() == 0 and grad is not None and not grad.any()


DISTIL = {
    "temperature": Temperature(start=4.0, end=2.0),
    "logit_weight": 0.7,
    "feature_weight": 0.4,
    "hard_weight": 1.3,
    "rungs": ("all", ("rgb",)),
    "guide_dropout": 0.0,
    "unlabelled_share": 0.5,
    "class_balance": 0.0,
}
PAIRS = torch.tensor([0.5, 1.0, 3.0, 0.1, 2.0])


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize(("progress", "temperature"), [(0.0, 4.0), (0.5, 3.0), (1.0, 2.0)])
def test_distillation_adds_its_three_parts(progress: float, temperature: float, count: int) -> None:
    network, labels = fixed(), torch.tensor([0, -1, 2, -1, -1, 4])
    guides = [(PAIRS, Prediction(logits().float(), logits(6, 7).float()))]
    guides += [(PAIRS.flip(0), Prediction(logits().float(), logits(6, 2).float()))][: count - 1]
    taught = Sample({}, labels, tuple(said for _, said in guides))
    guidance = [Guidance(said.features.shape[1], weights) for weights, said in guides]
    objective = DistilObjective(network, WEIGHTS, guidance, Distil(**DISTIL), features=3)
    parts = []
    for guide, (weights, said) in zip(objective.guides, guides, strict=True):
        p, q = (
            softmax(zscore(x.detach().numpy(), axis=1) / temperature, axis=1)
            for x in (said.logits, network.prediction.logits)
        )
        share = weights[said.logits.argmax(dim=1)].numpy()
        soft = temperature**2 * np.average(rel_entr(p, q).sum(axis=1), weights=share)
        weight, bias = (x.detach().numpy() for x in guide.projector.parameters())
        projected = network.prediction.features.numpy() @ weight.T + bias
        apart = [cosine(a, b) for a, b in zip(projected, said.features.numpy(), strict=True)]
        parts.append(0.7 * soft + 0.4 * np.average(apart, weights=share))
    expected = 1.3 * LabelObjective(network, WEIGHTS)(taught, 0.0).item() + np.mean(parts)
    assert objective(taught, progress).item() == pytest.approx(expected, rel=1e-4)


def test_guides_are_left_out_by_chance_but_never_all() -> None:
    guidance = [Guidance(3, torch.ones(5)) for _ in range(3)]
    params = Distil(**{**DISTIL, "guide_dropout": 0.7})
    objective = DistilObjective(fixed(), WEIGHTS, guidance, params, features=3)
    torch.manual_seed(0)
    heard = [tuple(objective._heard()) for _ in range(400)]
    assert min(map(len, heard)) == 1
    counts = Counter(heard)
    assert set(counts) == {(0,), (1,), (2,), (0, 1), (0, 2), (1, 2), (0, 1, 2)}
    assert counts[(0, 1, 2)] / 400 == pytest.approx(0.3**3, abs=0.02)


def test_distillation_without_a_teacher_is_a_mistake() -> None:
    objective = DistilObjective(fixed(), WEIGHTS, [Guidance(7, PAIRS)], Distil(**DISTIL), features=3)
    with pytest.raises(ValueError, match="needs the outputs of every guide"):
        objective(Sample({}, torch.zeros(6, dtype=torch.int64)), 0.0)
