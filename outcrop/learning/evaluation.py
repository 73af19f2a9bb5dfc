"""Scoring on test blocks that no model, and no choice about one, has seen: networks and the reference forest alike."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.errors import ModelError
from outcrop.learning.committee import Committee
from outcrop.learning.forest import cell_features, fit_forest, score_forest
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored
from outcrop.learning.models import Model
from outcrop.learning.recipes import SWEEP_BATCH
from outcrop.learning.teacher import TeacherNetwork
from outcrop.learning.training import predict
from outcrop.survey.cells import CellSet, labelled_cells, lattice_cells, thinned
from outcrop.survey.patches import BlockPool, sweep
from outcrop.survey.rasters import read_window
from outcrop.survey.sites import NO_LABEL

Codes = NDArray[np.uint8]


def cells_to_score(material: Material, split: str = "test") -> CellSet:
    """The labelled cells of a split that are scored."""
    return lattice_cells(material.reader, split, material.params.evaluate.stride)


def score_network(material: Material, model: Model, split: str = "test") -> Scored:
    """Class probabilities of a network for the cells of a split."""
    modalities = [entry.modality for entry in model.config.inputs]
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    network = material.fabric.to_device(model.network)
    batches = sweep(pool, cells_to_score(material, split), SWEEP_BATCH)
    return predict(network, batches, modalities, material.fabric.device)


@torch.inference_mode()
def attention_by_class(material: Material, teacher: Model) -> NDArray[np.float64]:
    """How much attention the teacher pays to each modality on the test cells of each true class.

    Returns
    -------
    (classes, modalities) mean of `TeacherNetwork.attention_to_modalities`, columns in the order of the teacher's
    ``inputs``; a row sums to 1, or is NaN where the test has no cell of the class.

    Raises
    ------
    ModelError : the model is a student, which pays no attention.
    """
    network = material.fabric.to_device(teacher.network).eval()
    if not isinstance(network, TeacherNetwork | Committee):
        raise ModelError("a student has no attention to show", remedy="give the teacher, or an assistant like it")
    modalities = [entry.modality for entry in teacher.config.inputs]
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    sums = np.zeros((len(teacher.config.classes), len(modalities)))
    counts = np.zeros((len(sums), 1))
    for batch in sweep(pool, cells_to_score(material), SWEEP_BATCH):
        patches = {name: torch.from_numpy(batch.patches[name]).to(material.fabric.device) for name in modalities}
        np.add.at(sums, batch.labels, network.attention_to_modalities(patches).double().cpu().numpy())
        np.add.at(counts, batch.labels, 1)
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def truth_of_cells(material: Material, name: str) -> NDArray[np.float32] | None:
    """What the simulated sites know of the scored test cells (N,), in their order; None where a scene does not know it.

    ``name`` is that of a truth with one band.
    """
    cells, values = cells_to_score(material), []
    for block in cells.blocks:
        entry = material.census.blocks[block]
        tile, truth = entry.tile, material.sites[entry.site].scenes[entry.scene].truth
        if name not in truth:
            return None
        window = read_window(truth[name], tile.row, tile.col, tile.height, tile.width)
        values.append(window.ravel()[cells.positions(int(block), material.reader)])
    return np.concatenate(values)


@dataclass(frozen=True)
class _Table:
    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    blocks: NDArray[np.int64]


def score_forests(material: Material, rungs: Mapping[str, Sequence[str]]) -> dict[str, Scored]:
    """Class probabilities of one random forest a rung, trained on the labels that the networks see."""
    params = material.params
    labelled = labelled_cells(material.reader, "train", params.labels.per_class, params.seed)
    train = thinned(material.reader, labelled, params.forest.samples, params.seed)
    scored = {}
    for rung, modalities in rungs.items():
        seen, asked = (_table(material, modalities, cells) for cells in (train, cells_to_score(material)))
        forest = fit_forest(seen.features, seen.labels, params.forest, params.seed)
        probabilities = score_forest(forest, asked.features, len(material.census.class_names))
        scored[rung] = Scored(asked.labels, probabilities, asked.blocks)
    return scored


def _table(material: Material, modalities: Sequence[str], cells: CellSet) -> _Table:
    pool = BlockPool(material.reader, modalities, material.params.patches.pool_mb)
    batches = sweep(pool, cells, SWEEP_BATCH)
    rows = [(cell_features(batch, material.census.footprint), batch.labels, batch.blocks) for batch in batches]
    return _Table(*(np.concatenate(column) for column in zip(*rows, strict=True)))


def save_scores(path: Path, scores: Mapping[str, Scored]) -> None:
    """Keep several models' probabilities for the same cells."""
    first = next(iter(scores.values()))
    arrays: dict[str, Any] = {f"probabilities/{name}": scored.probabilities for name, scored in scores.items()}
    np.savez_compressed(path, labels=first.labels, blocks=first.blocks, **arrays)


def load_scores(path: Path) -> dict[str, Scored]:
    """What `save_scores` kept."""
    with np.load(path, allow_pickle=False) as arrays:
        labels, blocks = arrays["labels"], arrays["blocks"]
        names = [name for name in arrays.files if name.startswith("probabilities/")]
        return {name.removeprefix("probabilities/"): Scored(labels, arrays[name], blocks) for name in names}


@dataclass(frozen=True)
class SceneMap:
    """What a model said of one scene's scored cells, on the lattice that was scored: (H, W), 255 where nothing was."""

    site: str
    scene: str
    predicted: Codes
    labels: Codes


def scene_maps(material: Material, scored: Scored) -> list[SceneMap]:
    """Predictions and labels of the test cells, laid out as maps."""
    cells, stride, census = cells_to_score(material), material.params.evaluate.stride, material.census
    maps: dict[tuple[int, int], SceneMap] = {}
    predicted, start = scored.probabilities.argmax(axis=1), 0
    for block in cells.blocks:
        entry, positions = census.blocks[block], cells.positions(int(block), material.reader)
        site = material.sites[entry.site]
        scene = site.scenes[entry.scene]
        if (entry.site, entry.scene) not in maps:
            shape = (-(-scene.grid.height // stride), -(-scene.grid.width // stride))
            empty = (np.full(shape, NO_LABEL, dtype=np.uint8) for _ in range(2))
            maps[entry.site, entry.scene] = SceneMap(site.name, scene.id, *empty)
        rows = (positions // entry.tile.width + entry.tile.row) // stride
        cols = (positions % entry.tile.width + entry.tile.col) // stride
        part = slice(start, start + len(positions))
        maps[entry.site, entry.scene].predicted[rows, cols] = predicted[part]
        maps[entry.site, entry.scene].labels[rows, cols] = scored.labels[part]
        start += len(positions)
    return list(maps.values())
