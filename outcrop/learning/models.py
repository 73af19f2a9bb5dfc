"""Models on disk: ``weights.safetensors`` and ``model.json``; no pickle is written or read."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from outcrop.errors import ModelError
from outcrop.learning.committee import Committee
from outcrop.learning.networks import Input
from outcrop.learning.student import StudentNetwork
from outcrop.learning.teacher import TeacherNetwork
from outcrop.params import Student, Teacher
from outcrop.settings import Section
from outcrop.survey.census import Census
from outcrop.survey.sites import Site

#: What a model is to the chain of rungs; a control has the role of the model that it is compared with.
Role = Literal["teacher", "assistant", "student"]
WEIGHTS, CONFIG = "weights.safetensors", "model.json"
RETRAIN = "train it again"


class ModelConfig(Section):
    """Everything but the weights: enough to build the network and to check the data it is given.

    ``gates``: how many gates of a site a student has, which it gets where it is adapted; see `SiteGate`.
    """

    survey: str
    role: Role
    classes: tuple[str, ...]
    footprint: int
    inputs: tuple[Input, ...]
    architecture: Teacher | Student
    gates: int = 0


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode, with its configuration."""

    network: nn.Module
    config: ModelConfig


def describe_inputs(site: Site, census: Census, modalities: Sequence[str]) -> tuple[Input, ...]:
    """The inputs of a network that sees ``modalities``, normalised as the training blocks say."""
    rasters = site.scenes[0].rasters
    return tuple(
        Input(
            modality=name,
            bands=tuple(band.name for band in rasters[name].bands),
            side=rasters[name].nesting.patch_side(census.footprint),
            mean=census.normalisation[name].mean,
            std=census.normalisation[name].std,
        )
        for name in modalities
    )


def build_network(config: ModelConfig) -> nn.Module:
    """A new network with random weights."""
    architecture, classes = config.architecture, len(config.classes)
    if isinstance(architecture, Student):
        return StudentNetwork(config.inputs, classes, architecture, config.gates)
    members = [TeacherNetwork(config.inputs, classes, architecture) for _ in range(architecture.members)]
    return Committee(members) if len(members) > 1 else members[0]


def save_model(model: Model, folder: Path) -> None:
    """Write the two files of a model into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous() for name, value in model.network.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    config = {**model.config.model_dump(mode="json"), "inputs": [asdict(entry) for entry in model.config.inputs]}
    (folder / CONFIG).write_text(json.dumps(config, indent=1, sort_keys=True))


def load_model(folder: Path) -> Model:
    """Read a model.

    Raises
    ------
    ModelError : a file is missing or damaged, or the weights do not fit the configuration.
    """
    config = _read_config(folder)
    try:
        weights = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as cause:
        raise ModelError(f"`{WEIGHTS}` is missing or damaged", where=folder, remedy=RETRAIN) from cause
    try:
        network = build_network(config)
        network.load_state_dict(weights)
    except (RuntimeError, ValueError) as cause:
        raise ModelError(f"the weights are not those of `{CONFIG}`", where=folder, remedy=RETRAIN) from cause
    return Model(network.eval(), config)


def _read_config(folder: Path) -> ModelConfig:
    try:
        return ModelConfig.model_validate_json((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ModelError(f"`{CONFIG}` is missing or describes no model", where=folder, remedy=RETRAIN) from cause


class PatchClassifier:
    """A model as a plain function of arrays: what the model registry serves."""

    def __init__(self, model: Model) -> None:
        self.model = model

    def predict(self, patches: dict[str, Any], params: dict[str, Any] | None = None) -> NDArray[np.float32]:
        """Class probabilities (N, classes) of patches, by modality (N, bands, side, side) in the modality's unit."""
        tensors = {
            entry.modality: torch.as_tensor(np.asarray(patches[entry.modality], dtype=np.float32))
            for entry in self.model.config.inputs
        }
        with torch.inference_mode():
            probabilities: NDArray[np.float32] = self.model.network(tensors).logits.softmax(dim=1).numpy()
        return probabilities


def _load_pyfunc(path: str) -> PatchClassifier:
    """Entry point by which MLflow's pyfunc flavour loads a model from code, without pickle."""
    return PatchClassifier(load_model(Path(path)))
