"""Whether patches are delivered faster than training consumes them: cut from the pool, augmented, as tensors.

Delivery and training take turns on the same cores, as in a real epoch. A pool that holds the survey is read once; one
that holds a quarter of the training blocks reads the others anew every epoch.
"""

from collections.abc import Iterable
from statistics import median
from typing import Any

from benchmarks.material import ROLES, Stopwatch, Trainee, rung_of, simulated, stream_of
from outcrop.learning.material import Material
from outcrop.learning.samples import Preparation, Sample
from outcrop.survey.patches import PatchStream


def measure_delivery(*, size: int = 128, samples: int = 512, repetitions: int = 9) -> dict[str, Any]:
    """Patches a second, delivered and consumed, and their ratio, by role."""
    with simulated(size, {"train": {"samples": samples}, "patches": {"pool_mb": 256}}) as material:
        return {role: _compare(role, material, repetitions) for role in ROLES}


def _compare(role: str, material: Material, repetitions: int) -> dict[str, Any]:
    inputs, params = material.config(rung_of(role, material)).inputs, material.params
    preparation = Preparation(inputs, params.augment, params.seed, material.fabric.device)
    whole, small = (stream_of(role, material, params.patches.pool_mb) for _ in range(2))
    small.pool.slots = max(1, len(material.census.of_split("train")) // 4)
    trainee = Trainee.of(role, material)
    _train(trainee, _deliver(whole, preparation, 0))  # fills the pool, warms up
    seconds: dict[str, list[float]] = {"delivered": [], "delivered_small_pool": [], "consumed": []}
    for epoch in range(1, repetitions + 1):
        with Stopwatch() as delivering:
            batches = _deliver(whole, preparation, epoch)
        with Stopwatch() as training:
            _train(trainee, batches)
        with Stopwatch() as reading:
            _deliver(small, preparation, epoch)
        for name, watch in zip(seconds, (delivering, reading, training), strict=True):
            seconds[name].append(watch.seconds)
    rates = {name: params.train.samples / median(walls) for name, walls in seconds.items()}
    return {
        "modalities": [entry.modality for entry in inputs],
        "repetitions": repetitions,
        **rates,
        "ratio": rates["delivered"] / rates["consumed"],
        "ratio_small_pool": rates["delivered_small_pool"] / rates["consumed"],
    }


def _deliver(stream: PatchStream, preparation: Preparation, epoch: int) -> list[Sample]:
    return list(preparation.samples(stream.epoch(epoch), epoch))


def _train(trainee: Trainee, samples: Iterable[Sample]) -> None:
    trainee.objective.train()
    for sample in samples:
        trainee.optimizer.zero_grad()
        trainee.objective(sample, 0.0).backward()
        trainee.optimizer.step()
