"""An int8 graph of an fp32 one: static, weights by channel, ranges of activations from training patches.

Convolutions and linear layers compute in 8 bits; normalisation, activations, pooling, softmax and the measure of what
is familiar stay in fp32, for they take little of the work and lose most by rounding.
"""

import logging
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

from outcrop.field.predictors import Windows

QUANTISED = ["Conv", "Gemm"]
#: Convolutions of fewer channels (RGB's first) are slower in 8 bits than in fp32, and stay as they are.
FEWEST_CHANNELS = 16


class _Patches(CalibrationDataReader):
    def __init__(self, windows: Sequence[Windows]) -> None:
        self._left: Iterator[Windows] = iter(windows)

    def get_next(self) -> dict[str, Any] | None:
        following = next(self._left, None)
        return None if following is None else dict(following)


def quantise(graph: Path, destination: Path, windows: Sequence[Windows]) -> None:
    """Write the int8 form of a graph, calibrated on ``windows``: patches of training cells."""
    logging.getLogger().setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory(dir=destination.parent) as scratch:
        prepared = Path(scratch) / "prepared.onnx"
        quant_pre_process(str(graph), str(prepared), skip_symbolic_shape=True)
        quantize_static(
            str(prepared),
            str(destination),
            _Patches(windows),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=QUANTISED,
            nodes_to_exclude=_narrow_convolutions(prepared),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
        )


def _narrow_convolutions(graph: Path) -> list[str]:
    loaded = onnx.load(graph).graph
    channels = {weights.name: weights.dims[1] for weights in loaded.initializer if len(weights.dims) == 4}
    convolutions = (node for node in loaded.node if node.op_type == "Conv")
    return [node.name for node in convolutions if channels[node.input[1]] < FEWEST_CHANNELS]
