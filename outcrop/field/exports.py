"""Making an export: the graphs of a student, what is familiar to it, and the proof that they say what it says.

An fp32 graph that does not equal the network to `TOLERANCE` is a fault of ours and stops the export. An int8 graph that
loses more than `LARGEST_LOSS` of macro-F1 on validation cells is not written, and the export says so.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from outcrop.errors import DataError, ModelError
from outcrop.field.exported import Graph, Precision, open_graph
from outcrop.field.familiarity import Familiarity, fit_familiarity, trunk_means
from outcrop.field.graphs import write_graph
from outcrop.field.predictors import Windows
from outcrop.field.profiles import ModelProfile
from outcrop.field.quantisation import quantise
from outcrop.learning.metrics import Scored
from outcrop.learning.models import Model
from outcrop.learning.student import StudentNetwork
from outcrop.learning.training import predict, validation_score
from outcrop.survey.cells import CellReader, CellSet, labelled_cells, paired_cells, thinned
from outcrop.survey.patches import Batch, BlockPool, sweep

#: Largest difference between a probability of the fp32 graph and the network's.
TOLERANCE = 1e-4
#: Macro-F1 that 8 bits may cost.
LARGEST_LOSS = 0.01
#: Cells that familiarity is fitted on, and as many that its limit is set by; cells that int8 is calibrated on; and
#: labelled cells that the graphs are compared on.
FAMILIAR_CELLS, CALIBRATION_CELLS, SCORED_CELLS = 4000, 500, 4000
BATCH = 256
#: Told what is being done.
Progress = Callable[[str], None]


@dataclass
class Made:
    """The graphs that were written, why others were not, and what the measure of familiarity is."""

    familiarity: Familiarity
    graphs: dict[Precision, Graph] = field(default_factory=dict)
    refused: dict[Precision, str] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)
    torch_macro_f1: float = 0.0


def make_graphs(
    model: Model, profile: ModelProfile, reader: CellReader, seed: int, megabytes: int, folder: Path, progress: Progress
) -> Made:
    """Write a student's graphs into a folder, and check them against its network.

    Parameters
    ----------
    reader : of the sites that the graphs are calibrated and checked on
    megabytes : of memory for blocks, as `patches.pool_mb`

    Raises
    ------
    ModelError : the model is no student, or the graph does not say what the network says.
    DataError : the sites have no cell to calibrate or to check on.
    """
    if not isinstance(model.network, StudentNetwork):
        raise ModelError("only students and assistants are exported", remedy="map with a teacher without export")
    names = [entry.modality for entry in model.config.inputs]
    pool = BlockPool(reader, names, megabytes)
    progress("familiarity")
    pairs = {split: paired_cells(reader, split, FAMILIAR_CELLS, seed) for split in ("train", "val")}
    for split, cells in pairs.items():
        if not cells.size:
            raise DataError(f"no cell can be used in the {split} blocks", remedy="check the site's split and nodata")
    familiarity = fit_familiarity(_means(model, pool, pairs["train"]), _means(model, pool, pairs["val"]))
    scored = thinned(reader, labelled_cells(reader, "val", "all", seed), SCORED_CELLS, seed)
    made = Made(familiarity)
    made.cells = {"familiar": pairs["train"].size, "limit": pairs["val"].size, "scored": scored.size}
    progress("fp32")
    write_graph(model, profile, familiarity, folder / "fp32.onnx")
    truth = predict(model.network, sweep(pool, scored, BATCH), names, torch.device("cpu"))
    made.torch_macro_f1 = validation_score(truth)[0]
    made.graphs["fp32"] = _measured(folder / "fp32.onnx", profile, pool, scored, truth)
    if made.graphs["fp32"].difference > TOLERANCE:
        raise ModelError(
            f"the graph's probabilities differ from the network's by up to {made.graphs['fp32'].difference:.1e}",
            remedy="this is a fault of Outcrop: please report it with the model",
        )
    progress("int8")
    calibration = thinned(reader, pairs["train"], CALIBRATION_CELLS, seed)
    made.cells["calibration"] = calibration.size
    windows = [window for batch in sweep(pool, calibration, BATCH) for window in _windows(batch, profile)]
    quantise(folder / "fp32.onnx", folder / "int8.onnx", windows)
    int8 = _measured(folder / "int8.onnx", profile, pool, scored, truth)
    loss = made.torch_macro_f1 - int8.macro_f1
    if loss > LARGEST_LOSS:
        (folder / "int8.onnx").unlink()
        made.refused["int8"] = f"8 bits would cost {100 * loss:.1f} points of macro-F1"
    else:
        made.graphs["int8"] = int8
    return made


def _means(model: Model, pool: BlockPool, cells: CellSet) -> NDArray[np.float32]:
    names = [entry.modality for entry in model.config.inputs]
    rows = [
        trunk_means(model.network, {name: torch.from_numpy(batch.patches[name]) for name in names})
        for batch in sweep(pool, cells, BATCH)
    ]
    return np.concatenate(rows)


def _measured(path: Path, profile: ModelProfile, pool: BlockPool, cells: CellSet, truth: Scored) -> Graph:
    """What a graph says of cells, one window of one cell after the other, beside what the network says."""
    session = open_graph(path)
    said = [
        session.run(["probabilities"], dict(window))[0]
        for batch in sweep(pool, cells, BATCH)
        for window in _windows(batch, profile)
    ]
    probabilities = np.concatenate(said)
    return Graph(
        file=path.name,
        bytes=path.stat().st_size,
        macro_f1=validation_score(Scored(truth.labels, probabilities, truth.blocks))[0],
        difference=float(np.abs(probabilities - truth.probabilities).max()),
    )


def _windows(batch: Batch, profile: ModelProfile) -> Iterator[Windows]:
    """A patch is the window of a tile of one cell."""
    first = np.zeros(1, dtype=np.int64)
    for index in range(len(batch.labels)):
        window: dict[str, NDArray[Any]] = {}
        for entry in profile.inputs:
            window[entry.name] = batch.patches[entry.name][index : index + 1]
            if entry.coarse > 1:
                window |= {f"{entry.name}_rows": first, f"{entry.name}_cols": first}
        yield window
