"""Losses of relations, as pure functions: how classes rank within a sample, how samples lie to each other in a batch.

Use them where the student cannot copy the teacher's values, only their pattern: after a far stronger teacher, or with
features of another width (no projector is needed). What a sample is compared with is the batch that it came in.
Half precision is for networks, not for these: widen their outputs to float32 first.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

#: Probabilities that vary by less are constant but for rounding: no correlation is defined.
_SPREAD = 1e-6


class Relations(NamedTuple):
    """The two parts of `dist`: ``inter`` (N,), one value a sample, and ``intra`` (), one value for the batch."""

    inter: Tensor
    intra: Tensor


def dist(student: Tensor, teacher: Tensor, temperature: float, weights: Tensor | None = None) -> Relations:
    """Do student and teacher agree which classes fit a sample, and which samples fit a class?

    With p = softmax(logits / T) and r Pearson's correlation::

        inter_i = 1 - r(p_i.(s), p_i.(t))                  over the classes of sample i
        intra   = mean over c of 1 - r(p_.c(s), p_.c(t))   over the samples of the batch

    Huang, You, Wang, Qian and Xu, "Knowledge Distillation from A Stronger Teacher", NeurIPS 2022, L_inter and L_intra.
    Their code multiplies both by T^2; not so here: a correlation has no scale, so its gradient does not shrink with T.
    Where one side does not vary (a student of equal logits, a class that the batch lacks, a batch of one), r counts as
    0 and does not pull.

    Parameters
    ----------
    student, teacher : (N, classes) logits
    temperature : T, above 0
    weights : (N,) of the samples, at least 0, all 1 if None; only their proportions matter. They enter ``intra`` as the
        weights of a weighted correlation. ``inter`` is left to the caller, who weighs it as any loss of a sample.
    """
    found, target = (functional.softmax(x / temperature, dim=1) for x in (student, teacher))
    samples = found.new_ones(found.shape[0]) if weights is None else weights
    inter = 1 - _correlation(found, target, found.new_ones(found.shape[1]))
    intra = 1 - _correlation(found.T, target.T, samples)
    return Relations(inter, intra.mean())


def _correlation(one: Tensor, other: Tensor, weights: Tensor) -> Tensor:
    """Weighted Pearson correlation of rows (M, n), weights (n,) -> (M,); 0, without a gradient, where undefined."""
    share = weights / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny)
    one, other = (x - (share * x).sum(dim=1, keepdim=True) for x in (one, other))
    variances = [(share * x.square()).sum(dim=1) for x in (one, other)]
    defined = torch.stack(variances).amin(dim=0) > _SPREAD**2
    # The root is taken of what is defined only: its gradient at 0 is infinite.
    scale = torch.where(defined, variances[0] * variances[1], 1.0).sqrt()
    return torch.where(defined, (share * one * other).sum(dim=1) / scale, 0.0)


def relational_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Do samples lie as far from each other as they do for the teacher? Mean over the other samples, (N,).

    With d_ij the Euclidean distance of two samples and mu its mean over all pairs of the batch::

        loss_i = mean over j != i of huber(d_ij(s) / mu(s) - d_ij(t) / mu(t)),   huber(x) = x^2 / 2, |x| - 1/2 beyond 1

    Park, Kim, Lu and Cho, "Relational Knowledge Distillation", CVPR 2019, sec. 3.2.1 (RKD-D). The mean
    of (N,) is the mean over pairs; the paper sums. Samples in one place are not pulled apart; a batch of one gives 0.

    Parameters
    ----------
    student, teacher : (N, features), of any two widths
    """
    apart = functional.huber_loss(_distances(student), _distances(teacher), reduction="none")
    return apart.sum(dim=1) / max(len(student) - 1, 1)


def _distances(features: Tensor) -> Tensor:
    """Distances (N, N) between samples over their mean, with gradient 0 where they are 0."""
    n = len(features)
    # Not by matrix product: it cancels, and gives near samples a distance of rounding error.
    found = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return found / _nonzero(found.sum() / max(n * (n - 1), 1))


def relational_angle(student: Tensor, teacher: Tensor) -> Tensor:
    """Does a sample see any two others under the angle that it does for the teacher? Mean over the pairs seen, (N,).

    With a_jik the cosine of the angle at i between j and k::

        loss_i = mean over j != k, both != i, of huber(a_jik(s) - a_jik(t))

    Park et al., CVPR 2019, sec. 3.2.2 (RKD-A). A sample in the place of i lies in no direction: its cosines are 0
    and do not pull. Fewer than three samples give 0. Holds N^3 cosines: a megabyte for 64 samples, half a gigabyte for
    512, several times over.

    Parameters
    ----------
    student, teacher : (N, features), of any two widths
    """
    n = len(student)
    seen = functional.huber_loss(_cosines(student), _cosines(teacher), reduction="none")
    pairs = 1 - torch.eye(n, dtype=seen.dtype, device=seen.device)
    return (seen * pairs).sum(dim=(1, 2)) / max((n - 1) * (n - 2), 1)


def _cosines(features: Tensor) -> Tensor:
    """Cosine (N, N, N) of the angle at the first sample between the second and the third."""
    to_others = features - features.unsqueeze(1)
    directions = to_others / _nonzero(torch.linalg.vector_norm(to_others, dim=2, keepdim=True))
    with torch.autocast(features.device.type, enabled=False):  # three digits do not tell angles apart
        return directions @ directions.mT


def _nonzero(x: Tensor) -> Tensor:
    """``x`` with 1 for 0: to divide by, what is divided being 0 too."""
    return x.masked_fill(x == 0, 1.0)
