"""From batches of patches to what an objective sees: tensors on the device, augmented, with the teacher's outputs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from outcrop.learning.distillation import TeacherOutputs
from outcrop.learning.networks import Input, Patches
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
    logits, features : the teacher's outputs (N, ...), None without a teacher
    """

    patches: Patches
    labels: Tensor
    logits: Tensor | None = None
    features: Tensor | None = None


@dataclass(frozen=True)
class Preparation:
    """How the batches of one model are prepared."""

    inputs: tuple[Input, ...]
    augment: Augment
    seed: int
    device: torch.device
    outputs: TeacherOutputs | None = None

    def samples(self, batches: Iterable[Batch], epoch: int) -> Iterator[Sample]:
        """The samples of one epoch; what is random in them follows from (seed, epoch)."""
        entropy = int(np.random.default_rng([self.seed, epoch, 1]).integers(2**62))
        generator = torch.Generator().manual_seed(entropy)
        std = {entry.modality: torch.tensor(entry.std) for entry in self.inputs}
        for batch in batches:
            patches = {entry.modality: torch.from_numpy(batch.patches[entry.modality]) for entry in self.inputs}
            changed = augment(patches, std, self.augment, generator)
            on_device = {name: x.to(self.device, non_blocking=True) for name, x in changed.items()}
            yield Sample(on_device, torch.from_numpy(batch.labels).to(self.device), *self._teacher(batch))

    def _teacher(self, batch: Batch) -> tuple[Tensor | None, Tensor | None]:
        if self.outputs is None:
            return None, None
        rows = self.outputs.rows(batch)
        logits, features = self.outputs.logits[rows], self.outputs.features[rows]
        return tuple(torch.from_numpy(x.astype(np.float32)).to(self.device) for x in (logits, features))  # type: ignore[return-value]
