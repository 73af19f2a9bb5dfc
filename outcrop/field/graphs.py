"""A student as an ONNX graph that takes a window of a scene and tells of every base cell in it.

The graph holds everything between stored values in their unit and probabilities: normalisation, the dense network
(`outcrop.field.dense`), softmax, and how unlike the training data each cell is. Height and width are free.

Linear layers are written as convolutions of one pixel: ONNX Runtime then keeps its own layout of the maps through them,
which is faster than to lay out a row of features a cell.
"""

import logging
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from outcrop.field.dense import DenseEncoder, DenseNetwork, Windows, rows_of
from outcrop.field.familiarity import Familiarity
from outcrop.field.profiles import ModalityProfile, ModelProfile
from outcrop.learning.encoders import Standardise
from outcrop.learning.models import Model
from outcrop.learning.student import StudentNetwork

#: Sides of the tile of base cells that the graph is traced with; any others work.
TRACED = (6, 7)
OPSET = 20
OUTPUTS = ["probabilities", "strangeness"]
#: Normalisation goes into the first convolution of a modality with fewer bands (8 bits need many bands in one range),
#: whose means lie within so many deviations of zero (else single precision would lose digits).
FEW_BANDS, NEAR_ZERO = 16, 64


class _Graph(nn.Module):
    """What is exported of a student: windows -> probabilities (cells, classes) and strangeness (cells,)."""

    mean: Tensor
    whitener: Tensor

    def __init__(self, network: DenseNetwork, familiarity: Familiarity) -> None:
        super().__init__()
        self.encoders = network.encoders
        for encoder in self.encoders.values():
            _fold_normalisation(cast(DenseEncoder, encoder))
        *before, linear = cast(StudentNetwork, network.rest).classifier
        self.before, self.linear = nn.Sequential(*before), cast(nn.Linear, linear)
        self.limit = familiarity.limit
        self.register_buffer("mean", torch.from_numpy(familiarity.mean))
        self.register_buffer("whitener", torch.from_numpy(familiarity.whitener))

    def forward(self, windows: Windows) -> tuple[Tensor, Tensor]:
        features, means = [], []
        for name, module in self.encoders.items():
            encoder = cast(DenseEncoder, module)
            pooled = encoder.pooled(encoder.standardise(windows[name]))
            parts = [_pointwise(encoder.linear, torch.cat(pooled, dim=1)), pooled[0]]
            if f"{name}_rows" in windows:
                rows, cols = windows[f"{name}_rows"], windows[f"{name}_cols"]
                parts = [part[:, :, rows][:, :, :, cols] for part in parts]
            features.append(parts[0])
            means.append(parts[1])
        logits = _pointwise(self.linear, self.before(torch.cat(features, dim=1)))
        away = (rows_of(torch.cat(means, dim=1)) - self.mean) @ self.whitener
        return rows_of(logits).softmax(dim=1), away.square().sum(dim=1) / self.limit


def _pointwise(linear: nn.Linear, maps: Tensor) -> Tensor:
    """A linear layer at every position of maps (1, channels, rows, columns)."""
    return F.conv2d(maps, linear.weight[:, :, None, None], linear.bias)


def _fold_normalisation(encoder: DenseEncoder) -> None:
    """Let the first convolution of an encoder take stored values in their unit, computed in double precision."""
    first, standardise = cast(nn.Conv2d, encoder.trunk[0]), cast(Standardise, encoder.standardise)
    mean, std = standardise.mean.double(), standardise.std.double()
    if len(mean) >= FEW_BANDS or (mean / std).abs().max() > NEAR_ZERO:
        return
    with torch.no_grad():
        weight = first.weight.double() / std
        cast(Tensor, first.bias).sub_((weight * mean).sum(dim=(1, 2, 3)))
        first.weight.copy_(weight)
    encoder.standardise = nn.Identity()


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
