"""What the training loop costs beside a bare PyTorch loop: same network, same weights, same batches in memory.

The loop's share is the seconds of an epoch as `fit` records it: scheduled learning rate, reseeding, Fabric, loss curve.
Validation and checkpoints are left out of both sides; what a checkpoint takes is told beside.
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from torch.nn import functional

from benchmarks.material import ROLES, Stopwatch, Trainee, rung_of, simulated, stream_of
from outcrop.learning.material import Material
from outcrop.learning.samples import Preparation, Sample
from outcrop.learning.training import fit


def measure_loop(*, size: int = 128, samples: int = 512, repetitions: int = 15) -> dict[str, Any]:
    """Median seconds of an epoch of `fit` and of a bare loop, and their ratio, by role."""
    changes = {"train": {"samples": samples, "epochs": {"teacher": 1, "student": 1}}, "patches": {"pool_mb": 256}}
    with simulated(size, changes) as material:
        return {role: _compare(role, material, repetitions) for role in ROLES}


def _compare(role: str, material: Material, repetitions: int) -> dict[str, Any]:
    config = material.config(rung_of(role, material))
    preparation = Preparation(config.inputs, material.params.augment, material.params.seed, material.fabric.device)
    batches = list(preparation.samples(stream_of(role, material, material.params.patches.pool_mb).epoch(0), 0))
    ours: list[float] = []
    bare: list[float] = []
    kept: list[float] = []
    _bare_epoch(role, material, batches)  # a warm-up
    for repetition in range(repetitions):
        for turn in (repetition, repetition + 1):  # each goes first every other time
            if turn % 2:
                bare.append(_bare_epoch(role, material, batches))
            else:
                epoch, checkpoint = _our_epoch(role, material, batches)
                ours.append(epoch)
                kept.append(checkpoint)
    return {
        "steps": len(batches),
        "repetitions": repetitions,
        "fit_seconds": median(ours),
        "bare_seconds": median(bare),
        "ratio": median(ours) / median(bare),
        "checkpoint_seconds": median(kept),
    }


def _bare_epoch(role: str, material: Material, batches: Sequence[Sample]) -> float:
    trainee = Trainee.of(role, material)
    network, weights, optimizer = trainee.objective.network, trainee.objective.weights, trainee.optimizer
    network.train()
    with Stopwatch() as watch:
        total = 0.0
        for sample in batches:
            optimizer.zero_grad()
            loss = functional.cross_entropy(network(sample.patches).logits, sample.labels, weights)
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += float(loss.detach())
    return watch.seconds


def _our_epoch(role: str, material: Material, batches: Sequence[Sample]) -> tuple[float, float]:
    """Seconds of the epoch, and of what follows it: the best weights, set-up and the checkpoint."""
    objective = Trainee.of(role, material).objective
    with tempfile.TemporaryDirectory() as folder, Stopwatch() as watch:
        fitted = fit(
            material.fabric,
            objective,
            lambda epoch: iter(batches),
            len(batches),
            lambda network: (0.0, 0.0),
            material.params.train,
            epochs=material.params.train.epochs.of(role),
            lr=material.params.train.lr.of(role),
            seed=material.params.seed,
            checkpoint=Path(folder) / "checkpoint.safetensors",
            key="benchmark",
        )
    return fitted.seconds, watch.seconds - fitted.seconds
