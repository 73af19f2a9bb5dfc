"""What a network sees of cells: the features in front of its last layer, and that layer as a head."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outcrop.learning.adaptation.heads import Head
from outcrop.learning.committee import Committee
from outcrop.learning.models import Model
from outcrop.learning.site_gate import SiteGate, gated_width
from outcrop.survey.patches import Batch


@dataclass(frozen=True)
class Seen:
    """Cells as a network sees them.

    Parameters
    ----------
    features : (n, d) float32
    labels : (n,) class, -1 where there is none
    blocks, positions : (n,) block in the census, and place in the block
    """

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    blocks: NDArray[np.int64]
    positions: NDArray[np.int64]


def head_of(network: nn.Module) -> Head:
    """The last layer of a network; of a committee, the head whose logits are the mean of its members'."""
    layers = _last_layers(network)
    weights = [layer.weight.detach().double().cpu().numpy() / len(layers) for layer in layers]
    biases = [layer.bias.detach().double().cpu().numpy() / len(layers) for layer in layers]
    return Head(np.concatenate(weights, axis=1), np.sum(biases, axis=0))


def with_head(model: Model, head: Head, classes: Sequence[str]) -> Model:
    """A copy of a student with another head, over more ``classes`` if there are new ones."""
    network = put_head(deepcopy(model.network).cpu(), head).eval()
    gates = sum(isinstance(layer, SiteGate) for layer in network.modules())
    return Model(network, model.config.model_copy(update={"classes": tuple(classes), "gates": gates}))


def with_gate(network: nn.Module, gate: SiteGate) -> nn.Module:
    """A copy of a student's network with a gate in front of its last layer; it says what it said before."""
    copy = deepcopy(network)
    head, classifier = head_of(copy), copy.classifier
    assert isinstance(classifier, nn.Sequential)
    classes, features = head.weight.shape
    wider = nn.Linear(gated_width(features, 1), classes)
    copy.classifier = nn.Sequential(*list(classifier)[:-1], gate, wider).to(next(network.parameters()).device)
    silent = np.zeros((classes, features + 1))
    return put_head(copy, Head(np.hstack([head.weight, silent]), head.bias))


def put_head(network: nn.Module, head: Head) -> nn.Module:
    """Give a student's network another last layer, and return it."""
    (before,) = _last_layers(network)
    after = nn.Linear(before.in_features, len(head.bias)).to(before.weight.device)
    after.weight.data.copy_(torch.from_numpy(head.weight))
    after.bias.data.copy_(torch.from_numpy(head.bias))
    classifier = network.classifier
    assert isinstance(classifier, nn.Sequential)
    classifier[len(classifier) - 1] = after
    return network


def look(network: nn.Module, batches: Iterable[Batch], modalities: Sequence[str], device: torch.device) -> Seen:
    """Features of every cell of ``batches``, with the network in evaluation mode."""
    rows: list[tuple[NDArray, ...]] = []
    for batch in batches:
        patches = {name: torch.from_numpy(batch.patches[name]).to(device) for name in modalities}
        rows.append((features_of(network, patches), batch.labels, batch.blocks, batch.positions))
    return Seen(*(np.concatenate(column) for column in zip(*rows, strict=True)))


@torch.inference_mode()
def features_of(network: nn.Module, patches: dict[str, Tensor]) -> NDArray[np.float32]:
    """(N, d) what reaches the last layer, of a committee one member behind the other."""
    network.eval()
    with _overheard(_last_layers(network)) as heard:
        network(patches)
    return torch.cat(heard, dim=1).float().cpu().numpy()


@contextmanager
def _overheard(layers: Sequence[nn.Linear]) -> Iterator[list[Tensor]]:
    heard: list[Tensor] = []
    hooks = [layer.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0])) for layer in layers]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _last_layers(network: nn.Module) -> list[nn.Linear]:
    members = network.members if isinstance(network, Committee) else [network]
    return [[layer for layer in member.modules() if isinstance(layer, nn.Linear)][-1] for member in members]
