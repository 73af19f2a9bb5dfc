"""Losses of one sample at a time, as pure functions: logits or features of student and teacher in, (N,) out.

Use them where a sample can be taught alone; `relations` holds those that compare samples with each other. The caller
weighs and averages. Half precision is for networks, not for these: widen their outputs to float32 first.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional


def class_weights(counts: Tensor, beta: float) -> Tensor:
    """Weights by the effective number of samples, w_c ~ (1 - beta) / (1 - beta^n_c), with mean 1 over seen classes.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, eq. 2. A class without samples
    weighs nothing.

    Parameters
    ----------
    counts : (classes,) training samples
    beta : in [0, 1); 0 gives equal weights, towards 1 inverse frequency
    """
    seen = counts > 0
    raw = torch.where(seen, (1 - beta) / (1 - beta ** counts.clamp(min=1).double()), 0.0)
    return (raw / raw[seen].mean()).float()


def standardise_logits(logits: Tensor) -> Tensor:
    """Z-score of every sample's logits (N, classes): Sun et al., "Logit Standardization in KD", CVPR 2024, eq. 9.

    Logits that are equal but for rounding are only centred: over their deviation, their gradient would have no bound.
    """
    centred = logits - logits.mean(dim=1, keepdim=True)
    deviation = centred.std(dim=1, correction=0, keepdim=True)
    return centred / torch.where(deviation > 1e-6, deviation, 1.0)


def kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(t/T) || softmax(s/T)) per sample.

    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", NIPS Deep Learning Workshop 2014, sec. 2:
    gradients shrink as 1/T^2, the factor undoes it.

    Parameters
    ----------
    student, teacher : (N, classes) logits
    temperature : T, above 0

    Returns
    -------
    (N,)
    """
    target = functional.log_softmax(teacher / temperature, dim=1)
    found = functional.log_softmax(student / temperature, dim=1)
    return temperature**2 * functional.kl_div(found, target, reduction="none", log_target=True).sum(dim=1)


def distillation_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """`kl` of the standardised logits, (N, classes) -> (N,): scale and shift of a sample's logits do not matter.

    Sun et al., "Logit Standardization in KD", CVPR 2024.
    """
    return kl(standardise_logits(student), standardise_logits(teacher), temperature)


class Decoupled(NamedTuple):
    """The two parts of `decoupled_kl`, each (N,), weighted by nothing yet."""

    target: Tensor
    non_target: Tensor


def decoupled_parts(student: Tensor, teacher: Tensor, temperature: float, labels: Tensor) -> Decoupled:
    """Hinton's KL taken apart: is it the target class, and if not, which of the others?

    With c the target class, p_c its probability at T, and p^ the probabilities of the other classes among themselves::

        target     = T^2 KL((p_c, 1 - p_c)(t) || (p_c, 1 - p_c)(s))
        non_target = T^2 KL(p^(t) || p^(s))
        kl         = target + (1 - p_c(t)) non_target

    Zhao, Cui, Song, Qiu and Liang, "Decoupled Knowledge Distillation", CVPR 2022, eq. 6 (TCKD and NCKD). In ``kl`` the
    surer a teacher is, the less it tells of the other classes; taken apart, it tells as much.

    Parameters
    ----------
    student, teacher : (N, classes) logits, two classes or more; standardise them first if scale is not to matter
    temperature : T, above 0
    labels : (N,) class, below 0 where there is none: there the target is the teacher's most probable class
    """
    target = torch.where(labels >= 0, labels, teacher.argmax(dim=1)).unsqueeze(1)
    # The other classes are gathered, not masked with -inf, which would bring in inf - inf.
    columns = torch.arange(teacher.shape[1] - 1, device=target.device)
    others = columns + (columns >= target)
    student_rest, teacher_rest = student.gather(1, others), teacher.gather(1, others)
    found = _target_or_not(student.gather(1, target), student_rest, temperature)
    wanted = _target_or_not(teacher.gather(1, target), teacher_rest, temperature)
    return Decoupled(kl(found, wanted, temperature), kl(student_rest, teacher_rest, temperature))


def _target_or_not(target: Tensor, rest: Tensor, temperature: float) -> Tensor:
    """Logits (N, 2) whose softmax at ``temperature`` is (p_c, 1 - p_c), of those of the target (N, 1) and the rest."""
    return torch.cat([target, temperature * (rest / temperature).logsumexp(dim=1, keepdim=True)], dim=1)


def decoupled_kl(
    student: Tensor,
    teacher: Tensor,
    temperature: float,
    labels: Tensor,
    alpha: float | Tensor = 1.0,
    beta: float | Tensor = 8.0,
) -> Tensor:
    """Alpha target + beta non_target of `decoupled_parts`, which see: (N, classes) -> (N,).

    Zhao et al., CVPR 2022, eq. 7; the defaults are those of their code, whose beta differs by data set.

    Parameters
    ----------
    alpha, beta : weights, or one weight a sample (N,): with ``gate(teacher, labels)`` as ``alpha`` a labelled sample
        whose teacher is wrong is taught its non-target classes only
    """
    parts = decoupled_parts(student, teacher, temperature, labels)
    return alpha * parts.target + beta * parts.non_target


def gate(teacher: Tensor, labels: Tensor) -> Tensor:
    """0 for a labelled sample whose teacher is wrong, else 1, as a weight (N,); unlabelled samples pass.

    Parameters
    ----------
    teacher : (N, classes) logits
    labels : (N,) class, below 0 where there is none
    """
    return ((labels < 0) | (teacher.argmax(dim=1) == labels)).to(teacher.dtype)


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine between feature vectors (N, features) -> (N,)."""
    return 1 - functional.cosine_similarity(student, teacher, dim=1)
