"""Batch normalisation with the statistics of a new site, blended with those of training."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from outcrop.learning.networks import Patches


@torch.no_grad()
def blend_statistics(network: nn.Module, patches: Patches, weights: Tensor, count: float, prior: float) -> nn.Module:
    """A copy of a network whose batch statistics lie between those of training and those of ``patches``.

    Mean and variance are ``(N source + n site) / (N + n)`` (Schneider et al. 2020, NeurIPS), layer by layer: a layer's
    site statistics are taken behind the layers that have theirs already.

    Parameters
    ----------
    patches : unlabelled, by modality (m, bands, side, side)
    weights : (m,) how much each patch counts
    count : n, independent patches that they stand for; neighbouring ones are not independent
    prior : N, patches that the statistics of training count for
    """
    blended = deepcopy(network).eval()
    share = count / (count + prior)
    with _each_normalised(blended, weights / weights.sum(), share):
        blended(patches)
    return blended


@contextmanager
def _each_normalised(network: nn.Module, weights: Tensor, share: float) -> Iterator[None]:
    """While it lasts, every layer takes over its share of what comes in before it normalises."""

    def take_over(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(layer, _BatchNorm) and layer.running_mean is not None and layer.running_var is not None
        seen = inputs[0].flatten(start_dim=2) if inputs[0].ndim > 2 else inputs[0].unsqueeze(2)
        mean = torch.einsum("n,nc->c", weights, seen.mean(dim=2))
        variance = torch.einsum("n,nc->c", weights, ((seen - mean[:, None]) ** 2).mean(dim=2))
        layer.running_mean.lerp_(mean, share)
        layer.running_var.lerp_(variance, share)

    layers = [layer for layer in network.modules() if isinstance(layer, _BatchNorm)]
    hooks = [layer.register_forward_pre_hook(take_over) for layer in layers]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def guarding_weights(said: Tensor, usual: Tensor, highest: float = 10.0) -> tuple[Tensor, float]:
    """Weights of patches that make their predicted class shares those of training, and what is left of their number.

    Other class shares change the statistics of a site although nothing about its pixels is unusual; blending would then
    do harm. A patch of class c gets ``usual_c / predicted_c``, at most ``highest``.

    Parameters
    ----------
    said : (m, classes) predicted probabilities
    usual : (classes,) class shares that the network was trained with

    Returns
    -------
    weights, left : (m,); effective sample size (Kish) as a share of m
    """
    here = said.mean(dim=0).clamp(min=1e-6)
    ratio = (usual / here).clamp(max=highest)
    weights = said @ ratio
    left = float(weights.sum() ** 2 / (weights**2).sum() / len(weights))
    return weights, left
