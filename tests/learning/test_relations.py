"""Losses of relations against independent formulas: scipy's correlations and distances, angles one by one."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.distance import pdist, squareform
from scipy.special import huber, softmax
from scipy.stats import pearsonr

from outcrop.learning.relations import dist, relational_angle, relational_distance

RNG = np.random.default_rng(0)
Relational = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def drawn(n: int = 7, width: int = 5) -> torch.Tensor:
    return torch.from_numpy(RNG.normal(1, 3, (n, width)))


def probabilities(logits: torch.Tensor, temperature: float) -> NDArray[np.float64]:
    return softmax(logits.numpy() / temperature, axis=1)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_dist_is_one_minus_pearson_of_rows_and_of_columns(temperature: float) -> None:
    student, teacher = drawn(), drawn()
    found = dist(student, teacher, temperature)
    p, q = probabilities(student, temperature), probabilities(teacher, temperature)
    rows = [1 - pearsonr(a, b).statistic for a, b in zip(p, q, strict=True)]
    columns = [1 - pearsonr(a, b).statistic for a, b in zip(p.T, q.T, strict=True)]
    np.testing.assert_allclose(found.inter, rows, rtol=1e-9)
    assert found.intra.item() == pytest.approx(np.mean(columns), rel=1e-9)


def test_a_weight_is_a_number_of_copies() -> None:
    student, teacher = drawn(4), drawn(4)
    copies = torch.tensor([1, 3, 0, 2])
    repeated = dist(student.repeat_interleave(copies, dim=0), teacher.repeat_interleave(copies, dim=0), 2.0)
    torch.testing.assert_close(dist(student, teacher, 2.0, 0.1 * copies.double()).intra, repeated.intra)


def test_weights_of_intra_are_those_of_a_weighted_covariance() -> None:
    student, teacher, weights = drawn(), drawn(), RNG.uniform(0, 3, 7)
    expected = []
    for a, b in zip(probabilities(student, 2.0).T, probabilities(teacher, 2.0).T, strict=True):
        covariance = np.cov(a, b, aweights=weights)
        expected.append(1 - covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1]))
    found = dist(student, teacher, 2.0, torch.from_numpy(weights)).intra
    assert found.item() == pytest.approx(np.mean(expected), rel=1e-9)


def test_at_a_high_temperature_dist_is_the_correlation_of_logits_without_a_factor() -> None:
    """Softmax is linear there. A factor T^2 would make the loss grow without end."""
    student, teacher = drawn(), drawn()
    expected = [1 - pearsonr(a, b).statistic for a, b in zip(student.numpy(), teacher.numpy(), strict=True)]
    np.testing.assert_allclose(dist(student, teacher, 1e4).inter, expected, rtol=1e-2)


def test_a_relation_that_is_not_defined_counts_as_none_and_does_not_pull() -> None:
    student = torch.zeros(4, 5, requires_grad=True)
    found = dist(student, drawn(4).float(), 2.0)
    (found.inter.sum() + found.intra).backward()
    torch.testing.assert_close(found.inter, torch.ones(4))
    assert found.intra.item() == pytest.approx(1)
    assert student.grad is not None and not student.grad.any()


def test_a_class_that_the_batch_lacks_leaves_the_others_their_relation() -> None:
    student, teacher = drawn(), drawn()
    absent = torch.tensor([0.0, 0.0, 0.0, 0.0, -1e3], dtype=torch.float64)
    present = dist(student[:, :4], teacher[:, :4], 1.0).intra
    torch.testing.assert_close(dist(student + absent, teacher + absent, 1.0).intra, (4 * present + 1) / 5)


def test_relational_distance_compares_distances_over_their_mean() -> None:
    student, teacher = drawn(7, 3), drawn(7, 6)
    one, other = (pdist(x.numpy()) for x in (student, teacher))
    apart = huber(1.0, one / one.mean() - other / other.mean())
    np.testing.assert_allclose(relational_distance(student, teacher), squareform(apart).sum(axis=1) / 6, rtol=1e-9)
    assert relational_distance(student, teacher).mean().item() == pytest.approx(apart.mean(), rel=1e-9)


def test_relational_distance_worked_by_hand() -> None:
    """Student on a line at 0, 1, 3: distances 1, 2, 3 over 2. Teacher: an equilateral triangle, all 1."""
    student = torch.tensor([[0.0], [1.0], [3.0]])
    teacher = torch.eye(3)
    pairs = {(0, 1): 0.5**2 / 2, (1, 2): 0.0, (0, 2): 0.5**2 / 2}
    expected = [(pairs[0, 1] + pairs[0, 2]) / 2, (pairs[0, 1] + pairs[1, 2]) / 2, (pairs[0, 2] + pairs[1, 2]) / 2]
    np.testing.assert_allclose(relational_distance(student, teacher), expected, atol=1e-6)


def cosine_at(features: NDArray[np.float64], i: int, j: int, k: int) -> float:
    one, other = features[j] - features[i], features[k] - features[i]
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def test_relational_angle_compares_the_angles_one_by_one() -> None:
    student, teacher = drawn(6, 3), drawn(6, 4)
    expected = np.zeros(6)
    for i, j, k in permutations(range(6), 3):
        expected[i] += huber(1.0, cosine_at(student.numpy(), i, j, k) - cosine_at(teacher.numpy(), i, j, k)) / 20
    np.testing.assert_allclose(relational_angle(student, teacher), expected, rtol=1e-9)


def test_relational_angle_worked_by_hand() -> None:
    """Student: a right angle between equal legs, cosines 0, r, r with r = sqrt(1/2). Teacher: equilateral, all 1/2."""
    student = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    sharp = (np.sqrt(0.5) - 0.5) ** 2 / 2
    np.testing.assert_allclose(relational_angle(student, torch.eye(3)), [0.125, sharp, sharp], atol=1e-6)


def test_an_angle_to_a_twin_is_no_angle() -> None:
    """Student: twins and a third, cosines 0, 0 and 1 of one pair each. Teacher: equilateral, all 1/2."""
    student = torch.tensor([[0.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    np.testing.assert_allclose(relational_angle(student, torch.eye(3)), [0.125, 0.125, 0.125], atol=1e-6)


def test_near_samples_keep_their_distance_in_single_precision() -> None:
    """Features near 100 that differ by hundredths: |x|^2 + |y|^2 - 2 x y would round to whole units of the distance."""
    student = (100 + drawn(30, 8) / 256).float()
    teacher = drawn(30, 8)
    expected = relational_distance(student.double(), teacher)
    torch.testing.assert_close(relational_distance(student, teacher.float()), expected.float(), rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("loss", [relational_distance, relational_angle])
def test_a_moved_turned_and_scaled_copy_keeps_its_relations(loss: Relational) -> None:
    teacher = drawn(7, 3)
    turn = torch.from_numpy(np.linalg.qr(RNG.normal(size=(3, 3)))[0])
    np.testing.assert_allclose(loss(0.2 * teacher @ turn - 4, teacher), 0, atol=1e-12)
    assert (loss(drawn(7, 3), teacher) > 0).all()


@pytest.mark.parametrize("loss", [relational_distance, relational_angle])
def test_twins_leave_the_others_an_exact_gradient(loss: Relational) -> None:
    """The square root at distance 0 has no derivative: the twins' own term is left out, all others stay."""
    student = drawn(5, 3)
    student[1] = student[0]
    student.requires_grad_()
    teacher = drawn(5, 4)
    loss(student, teacher).sum().backward()
    grad, step = student.grad, 1e-6
    assert grad is not None and torch.isfinite(grad).all()
    for i in (2, 3, 4):
        moved = torch.zeros_like(student)
        moved[i, 0] = step
        slope = (loss(student + moved, teacher).sum() - loss(student - moved, teacher).sum()) / (2 * step)
        assert grad[i, 0].item() == pytest.approx(slope.item(), rel=1e-5, abs=1e-8)


def test_angles_keep_their_digits_in_mixed_precision() -> None:
    student, teacher = drawn(8, 16).float(), drawn(8, 16).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = relational_angle(student, teacher), relational_distance(student, teacher)
    torch.testing.assert_close(found, (relational_angle(student, teacher), relational_distance(student, teacher)))
