"""The teacher's outputs, computed once and kept, and their way into a student's batches."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outcrop.survey.cells import CellSet
from outcrop.survey.patches import Batch


@dataclass(frozen=True)
class TeacherOutputs:
    """Logits and fused features of a set of cells, as float16 memory maps.

    ``offsets`` (blocks,) is the row of each block's first cell; within a block rows follow the cells' positions.
    """

    cells: CellSet
    offsets: NDArray[np.int64]
    logits: NDArray[np.float16]
    features: NDArray[np.float16]

    def rows(self, batch: Batch) -> NDArray[np.int64]:
        """Row of each cell of a batch; every one of them must be in the set."""
        rows = np.empty(len(batch.blocks), dtype=np.int64)
        chosen = self.cells.chosen or {}
        for block in np.unique(batch.blocks):
            here = batch.blocks == block
            rows[here] = self.offsets[block] + np.searchsorted(chosen[int(block)], batch.positions[here])
        return rows

    def class_counts(self) -> Tensor:
        """(classes,) cells of the set that the teacher takes for each class."""
        return torch.from_numpy(np.bincount(self.logits.argmax(axis=1), minlength=self.logits.shape[1]))


def outputs_of(cells: CellSet, folder: Path) -> TeacherOutputs:
    """Open what `write_outputs` wrote for ``cells``."""
    offsets = np.concatenate([[0], np.cumsum(cells.counts)[:-1]])
    logits = np.load(folder / "logits.npy", mmap_mode="r", allow_pickle=False)
    features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    return TeacherOutputs(cells, offsets, logits, features)


@torch.inference_mode()
def write_outputs(
    teacher: nn.Module, batches: Iterable[Batch], cells: CellSet, folder: Path, device: torch.device
) -> None:
    """Run the teacher once over ``batches`` (a sweep of ``cells``) and keep what it says."""
    teacher.eval()
    folder.mkdir(parents=True, exist_ok=True)
    maps: dict[str, NDArray[np.float16]] = {}
    row = 0
    for batch in batches:
        patches = {name: torch.from_numpy(x).to(device) for name, x in batch.patches.items()}
        for name, value in teacher(patches)._asdict().items():
            if name not in maps:
                shape = (cells.size, value.shape[1])
                maps[name] = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape)
            maps[name][row : row + len(value)] = value.float().cpu().numpy().astype(np.float16)
        row += len(batch.blocks)
    for values in maps.values():
        values.flush()  # type: ignore[attr-defined]
