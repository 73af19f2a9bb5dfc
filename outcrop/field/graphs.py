"""A student as an ONNX graph that takes a window of a scene and tells of every base cell in it.

The graph holds everything between stored values in their unit and probabilities: normalisation, the dense network
(`outcrop.field.dense`), softmax, and how unlike the training data each cell is. Height and width are free.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from outcrop.field.dense import DenseNetwork, Windows
from outcrop.field.familiarity import Familiarity
from outcrop.field.profiles import ModalityProfile, ModelProfile
from outcrop.learning.models import Model

#: Sides of the tile of base cells that the graph is traced with; any others work.
TRACED = (6, 7)
OPSET = 20
OUTPUTS = ["probabilities", "strangeness"]


class _Graph(nn.Module):
    """What is exported: windows -> probabilities (cells, classes) and strangeness (cells,)."""

    mean: Tensor
    whitener: Tensor

    def __init__(self, network: DenseNetwork, familiarity: Familiarity) -> None:
        super().__init__()
        self.network, self.limit = network, familiarity.limit
        self.register_buffer("mean", torch.from_numpy(familiarity.mean))
        self.register_buffer("whitener", torch.from_numpy(familiarity.whitener))

    def forward(self, windows: Windows) -> tuple[Tensor, Tensor]:
        features, means = self.network.look(windows)
        probabilities = self.network.rest(features).logits.softmax(dim=1)
        away = (means - self.mean) @ self.whitener
        return probabilities, away.square().sum(dim=1) / self.limit


def write_graph(model: Model, profile: ModelProfile, familiarity: Familiarity, path: Path) -> None:
    """Write a student as an fp32 ONNX graph."""
    network = DenseNetwork(model.network, model.config.inputs, {entry.name: entry.fine for entry in profile.inputs})
    windows = _windows(profile.inputs, *TRACED)
    with warnings.catch_warnings(), torch.inference_mode():
        warnings.simplefilter("ignore")
        logging.getLogger("torch.onnx").setLevel(logging.ERROR)
        program = torch.onnx.export(
            _Graph(network, familiarity).eval(),
            kwargs={"windows": windows},
            input_names=list(windows),
            output_names=OUTPUTS,
            dynamic_shapes={"windows": _free(profile.inputs)},
            opset_version=OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    program.save(path)


def _windows(inputs: Sequence[ModalityProfile], height: int, width: int) -> Windows:
    windows: Windows = {}
    for entry in inputs:
        sides = ((cells - 1) * entry.fine + entry.side for cells in (height, width))
        windows[entry.name] = torch.tensor(entry.mean).view(1, -1, 1, 1).expand(-1, -1, *sides).contiguous()
        if entry.coarse > 1:
            windows[f"{entry.name}_rows"] = torch.arange(height)
            windows[f"{entry.name}_cols"] = torch.arange(width)
    return windows


def _free(inputs: Sequence[ModalityProfile]) -> dict[str, dict[int, object]]:
    """The sides that may differ: a finer modality's follow from the tile's, a coarser one's are its own."""
    height, width = (torch.export.Dim(name, min=2, max=1 << 20) for name in ("height", "width"))
    sides: dict[str, dict[int, object]] = {}
    for entry in inputs:
        rest = entry.side - entry.fine
        if entry.coarse > 1:
            own = (torch.export.Dim(f"{entry.name}_{side}", min=2, max=1 << 20) for side in ("height", "width"))
            sides[entry.name] = dict(zip((2, 3), (dim + rest for dim in own), strict=True))
            sides |= {f"{entry.name}_rows": {0: height}, f"{entry.name}_cols": {0: width}}
        else:
            sides[entry.name] = {2: entry.fine * height + rest, 3: entry.fine * width + rest}
    return sides
