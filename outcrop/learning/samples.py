"""From batches of patches to what an objective sees: tensors on the device, augmented, with the guides' outputs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from outcrop.learning.guides import GuideOutputs
from outcrop.learning.networks import Input, Patches, Prediction
from outcrop.params import Augment
from outcrop.survey.augment import augment
from outcrop.survey.patches import Batch


@dataclass(frozen=True)
class Sample:
    """A batch as an objective sees it.

    Parameters
    ----------
    patches : by modality, (N, bands, side, side)
    labels : (N,) class, -1 where there is none
    guides : what every guide says of the samples
    """

    patches: Patches
    labels: Tensor
    guides: tuple[Prediction, ...] = ()


@dataclass(frozen=True)
class Preparation:
    """How the batches of one model are prepared."""

    inputs: tuple[Input, ...]
    augment: Augment
    seed: int
    device: torch.device
    guides: tuple[GuideOutputs, ...] = ()

    def samples(self, batches: Iterable[Batch], epoch: int) -> Iterator[Sample]:
        """The samples of one epoch; what is random in them follows from (seed, epoch)."""
        entropy = int(np.random.default_rng([self.seed, epoch, 1]).integers(2**62))
        generator = torch.Generator().manual_seed(entropy)
        std = {entry.modality: torch.tensor(entry.std) for entry in self.inputs}
        for batch in batches:
            patches = {entry.modality: torch.from_numpy(batch.patches[entry.modality]) for entry in self.inputs}
            changed = augment(patches, std, self.augment, generator)
            on_device = {name: x.to(self.device, non_blocking=True) for name, x in changed.items()}
            guides = tuple(self._said(guide, batch) for guide in self.guides)
            yield Sample(on_device, torch.from_numpy(batch.labels).to(self.device), guides)

    def _said(self, guide: GuideOutputs, batch: Batch) -> Prediction:
        rows = guide.rows(batch)
        found = (guide.logits[rows], guide.features[rows])
        return Prediction(*(torch.from_numpy(x.astype(np.float32)).to(self.device) for x in found))
