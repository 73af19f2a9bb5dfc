"""Making an export: the graphs of a student, what is familiar to it, and the proof that they say what it says.

An fp32 graph that does not equal the network to `TOLERANCE` is a fault of ours and stops the export. An int8 graph that
loses more than `LARGEST_LOSS` of macro-F1 on validation cells is not written, and the export says so; nor is one where
no labels can tell what it loses.
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
from outcrop.field.familiarity import BATCH, Familiarity, familiar_cells, learn_familiarity
from outcrop.field.graphs import write_graph
from outcrop.field.predictors import Windows
from outcrop.field.profiles import ModelProfile
from outcrop.field.quantisation import quantise
from outcrop.learning.metrics import Scored
from outcrop.learning.models import Model
from outcrop.learning.student import StudentNetwork
from outcrop.learning.training import predict, validation_score
from outcrop.survey.cells import CellReader, CellSet, labelled_cells, thinned
from outcrop.survey.patches import Batch, BlockPool, sweep

#: Largest difference between a probability of the fp32 graph and the network's.
TOLERANCE = 1e-4
#: Macro-F1 that 8 bits may cost.
LARGEST_LOSS = 0.01
#: Cells that int8 is calibrated on, and cells that the graphs are compared on.
CALIBRATION_CELLS, COMPARED_CELLS = 500, 4000
#: Told what is being done.
Progress = Callable[[str], None]


@dataclass
class Made:
    """The graphs that were written, why others were not, and what the measure of familiarity is."""

    familiarity: Familiarity
    graphs: dict[Precision, Graph] = field(default_factory=dict)
    refused: dict[Precision, str] = field(default_factory=dict)
    cells: dict[str, int] = field(default_factory=dict)
    torch_macro_f1: float | None = None


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
    DataError : the sites have no cell to calibrate or to compare on.
    """
    if not isinstance(model.network, StudentNetwork):
        raise ModelError("only students and assistants are exported", remedy="map with a teacher without export")
    names = [entry.modality for entry in model.config.inputs]
    pool = BlockPool(reader, names, megabytes)
    progress("familiarity")
    familiar = familiar_cells(reader, seed)
    made = Made(learn_familiarity(model, pool, familiar))
    calibration = thinned(reader, familiar["train"], CALIBRATION_CELLS, seed)
    progress("fp32")
    beside = _beside_network(model, profile, pool, familiar["val"], seed)
    made.torch_macro_f1 = beside.macro_f1(beside.truth.probabilities)
    made.cells = {"familiar": familiar["train"].size, "limit": familiar["val"].size}
    made.cells |= {"compared": beside.cells.size, "calibration": calibration.size}
    write_graph(model, profile, made.familiarity, folder / "fp32.onnx")
    fp32 = made.graphs["fp32"] = beside.measure(folder / "fp32.onnx")
    if fp32.difference > TOLERANCE:
        raise ModelError(
            f"the graph's probabilities differ from the network's by up to {fp32.difference:.1e}",
            remedy="this is a fault of Outcrop: please report it with the model",
        )
    progress("int8")
    if made.torch_macro_f1 is None:
        made.refused["int8"] = "no validation block has labels that tell what 8 bits cost"
        return made
    windows = [window for batch in sweep(pool, calibration, BATCH) for window in _windows(batch, profile)]
    quantise(folder / "fp32.onnx", folder / "int8.onnx", windows)
    int8 = beside.measure(folder / "int8.onnx")
    loss = made.torch_macro_f1 - (int8.macro_f1 or 0.0)
    if loss > LARGEST_LOSS:
        (folder / "int8.onnx").unlink()
        made.refused["int8"] = f"8 bits would cost {100 * loss:.1f} points of macro-F1"
    else:
        made.graphs["int8"] = int8
    return made


@dataclass(frozen=True)
class _Beside:
    """Cells on which graphs are held against what the network says of them; ``labelled``: they tell who is right."""

    profile: ModelProfile
    pool: BlockPool
    cells: CellSet
    truth: Scored
    labelled: bool

    def macro_f1(self, probabilities: NDArray[np.float32]) -> float | None:
        """Of what a graph, or the network, says of the cells; None without labels."""
        if not self.labelled:
            return None
        return validation_score(Scored(self.truth.labels, probabilities, self.truth.blocks))[0]

    def measure(self, path: Path) -> Graph:
        """What a graph says of the cells, one window of one cell after the other."""
        session = open_graph(path)
        said = [
            session.run(["probabilities"], dict(window))[0]
            for batch in sweep(self.pool, self.cells, BATCH)
            for window in _windows(batch, self.profile)
        ]
        probabilities = np.concatenate(said)
        return Graph(
            file=path.name,
            bytes=path.stat().st_size,
            macro_f1=self.macro_f1(probabilities),
            difference=float(np.abs(probabilities - self.truth.probabilities).max()),
        )


def _beside_network(model: Model, profile: ModelProfile, pool: BlockPool, unlabelled: CellSet, seed: int) -> _Beside:
    """Compare on labelled validation cells; where a site has none, as one that nobody has mapped yet, on others."""
    try:
        cells, labelled = labelled_cells(pool.reader, "val", "all", seed), True
    except DataError:
        cells, labelled = unlabelled, False
    cells = thinned(pool.reader, cells, COMPARED_CELLS, seed)
    names = [entry.modality for entry in model.config.inputs]
    return _Beside(
        profile, pool, cells, predict(model.network, sweep(pool, cells, BATCH), names, torch.device("cpu")), labelled
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
