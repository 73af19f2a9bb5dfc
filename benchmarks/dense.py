"""Dense maps against one patch a cell: the same network in torch, on one thread, in turn."""

from typing import Any

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view

from benchmarks.turns import in_turn
from benchmarks.untrained import untrained
from outcrop.field.burdens import tile_of
from outcrop.field.trained import TrainedPredictor
from outcrop.learning.models import Model

#: Patches at once: as many as are fastest.
BATCH = 256


def measure_dense(*, side: int = 64, repetitions: int = 5) -> dict[str, Any]:
    """Cells a second of the RGB student by both ways, for the footprints 5 and 9, on a tile of ``side`` cells."""
    torch.set_num_threads(1)
    return {f"footprint{footprint}": _compare(footprint, side, repetitions) for footprint in (5, 9)}


def _compare(footprint: int, side: int, repetitions: int) -> dict[str, Any]:
    model, profile = untrained("student", ["rgb"], footprint)
    predictor, windows = TrainedPredictor(model, profile), tile_of(profile, side)
    (entry,) = profile.inputs
    patches = sliding_window_view(windows["rgb"][0], (entry.side, entry.side), axis=(1, 2))[
        :, :: entry.fine, :: entry.fine
    ]
    # As many rows as take about as long as the whole tile does.
    rows = max(1, side // 16)
    one = _by_patch(model, patches[:, :rows])
    difference = float(np.abs(one - predictor.predict(windows).probabilities[: rows * side]).max())
    dense, single = in_turn(
        lambda: predictor.predict(windows), lambda: _by_patch(model, patches[:, :rows]), repetitions
    )
    by_dense, by_patch = side * side / dense, rows * side / single
    return {
        "footprint": footprint,
        "dense": by_dense,
        "patches": by_patch,
        "ratio": by_dense / by_patch,
        "share": by_dense / by_patch / footprint**2,
        "difference": difference,
    }


@torch.inference_mode()
def _by_patch(model: Model, patches: Any) -> Any:
    """Probabilities of the patches (bands, rows, columns, side, side), in batches."""
    _, rows, cols, _, _ = patches.shape
    said = []
    flat = [(row, col) for row in range(rows) for col in range(cols)]
    for first in range(0, len(flat), BATCH):
        places = np.array(flat[first : first + BATCH])
        batch = np.ascontiguousarray(patches[:, places[:, 0], places[:, 1]].transpose(1, 0, 2, 3))
        said.append(model.network({"rgb": torch.from_numpy(batch)}).logits.softmax(dim=1).numpy())
    return np.concatenate(said)
