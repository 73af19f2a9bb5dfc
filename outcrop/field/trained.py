"""Asking a model that was not exported: the teacher, an assistant or a student, with torch."""

from collections.abc import Mapping

import torch

from outcrop.field.dense import densify
from outcrop.field.predictors import Said, Windows
from outcrop.field.profiles import ModelProfile
from outcrop.learning.models import Model


class TrainedPredictor:
    """A model's network in its dense form; it does not know what is familiar, as an export does."""

    def __init__(self, model: Model, profile: ModelProfile) -> None:
        self.profile = profile
        fine: Mapping[str, int] = {entry.name: entry.fine for entry in profile.inputs}
        self._network = densify(model.network.cpu(), model.config.inputs, fine)

    @torch.inference_mode()
    def predict(self, windows: Windows) -> Said:
        """What the network says of a tile."""
        said = self._network({name: torch.from_numpy(values) for name, values in windows.items()})
        return Said(said.logits.softmax(dim=1).numpy(), None)
