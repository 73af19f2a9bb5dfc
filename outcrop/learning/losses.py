"""Losses, as pure functions of logits and features."""

from math import cos, pi

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
    """Z-score of every sample's logits (N, classes): Sun et al., "Logit Standardization in KD", CVPR 2024, eq. 9."""
    centred = logits - logits.mean(dim=1, keepdim=True)
    return centred / centred.std(dim=1, correction=0, keepdim=True).clamp(min=1e-7)


def distillation_kl(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(z(t)/T) || softmax(z(s)/T)) per sample, on standardised logits z (N, classes) -> (N,).

    Hinton et al. 2015 for the factor T^2; Sun et al. 2024 for the standardisation.
    """
    target = functional.log_softmax(standardise_logits(teacher) / temperature, dim=1)
    found = functional.log_softmax(standardise_logits(student) / temperature, dim=1)
    return temperature**2 * functional.kl_div(found, target, reduction="none", log_target=True).sum(dim=1)


def cosine_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """1 - cosine between feature vectors (N, features) -> (N,)."""
    return 1 - functional.cosine_similarity(student, teacher, dim=1)


def annealed(start: float, end: float, progress: float) -> float:
    """Temperature at ``progress`` (0-1) through training: a cosine from ``start`` to ``end``."""
    return end + (start - end) * 0.5 * (1 + cos(pi * progress))
