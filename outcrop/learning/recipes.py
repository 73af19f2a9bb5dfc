"""How models are trained: the teacher and the label-only control here, by the loop that distillation uses too."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from outcrop.learning.committee import Committee, member_seed
from outcrop.learning.guides import GuideOutputs
from outcrop.learning.losses import class_weights
from outcrop.learning.material import Material
from outcrop.learning.models import Model, ModelConfig, build_network
from outcrop.learning.objectives import LabelObjective
from outcrop.learning.rungs import Rung
from outcrop.learning.samples import Preparation
from outcrop.learning.training import Fitted, Progress, fit, one_after_another, predict, validation_score
from outcrop.params import Teacher
from outcrop.survey.cells import CellSet, labelled_cells, thinned
from outcrop.survey.patches import BlockPool, Draw, PatchStream, sweep

#: Cells scored at once: no gradients are kept, so batches can be larger than in training.
SWEEP_BATCH = 256


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about."""

    model: Model
    fitted: Fitted


def train_on_labels(rung: Rung, material: Material, key: str, tell: Progress = lambda record: None) -> Trained:
    """Train the model of a rung on labels alone: the teacher, member by member, or a control."""
    config = material.config(rung)
    if not isinstance(config.architecture, Teacher) or config.architecture.members == 1:
        return _train_alone(config, material, material, key, tell)
    single = config.model_copy(update={"architecture": config.architecture.model_copy(update={"members": 1})})
    trained: list[Trained] = []
    for member in range(config.architecture.members):
        seeded = material.with_seed(member_seed(material.params.seed, member))
        trained.append(_train_alone(single, material, seeded, f"{key}-{member}", tell))
    network = Committee([each.model.network for each in trained]).eval()
    return Trained(Model(network, config), one_after_another([each.fitted for each in trained]))


def _train_alone(config: ModelConfig, material: Material, seeded: Material, key: str, tell: Progress) -> Trained:
    """Train one network on the labels of ``material``; the seed of ``seeded`` decides all else."""
    network = new_network(seeded, config)
    objective = LabelObjective(network, label_weights(material), material.params.train.label_smoothing)
    draws = [Draw(training_labels(material), material.params.train.samples)]
    return train(seeded, config, objective, draws, key, tell)


def train(
    material: Material,
    config: ModelConfig,
    objective: LabelObjective,
    draws: Sequence[Draw],
    key: str,
    tell: Progress,
    guides: Sequence[GuideOutputs] = (),
    effort: float = 1.0,
) -> Trained:
    """Train a new network to an objective; ``effort`` multiplies the number of epochs."""
    params, fabric, reader = material.params, material.fabric, material.reader
    modalities = [entry.modality for entry in config.inputs]
    # Three quarters of the memory for training blocks, one for validation blocks.
    pool = BlockPool(reader, modalities, params.patches.pool_mb * 3 // 4)
    stream = PatchStream(pool, draws, params.patches.batch, params.seed)
    preparation = Preparation(config.inputs, params.augment, params.seed, fabric.device, tuple(guides))
    val_pool = BlockPool(reader, modalities, -(-params.patches.pool_mb // 4))
    labelled = labelled_cells(reader, "val", "all", params.seed)
    val_cells = thinned(reader, labelled, params.train.val_samples, params.seed)

    def validate(network: nn.Module) -> tuple[float, float]:
        batches = sweep(val_pool, val_cells, SWEEP_BATCH)
        return validation_score(predict(network, batches, modalities, fabric.device))

    # What is trained longer is also waited for longer.
    patience = max(params.train.patience, round(effort * params.train.patience))
    fitted = fit(
        fabric,
        objective,
        lambda epoch: preparation.samples(stream.epoch(epoch), epoch),
        len(stream),
        validate,
        params.train.model_copy(update={"patience": patience}),
        epochs=params.train.epochs.of(config.role, effort),
        lr=params.train.lr.of(config.role),
        seed=params.seed,
        checkpoint=material.checkpoint(key),
        key=key,
        tell=tell,
    )
    return Trained(Model(objective.network.eval(), config), fitted)


def new_network(material: Material, config: ModelConfig) -> nn.Module:
    """Weights drawn from the seed alone: control and student start alike."""
    torch.manual_seed(material.params.seed)
    return build_network(config)


def training_labels(material: Material) -> CellSet:
    """The labelled cells that training may see."""
    return labelled_cells(material.reader, "train", material.params.labels.per_class, material.params.seed)


def label_weights(material: Material) -> Tensor:
    """Class weights (classes,) from the labels that training sees."""
    support = torch.from_numpy(material.census.support("train"))
    if material.params.labels.per_class != "all":
        support = support.clamp(max=material.params.labels.per_class)
    return class_weights(support, material.params.train.class_balance)
