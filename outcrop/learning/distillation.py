"""Distillation: a model is trained on labels and on what its guides say of labelled cells and unlabelled pairs.

Down a chain of rungs every model is taught by the teacher and by all assistants before it (Son et al., "Densely Guided
Knowledge Distillation using Multiple Teacher Assistants", ICCV 2021), and then guides those after it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outcrop.learning.guides import outputs_of, write_outputs
from outcrop.learning.losses import class_weights
from outcrop.learning.material import Material
from outcrop.learning.models import Model
from outcrop.learning.objectives import DistilObjective, Guidance
from outcrop.learning.recipes import SWEEP_BATCH, Trained, label_weights, new_network, train, training_labels
from outcrop.learning.rungs import Rung
from outcrop.learning.training import Progress
from outcrop.survey.cells import CellSet, join, paired_cells, thinned
from outcrop.survey.patches import BlockPool, Draw, sweep


@dataclass(frozen=True)
class Lesson:
    """How a rung's model is taught.

    Parameters
    ----------
    rung : what it sees
    effort : factor of the number of epochs
    shuffled : the guides' outputs go to cells drawn by chance, as a check that what is gained is knowledge
    seed : of first weights and batches, if not the survey's; which cells are taught does not change with it
    """

    rung: Rung
    effort: float = 1.0
    shuffled: bool = False
    seed: int | None = None


def train_by_distillation(
    guides: Sequence[Path], lesson: Lesson, material: Material, key: str, tell: Progress = lambda record: None
) -> Trained:
    """Train the model of a rung on labels and on the outputs that `write_guide` kept in the folders ``guides``.

    It starts from the weights that the rung's control starts from, and takes as many patches.
    """
    params = material.params
    seeded = material if lesson.seed is None else material.with_seed(lesson.seed)
    labelled, pairs = _labelled(material), _pairs(material)
    taught = [outputs_of(_taught(material), folder) for folder in guides]
    if lesson.shuffled:
        taught = [outputs.shuffled(params.seed) for outputs in taught]
    unlabelled = round(params.train.samples * params.distil.unlabelled_share)
    draws = [Draw(labelled, params.train.samples - unlabelled)]
    if unlabelled:
        draws.append(Draw(pairs, unlabelled, hard=False))
    config = material.config(lesson.rung)
    objective = DistilObjective(
        new_network(seeded, config),
        label_weights(material),
        [
            Guidance(outputs.features.shape[1], class_weights(outputs.class_counts(), params.distil.class_balance))
            for outputs in taught
        ],
        params.distil,
        features=params.student.features * len(config.inputs),
        smoothing=params.train.label_smoothing,
    )
    return train(seeded, config, objective, draws, key, tell, taught, lesson.effort)


def write_guide(guide: Model, material: Material, folder: Path) -> None:
    """Run a guide over all cells that are taught, and keep what it says in a folder."""
    modalities = [entry.modality for entry in guide.config.inputs]
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    network, cells = material.fabric.to_device(guide.network), _taught(material)
    write_outputs(network, sweep(pool, cells, SWEEP_BATCH), cells, folder, material.fabric.device)


def _taught(material: Material) -> CellSet:
    return join(material.reader, _labelled(material), _pairs(material))


def _labelled(material: Material) -> CellSet:
    """The labelled cells; where there are more than outputs are kept for, an even draw of them."""
    params = material.params
    return thinned(material.reader, training_labels(material), params.patches.pairs, params.seed)


def _pairs(material: Material) -> CellSet:
    params = material.params
    return paired_cells(material.reader, "train", params.patches.pairs, params.seed)
