"""Losses against independent formulas: scipy, scikit-learn, and worked examples."""

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine
from scipy.special import log_softmax, rel_entr, softmax
from scipy.stats import zscore
from sklearn.metrics import log_loss
from torch import nn

from outcrop.learning.losses import (
    class_weights,
    cosine_distance,
    decoupled_kl,
    decoupled_parts,
    distillation_kl,
    gate,
    kl,
    standardise_logits,
)
from outcrop.learning.networks import Prediction
from outcrop.learning.objectives import LOGIT_LOSSES, DistilObjective, Guidance, LabelObjective
from outcrop.learning.relations import dist, relational_angle, relational_distance
from outcrop.learning.samples import Sample
from outcrop.params import Distil, Temperature

RNG = np.random.default_rng(0)


def logits(n: int = 6, classes: int = 5) -> torch.Tensor:
    return torch.from_numpy(RNG.normal(1, 3, (n, classes)))


def test_standardised_logits_are_z_scores() -> None:
    x = logits()
    np.testing.assert_allclose(standardise_logits(x), zscore(x.numpy(), axis=1), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_kl_at_a_temperature(temperature: float) -> None:
    student, teacher = logits(), logits()
    p, q = (softmax(x.numpy() / temperature, axis=1) for x in (teacher, student))
    expected = temperature**2 * rel_entr(p, q).sum(axis=1)
    np.testing.assert_allclose(kl(student, teacher, temperature), expected, rtol=1e-10)


def test_kl_worked_by_hand() -> None:
    """Teacher (3/4, 1/4), student (1/2, 1/2) at T = 2: 4 (3/4 ln 3/2 + 1/4 ln 1/2) = 3 ln 3 - 4 ln 2."""
    teacher = 2 * torch.tensor([[3.0, 1.0]], dtype=torch.float64).log()
    found = kl(torch.zeros(1, 2, dtype=torch.float64), teacher, 2.0)
    np.testing.assert_allclose(found, [3 * np.log(3) - 4 * np.log(2)], rtol=1e-12)


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


@pytest.mark.parametrize("value", [0.0, 7.3])
def test_equal_logits_are_pulled_as_by_the_plain_kl(value: float) -> None:
    """A new network may say the same of every class; its first step must not be a leap."""
    teacher = logits(3, 4).float()
    student, plain = (torch.full((3, 4), value, requires_grad=True) for _ in range(2))
    distillation_kl(student, teacher, 2.0).sum().backward()
    kl(plain, standardise_logits(teacher), 2.0).sum().backward()
    assert student.grad is not None and plain.grad is not None and (plain.grad.abs().sum(dim=1) > 0.1).all()
    torch.testing.assert_close(student.grad, plain.grad)


LABELS = torch.tensor([0, -1, 2, 3, -1, 4])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_the_decoupled_parts_are_divergences_of_target_and_of_others(temperature: float) -> None:
    student, teacher = logits(), logits()
    found = decoupled_parts(student, teacher, temperature, LABELS)
    for i, label in enumerate(LABELS.tolist()):
        target = label if label >= 0 else int(np.argmax(teacher[i].numpy()))
        p, q = (softmax(x[i].numpy() / temperature) for x in (teacher, student))
        among = [np.delete(x, target) / np.delete(x, target).sum() for x in (p, q)]
        binary = [np.array([x[target], 1 - x[target]]) for x in (p, q)]
        assert found.target[i].item() == pytest.approx(temperature**2 * rel_entr(*binary).sum(), rel=1e-9)
        assert found.non_target[i].item() == pytest.approx(temperature**2 * rel_entr(*among).sum(), rel=1e-9)


def test_the_decoupled_parts_add_up_to_the_kl() -> None:
    """Eq. 6 of the paper: KD = TCKD + (1 - p_c) NCKD."""
    student, teacher = logits(), logits()
    target = torch.where(LABELS >= 0, LABELS, teacher.argmax(dim=1))
    others = 1 - (teacher / 3).softmax(dim=1)[torch.arange(6), target]
    parts = decoupled_parts(student, teacher, 3.0, LABELS)
    torch.testing.assert_close(parts.target + others * parts.non_target, kl(student, teacher, 3.0))


def test_of_two_classes_nothing_is_left_beside_the_target() -> None:
    student, teacher = logits(classes=2), logits(classes=2)
    parts = decoupled_parts(student, teacher, 2.0, torch.full((6,), -1))
    torch.testing.assert_close(parts.target, kl(student, teacher, 2.0))
    assert not parts.non_target.any()


def test_decoupled_kl_weighs_its_parts_by_number_or_by_sample() -> None:
    student, teacher = logits(), logits()
    target, rest = decoupled_parts(student, teacher, 2.0, LABELS)
    torch.testing.assert_close(decoupled_kl(student, teacher, 2.0, LABELS), target + 8 * rest)
    open_ = torch.tensor([1.0, 0.0, 1.0, 0.0, 0.5, 1.0], dtype=torch.float64)
    torch.testing.assert_close(decoupled_kl(student, teacher, 2.0, LABELS, open_, 2.0), open_ * target + 2 * rest)


def test_the_gate_shuts_where_a_labelled_samples_teacher_is_wrong() -> None:
    teacher = torch.tensor([[2.0, 1.0, 0.0], [0.0, 1.0, 2.0], [0.0, 3.0, 1.0], [5.0, 0.0, 0.0]])
    assert gate(teacher, torch.tensor([0, 1, -1, 2])).tolist() == [1.0, 0.0, 1.0, 0.0]


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


@pytest.mark.parametrize(("beta", "volume"), [(0.9, 10), (0.99, 100), (0.999, 1000)])
def test_the_effective_number_is_a_geometric_series_that_ends_at_the_volume(beta: float, volume: int) -> None:
    """E_n = 1 + beta + ... + beta^(n - 1) with beta = (N - 1) / N, towards N: sec. 3 of the paper."""
    counts = [1, 2, volume, 100 * volume]
    found = class_weights(torch.tensor(counts), beta).numpy()
    np.testing.assert_allclose(found[0] / found, [sum(beta**j for j in range(n)) for n in counts], rtol=1e-5)
    assert found[0] / found[3] == pytest.approx(volume, rel=1e-5)


def half(values: torch.Tensor) -> torch.Tensor:
    """As the teacher's outputs are kept: through float16, to float32."""
    return values.to(torch.float16).float()


ROWS = torch.from_numpy(RNG.normal(0, 3, (6, 5))).float()
OTHER = torch.from_numpy(RNG.normal(0, 3, (6, 5))).float()
LARGE = 6e4 * torch.from_numpy(RNG.uniform(-1, 1, (6, 5))).float()

#: Student and teacher, (N, 5), of batches that divide by 0 or overflow what is careless.
AWKWARD = {
    "student of zeros": (torch.zeros(6, 5), half(ROWS)),
    "student of equal logits": (torch.full((6, 5), 7.3), half(ROWS)),
    "one student row of equal logits": (torch.cat([torch.ones(1, 5), ROWS[1:]]), half(OTHER)),
    "teacher of equal logits": (ROWS, torch.full((6, 5), 0.1)),
    "both of equal logits": (torch.zeros(6, 5), torch.zeros(6, 5)),
    "one class": (ROWS, half(torch.tensor([[0.0, 0, 30, 0, 0]]).repeat(6, 1))),
    "one class, both sure": (30 * torch.eye(5)[[2] * 6], half(30 * torch.eye(5)[[2] * 6])),
    "one sample": (ROWS[:1], half(OTHER[:1])),
    "one sample of zeros": (torch.zeros(1, 5), half(OTHER[:1])),
    "two samples": (ROWS[:2], half(OTHER[:2])),
    "twins": (ROWS[[0, 0, 1, 2, 2, 3]], half(OTHER)),
    "twins for the teacher": (ROWS, half(OTHER[[0, 0, 1, 2, 2, 3]])),
    "large teacher": (ROWS, half(LARGE)),
    "large both": (LARGE, half(-LARGE)),
    "agreement": (half(ROWS), half(ROWS)),
}
LOSSES: dict[str, Callable[[torch.Tensor, torch.Tensor, float], torch.Tensor]] = {
    "kl": kl,
    "distillation_kl": distillation_kl,
    "decoupled_kl, labels": lambda s, t, temperature: decoupled_kl(s, t, temperature, LABELS[: len(s)]),
    "decoupled_kl, none": lambda s, t, temperature: decoupled_kl(s, t, temperature, torch.full((len(s),), -1)),
    "inter": lambda s, t, temperature: dist(s, t, temperature).inter,
    "intra": lambda s, t, temperature: dist(s, t, temperature).intra,
    "intra, no weight": lambda s, t, temperature: dist(s, t, temperature, torch.zeros(len(s))).intra,
    "cosine_distance": lambda s, t, _: cosine_distance(s, t),
    "relational_distance": lambda s, t, _: relational_distance(s, t),
    "relational_angle": lambda s, t, _: relational_angle(s, t),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("batch", AWKWARD)
def test_every_loss_of_an_awkward_batch_is_finite_and_so_is_its_gradient(batch: str, loss: str) -> None:
    for temperature in (0.5, 1.0, 4.0):
        student = AWKWARD[batch][0].clone().requires_grad_()
        found = LOSSES[loss](student, AWKWARD[batch][1], temperature)
        found.sum().backward()
        assert found.shape == (() if loss.startswith("intra") else (len(student),))
        assert torch.isfinite(found).all() and (found > -1e-5).all()
        assert student.grad is not None and torch.isfinite(student.grad).all()


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
    "temperature": Temperature(start=4.0, end=2.0, schedule="cosine"),
    "logit_weight": 0.7,
    "feature_weight": 0.4,
    "hard_weight": 1.3,
    "relation_weight": 0.0,
    "logits": "standardised",
    "gate": False,
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


@pytest.mark.parametrize("kind", sorted(LOGIT_LOSSES))
def test_every_loss_of_logits_pulls_towards_the_guide_unless_it_is_wrong(kind: str) -> None:
    """One labelled sample on which the guide is wrong; nothing else is learnt from."""
    said = Prediction(torch.tensor([[4.0, 1.0, -2.0, 0.5, 0.0]]), torch.zeros(1, 7))
    losses = {}
    for gated in (False, True):
        params = Distil(**{**DISTIL, "logits": kind, "gate": gated, "hard_weight": 0.0, "feature_weight": 0.0})
        objective = DistilObjective(nn.Identity(), torch.ones(5), [Guidance(7, torch.ones(5))], params, features=3)
        for name, student in {"alike": said.logits, "apart": said.logits.flip(1)}.items():
            objective.network = Fixed(Prediction(student.clone(), torch.ones(1, 3)))
            losses[gated, name] = objective(Sample({}, torch.tensor([3]), (said,)), 0.5).item()
    assert losses[False, "apart"] > 0.1 + losses[False, "alike"]
    if kind == "decoupled":  # what it says of the other classes still counts
        assert 0 < losses[True, "apart"] < losses[False, "apart"]
    else:
        assert losses[True, "apart"] == pytest.approx(losses[True, "alike"], abs=1e-6)


def test_relations_between_samples_count() -> None:
    said = Prediction(logits().float(), logits(6, 7).float())
    network, found = fixed(), []
    for weight in (0.0, 0.5):
        torch.manual_seed(0)
        params = Distil(**{**DISTIL, "relation_weight": weight})
        objective = DistilObjective(network, WEIGHTS, [Guidance(7, torch.ones(5))], params, features=3)
        found.append(objective(Sample({}, torch.full((6,), -1), (said,)), 0.0).item())
    apart = relational_distance(network.prediction.features, said.features).mean().item()
    assert apart > 0 and found[1] - found[0] == pytest.approx(0.5 * apart, rel=1e-4)


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
