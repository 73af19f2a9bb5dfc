"""Train by the one training loop, alone or as one of several processes; run by `test_distributed`.

    python sharing.py PROCESSES FOLDER

Each process takes its share of every batch, and writes its weights to ``FOLDER/<rank>.safetensors``.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from outcrop.learning.samples import Sample
from outcrop.learning.training import fit
from outcrop.params import load_params

PARAMS = Path(__file__).parents[2] / "params.yaml"
STEPS, BATCH, EPOCHS = 5, 8, 3


class Objective(nn.Module):
    """A plain mean over samples, and nothing that looks at a batch as a whole: there, shares must give the same."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 3))

    def forward(self, sample: Sample, progress: float) -> Tensor:
        return functional.cross_entropy(self.network(sample.patches["rgb"]), sample.labels)


def batches(epoch: int) -> Iterator[Sample]:
    """The whole batches of an epoch."""
    generator = torch.Generator().manual_seed(epoch)
    for _ in range(STEPS):
        values = torch.randn(BATCH, 6, generator=generator)
        yield Sample({"rgb": values}, values[:, :3].argmax(dim=1))


def main(processes: int, folder: Path) -> None:
    strategy = "ddp" if processes > 1 else "auto"
    fabric = Fabric(accelerator="cpu", devices=processes, strategy=strategy, precision="32-true")
    fabric.launch()

    def shares(epoch: int) -> Iterator[Sample]:
        for sample in batches(epoch):
            mine = slice(fabric.global_rank, None, processes)
            yield Sample({"rgb": sample.patches["rgb"][mine]}, sample.labels[mine])

    def validate(network: nn.Module) -> tuple[float, float]:
        with torch.inference_mode():
            loss = sum(functional.cross_entropy(network(s.patches["rgb"]), s.labels) for s in batches(EPOCHS))
        return 0.0, float(loss)

    objective = Objective()
    fit(
        fabric,
        objective,
        shares,
        STEPS,
        validate,
        load_params(PARAMS).train,
        epochs=EPOCHS,
        lr=0.01,
        seed=1,
        checkpoint=folder / f"checkpoint-{fabric.global_rank}.safetensors",
        key="distributed",
    )
    save_file(objective.state_dict(), folder / f"{fabric.global_rank}.safetensors")


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
