"""Fine-tuning with few labels: the last layer first, then the whole network, held at the source's weights."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from outcrop.learning.adaptation.heads import Array, Classes, Head
from outcrop.learning.adaptation.looks import put_head
from outcrop.params import FineTuning


@dataclass(frozen=True)
class Tuned:
    """A fine-tuned network, asked about cells by their place (n, 1) among ``patches``."""

    network: nn.Module
    patches: Mapping[str, Tensor]

    @torch.inference_mode()
    def logits(self, features: Array) -> Array:
        """(n, 1) places -> (n, classes)."""
        chosen = torch.from_numpy(features[:, 0].astype(np.int64))
        return np.asarray(self.network(_at(self.patches, chosen)).logits.double().cpu().numpy())


def fine_tune(
    network: nn.Module, head: Head, patches: Mapping[str, Tensor], classes: Classes, params: FineTuning
) -> nn.Module:
    """Train a copy of a network on all labels at once: ``steps`` for its last layer, as many for all of it.

    The loss is the mean cross-entropy plus ``strength / 2 ||w - w_source||^2 / n`` (L2-SP, Li et al. 2018). Batch
    statistics stay: a handful of patches has none of its own. Without dropout or shuffling nothing is left to chance.

    Parameters
    ----------
    head : what the last layer begins with; it may know more classes than the network's
    patches, classes : of the labels, by modality (n, bands, side, side), and (n,)
    """
    tuned = put_head(deepcopy(network), head).eval()
    wanted = torch.from_numpy(np.asarray(classes, dtype=np.int64)).to(next(tuned.parameters()).device)
    start = {name: value.detach().clone() for name, value in tuned.named_parameters()}
    last = {id(value) for value in tuned.classifier.parameters()}  # type: ignore[union-attr]
    for chosen, rate in (
        ([value for value in tuned.parameters() if id(value) in last], params.lr),
        (list(tuned.parameters()), params.lr / 10),
    ):
        optimizer = torch.optim.Adam(chosen, lr=rate)
        for _ in range(params.steps):
            optimizer.zero_grad()
            held = sum(((value - start[name]) ** 2).sum() for name, value in tuned.named_parameters())
            loss = cross_entropy(tuned(dict(patches)).logits, wanted) + params.strength / 2 * held / len(wanted)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    return tuned


def _at(patches: Mapping[str, Tensor], chosen: Tensor) -> dict[str, Tensor]:
    return {name: values[chosen.to(values.device)] for name, values in patches.items()}


def tuned_on(
    network: nn.Module,
    head: Head,
    patches: Mapping[str, Tensor],
    learnt: np.ndarray,
    classes: Classes,
    params: FineTuning,
) -> Tuned:
    """The network fine-tuned on some of the labels, ready to be asked about all of them."""
    own = _at(patches, torch.from_numpy(learnt.astype(np.int64)))
    return Tuned(fine_tune(network, head, own, classes[learnt], params), patches)
