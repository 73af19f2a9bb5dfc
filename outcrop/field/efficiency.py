"""What a network costs to run: latency, throughput, parameters, bytes."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from outcrop.learning.models import WEIGHTS, Model

#: Patches at once when throughput is measured.
THROUGHPUT_BATCH = 256


@dataclass(frozen=True)
class Cost:
    """Latency of one patch in milliseconds (median and 95th percentile), patches a second in batches, size."""

    latency_ms_p50: float
    latency_ms_p95: float
    throughput: float
    parameters: int
    bytes: int


@torch.inference_mode()
def measure_cost(model: Model, folder: Path, runs: int) -> Cost:
    """Time ``model`` (stored in ``folder``) on the CPU with the threads that torch has, after a warm-up."""
    network = model.network.cpu().eval()
    single, many = (_patches(model, count) for count in (1, THROUGHPUT_BATCH))
    for _ in range(max(3, runs // 10)):
        network(single)
    walls = [_wall(network, single) for _ in range(runs)]
    _wall(network, many)
    batches = min(_wall(network, many) for _ in range(3))
    return Cost(
        latency_ms_p50=1e3 * float(np.median(walls)),
        latency_ms_p95=1e3 * float(np.percentile(walls, 95)),
        throughput=THROUGHPUT_BATCH / batches,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        bytes=(folder / WEIGHTS).stat().st_size,
    )


def _patches(model: Model, count: int) -> dict[str, torch.Tensor]:
    """Random patches around the training mean: zeros can be faster than real data."""
    generator = torch.Generator().manual_seed(0)
    return {
        entry.modality: torch.tensor(entry.mean).view(1, -1, 1, 1)
        + torch.tensor(entry.std).view(1, -1, 1, 1)
        * torch.randn(count, len(entry.bands), entry.side, entry.side, generator=generator)
        for entry in model.config.inputs
    }


def _wall(network: torch.nn.Module, patches: dict[str, torch.Tensor]) -> float:
    start = perf_counter()
    network(patches)
    return perf_counter() - start
