"""How much of the machine's own limit a map uses: multiply-adds a second, against a large matrix product.

Both run in ONNX Runtime on one thread, in turn. Counted are the multiply-adds of convolutions and linear layers that
were carried out, halo included; those of a cell without its halo stand beside. What pooling, activations, softmax and
the measure of familiarity compute is not counted, though it takes its time.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.turns import in_turn
from benchmarks.untrained import untrained, write_untrained
from outcrop.field.burdens import tile_of
from outcrop.field.dense import densify
from outcrop.field.exported import open_graph
from outcrop.field.profiles import ModalityProfile, ModelProfile
from outcrop.learning.models import Model

#: Rows and columns of the matrices, and cells along one side of a tile whose halo counts for nothing.
MATRIX, WIDE = 2048, 8192


def measure_utilisation(*, matrix: int = MATRIX, repetitions: int = 15) -> dict[str, Any]:
    """Multiply-adds a second of the RGB student's tiles in fp32, beside those of a product of square matrices."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        found = {}
        for footprint in (5, 9):
            model, profile = untrained("student", ["rgb"], footprint)
            folder = write_untrained(model, profile, Path(name) / str(footprint))
            found[f"footprint{footprint}"] = _compare(folder / "fp32.onnx", model, profile, matrix, repetitions)
        return found


def _compare(graph: Path, model: Model, profile: ModelProfile, matrix: int, repetitions: int) -> dict[str, Any]:
    session, product = open_graph(graph), _product(graph.with_name("product.onnx"), matrix)
    windows = tile_of(profile, profile.tile)
    rng = np.random.default_rng(0)
    factors = {name: rng.standard_normal((matrix, matrix), dtype=np.float32) for name in "ab"}
    ours, limit = in_turn(lambda: session.run(None, windows), lambda: product.run(None, factors), repetitions)
    cells, (entry,) = profile.tile**2, profile.inputs
    counted = _multiply_adds(model, entry, profile.tile)
    bare = _multiply_adds(model, entry, WIDE) / WIDE**2
    return {
        "footprint": profile.footprint,
        "tile": profile.tile,
        "per_cell": bare,
        "per_pixel": bare / entry.fine**2,
        "halo": counted / cells / bare - 1,
        "ours": counted / ours,
        "limit": matrix**3 / limit,
        "share": counted / ours / (matrix**3 / limit),
        "pixels_per_second": cells / ours * entry.fine**2,
    }


def _product(path: Path, side: int) -> Any:
    def tensor(name: str) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [side, side])

    node = helper.make_node("MatMul", ["a", "b"], ["c"])
    graph = helper.make_graph([node], "product", [tensor("a"), tensor("b")], [tensor("c")])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return open_graph(path)


def _multiply_adds(model: Model, entry: ModalityProfile, side: int) -> int:
    """Those of convolutions and linear layers on a tile of ``side`` cells, counted by torch without computing them."""
    network = densify(model.network, model.config.inputs, {entry.name: entry.fine}).to("meta")
    pixels = (side - 1) * entry.fine + entry.side
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network({entry.name: torch.empty(1, len(entry.bands), pixels, pixels, device="meta")})
    return int(counter.get_total_flops()) // 2
