"""Asking a model that was not exported: the teacher, an assistant or a student, with torch."""

from collections.abc import Mapping
from typing import cast

import torch

from outcrop.field.dense import DenseNetwork, densify
from outcrop.field.familiarity import Familiarity
from outcrop.field.predictors import Said, Windows
from outcrop.field.profiles import ModelProfile
from outcrop.learning.committee import Committee
from outcrop.learning.models import Model


class TrainedPredictor:
    """A model's network in its dense form, and what is familiar to it, if that was learnt."""

    def __init__(self, model: Model, profile: ModelProfile, familiarity: Familiarity | None = None) -> None:
        self.profile, self._familiarity = profile, familiarity
        fine: Mapping[str, int] = {entry.name: entry.fine for entry in profile.inputs}
        self._network = densify(model.network.cpu(), model.config.inputs, fine)

    @property
    def tells_strangeness(self) -> bool:
        """Whether it knows the training data."""
        return self._familiarity is not None

    @torch.inference_mode()
    def predict(self, windows: Windows) -> Said:
        """What the network says of a tile."""
        seen = {name: torch.from_numpy(values) for name, values in windows.items()}
        if isinstance(self._network, Committee):
            logits, (_, means) = self._network(seen).logits, cast(DenseNetwork, self._network.members[0]).look(seen)
        else:
            features, means = self._network.look(seen)
            logits = self._network.rest(features).logits
        strangeness = None if self._familiarity is None else self._familiarity.strangeness(means.numpy())
        return Said(logits.softmax(dim=1).numpy(), strangeness)
