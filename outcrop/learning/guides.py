"""Guides, the teacher and the assistants: what they say of the training cells is computed once and kept."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from outcrop.survey.cells import CellSet
from outcrop.survey.patches import Batch


@dataclass(frozen=True)
class GuideOutputs:
    """Logits and features of a set of cells, as float16 memory maps.

    ``offsets`` (blocks,) is the row of each block's first cell; within a block rows follow the cells' positions.
    ``order`` (cells,), if given, says which cell's outputs each cell gets: not its own, for a guide that knows nothing.
    """

    cells: CellSet
    offsets: NDArray[np.int64]
    logits: NDArray[np.float16]
    features: NDArray[np.float16]
    order: NDArray[np.int64] | None = None

    def rows(self, batch: Batch) -> NDArray[np.int64]:
        """Row of each cell of a batch; every one of them must be in the set."""
        rows = np.empty(len(batch.blocks), dtype=np.int64)
        chosen = self.cells.chosen or {}
        for block in np.unique(batch.blocks):
            here = batch.blocks == block
            rows[here] = self.offsets[block] + np.searchsorted(chosen[int(block)], batch.positions[here])
        return rows if self.order is None else self.order[rows]

    def class_counts(self) -> Tensor:
        """(classes,) cells of the set that the guide takes for each class."""
        return torch.from_numpy(np.bincount(self.logits.argmax(axis=1), minlength=self.logits.shape[1]))

    def shuffled(self, seed: int) -> "GuideOutputs":
        """The same outputs, each given to a cell drawn by chance: what is learnt then is no knowledge."""
        return replace(self, order=np.random.default_rng([seed, 4]).permutation(self.cells.size))


def outputs_of(cells: CellSet, folder: Path) -> GuideOutputs:
    """Open what `write_outputs` wrote for ``cells``."""
    offsets = np.concatenate([[0], np.cumsum(cells.counts)[:-1]])
    logits = np.load(folder / "logits.npy", mmap_mode="r", allow_pickle=False)
    features = np.load(folder / "features.npy", mmap_mode="r", allow_pickle=False)
    return GuideOutputs(cells, offsets, logits, features)


@torch.inference_mode()
def write_outputs(
    guide: nn.Module, batches: Iterable[Batch], cells: CellSet, folder: Path, device: torch.device
) -> None:
    """Run a guide once over ``batches`` (a sweep of ``cells``) and keep what it says."""
    guide.eval()
    folder.mkdir(parents=True, exist_ok=True)
    maps: dict[str, NDArray[np.float16]] = {}
    row = 0
    for batch in batches:
        patches = {name: torch.from_numpy(x).to(device) for name, x in batch.patches.items()}
        for name, value in guide(patches)._asdict().items():
            if name not in maps:
                shape = (cells.size, value.shape[1])
                maps[name] = np.lib.format.open_memmap(folder / f"{name}.npy", mode="w+", dtype=np.float16, shape=shape)
            maps[name][row : row + len(value)] = value.float().cpu().numpy().astype(np.float16)
        row += len(batch.blocks)
    for values in maps.values():
        values.flush()  # type: ignore[attr-defined]
