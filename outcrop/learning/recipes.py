"""How a survey's models are trained: teacher, label-only control, and distilled student, by the same loop."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from outcrop.learning.committee import Committee, member_seed
from outcrop.learning.devices import make_fabric
from outcrop.learning.distillation import TeacherOutputs, outputs_of, write_outputs
from outcrop.learning.losses import class_weights
from outcrop.learning.models import Model, ModelConfig, build_network, describe_inputs
from outcrop.learning.objectives import DistilObjective, LabelObjective
from outcrop.learning.samples import Preparation
from outcrop.learning.training import Fitted, Progress, fit, one_after_another, predict, validation_score
from outcrop.params import Params, Student
from outcrop.survey.cells import CellReader, CellSet, join, labelled_cells, paired_cells, thinned
from outcrop.survey.census import Census
from outcrop.survey.patches import BlockPool, Draw, PatchStream, sweep
from outcrop.survey.sites import Site

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: Cells scored at once: no gradients are kept, so batches can be larger than in training.
SWEEP_BATCH = 256


@dataclass(frozen=True)
class Material:
    """What every training starts from. ``work`` holds checkpoints and teacher outputs while it runs."""

    survey: str
    sites: tuple[Site, ...]
    census: Census
    params: Params
    work: Path
    fabric: "Fabric" = field(repr=False)
    reader: CellReader = field(repr=False)

    @classmethod
    def gather(
        cls, survey: str, sites: Sequence[Site], census: Census, params: Params, work: Path, accelerator: str = "auto"
    ) -> "Material":
        """The material of one survey, on the device that is at hand."""
        fabric = make_fabric(params.train, accelerator)
        return cls(survey, tuple(sites), census, params, work, fabric, CellReader(sites, census))

    def checkpoint(self, key: str) -> Path:
        """Where the training of a step keeps its last complete epoch."""
        return self.work / "checkpoints" / f"{key}.safetensors"

    def outputs(self, key: str) -> Path:
        """Where a distillation keeps the teacher's outputs."""
        return self.work / "outputs" / key

    def discard(self, key: str) -> None:
        """Remove what a finished training no longer needs."""
        for path in self.checkpoint(key).parent.glob(f"{key}*.safetensors"):
            path.unlink()
        shutil.rmtree(self.outputs(key), ignore_errors=True)

    def with_seed(self, seed: int) -> "Material":
        """The same with another seed."""
        return replace(self, params=self.params.model_copy(update={"seed": seed}))

    def modalities(self, role: str) -> tuple[str, ...]:
        """What the model of a role sees; ``all`` means every modality of the survey, in the order of their names."""
        listed = self.params.teacher.modalities if role == "teacher" else self.params.student.modalities
        return tuple(sorted(self.sites[0].scenes[0].rasters)) if listed == "all" else tuple(listed)

    def config(self, role: str) -> ModelConfig:
        """Configuration of a new ``teacher`` or ``student``."""
        return ModelConfig(
            survey=self.survey,
            role="teacher" if role == "teacher" else "student",
            classes=self.census.class_names,
            footprint=self.census.footprint,
            inputs=describe_inputs(self.sites[0], self.census, self.modalities(role)),
            architecture=self.params.teacher if role == "teacher" else self.params.student,
        )


@dataclass(frozen=True)
class Trained:
    """A trained model and how it came about."""

    model: Model
    fitted: Fitted


def train_on_labels(role: str, material: Material, key: str, tell: Progress = lambda record: None) -> Trained:
    """Train the teacher, member by member, or a student on labels alone (the control)."""
    config = material.config(role)
    if isinstance(config.architecture, Student) or config.architecture.members == 1:
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
    network = _new_network(seeded, config)
    objective = LabelObjective(network, _weights(material), material.params.train.label_smoothing)
    return _train(seeded, config, objective, [Draw(_labelled(material), material.params.train.samples)], key, tell)


def train_by_distillation(
    teacher: Model, material: Material, key: str, tell: Progress = lambda record: None
) -> Trained:
    """Train a student on labels and on the teacher's outputs for labelled cells and unlabelled pairs.

    The student starts from the weights that the control starts from, and takes as many patches.
    """
    params, reader = material.params, material.reader
    # Where more cells are labelled than outputs are kept for, an even draw of them.
    labelled = thinned(reader, _labelled(material), params.distil.pairs, params.seed)
    pairs = paired_cells(reader, "train", params.distil.pairs, params.seed) if params.distil.unlabelled else labelled
    outputs = _teach(material, teacher, join(reader, labelled, pairs), material.outputs(key))
    unlabelled = round(params.train.samples * params.distil.unlabelled_share) if params.distil.unlabelled else 0
    draws = [Draw(labelled, params.train.samples - unlabelled), Draw(pairs, unlabelled, hard=False)]
    config = material.config("student")
    objective = DistilObjective(
        _new_network(material, config),
        _weights(material),
        class_weights(outputs.class_counts(), params.distil.class_balance),
        params.distil,
        student_features=params.student.features * len(config.inputs),
        teacher_features=outputs.features.shape[1],
        smoothing=params.train.label_smoothing,
    )
    return _train(material, config, objective, draws, key, tell, outputs)


def _train(
    material: Material,
    config: ModelConfig,
    objective: LabelObjective,
    draws: Sequence[Draw],
    key: str,
    tell: Progress,
    outputs: TeacherOutputs | None = None,
) -> Trained:
    params, fabric, reader = material.params, material.fabric, material.reader
    modalities = [entry.modality for entry in config.inputs]
    # Three quarters of the memory for training blocks, one for validation blocks.
    pool = BlockPool(reader, modalities, params.patches.pool_mb * 3 // 4)
    stream = PatchStream(pool, draws, params.patches.batch, params.seed)
    preparation = Preparation(config.inputs, params.augment, params.seed, fabric.device, outputs)
    val_pool = BlockPool(reader, modalities, -(-params.patches.pool_mb // 4))
    labelled = labelled_cells(reader, "val", "all", params.seed)
    val_cells = thinned(reader, labelled, params.train.val_samples, params.seed)

    def validate(network: nn.Module) -> tuple[float, float]:
        batches = sweep(val_pool, val_cells, SWEEP_BATCH)
        return validation_score(predict(network, batches, modalities, fabric.device))

    fitted = fit(
        fabric,
        objective,
        lambda epoch: preparation.samples(stream.epoch(epoch), epoch),
        len(stream),
        validate,
        params.train,
        epochs=getattr(params.train.epochs, config.role),
        lr=getattr(params.train.lr, config.role),
        seed=params.seed,
        checkpoint=material.checkpoint(key),
        key=key,
        tell=tell,
    )
    return Trained(Model(objective.network.eval(), config), fitted)


def _new_network(material: Material, config: ModelConfig) -> nn.Module:
    """Weights drawn from the seed alone: control and student start alike."""
    torch.manual_seed(material.params.seed)
    return build_network(config)


def _labelled(material: Material) -> CellSet:
    """The labelled cells that training may see."""
    return labelled_cells(material.reader, "train", material.params.labels.per_class, material.params.seed)


def _weights(material: Material) -> torch.Tensor:
    """Class weights from the labels that training sees."""
    support = torch.from_numpy(material.census.support("train"))
    if material.params.labels.per_class != "all":
        support = support.clamp(max=material.params.labels.per_class)
    return class_weights(support, material.params.train.class_balance)


def _teach(material: Material, teacher: Model, cells: CellSet, folder: Path) -> TeacherOutputs:
    """The teacher's outputs, computed unless they are there whole: the marker is written last."""
    done = folder / "done"
    if not done.exists():
        modalities = [entry.modality for entry in teacher.config.inputs]
        pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
        network = material.fabric.to_device(teacher.network)
        write_outputs(network, sweep(pool, cells, SWEEP_BATCH), cells, folder, material.fabric.device)
        done.touch()
    return outputs_of(cells, folder)
