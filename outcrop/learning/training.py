"""The one training loop, for teacher, control and student.

Lightning Fabric places the module, chooses the precision and scales gradients. Batch order follows from (seed, epoch)
and dropout is reseeded every epoch, so that training resumed after its last complete epoch gives the same weights.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from math import cos, pi
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from outcrop.learning.checkpoints import load_checkpoint, save_checkpoint
from outcrop.learning.metrics import Scored, block_sums, scalars
from outcrop.learning.samples import Sample
from outcrop.params import Train
from outcrop.survey.patches import Batch

if TYPE_CHECKING:
    from lightning_fabric import Fabric

#: An epoch's batches, by the epoch's number.
Epochs = Callable[[int], Iterator[Sample]]


@dataclass(frozen=True)
class EpochRecord:
    """One line of the learning curve."""

    epoch: int
    loss: float
    val_macro_f1: float
    val_nll: float
    lr: float
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """What `fit` found: the curve, the best epoch, and training seconds over all resumptions."""

    history: tuple[EpochRecord, ...]
    best_epoch: int
    seconds: float


def one_after_another(fits: Sequence[Fitted]) -> Fitted:
    """Several trainings as one: their curves one behind the other, the best epoch that of the best of them."""
    rows = [record for each in fits for record in each.history]
    history = tuple(replace(record, epoch=epoch) for epoch, record in enumerate(rows))
    return Fitted(history, best_epoch(history), sum(each.seconds for each in fits))


class Progress(Protocol):
    """Told of every finished epoch."""

    def __call__(self, record: EpochRecord) -> None: ...


def fit(
    fabric: "Fabric",
    objective: nn.Module,
    samples: Epochs,
    steps: int,
    validate: Callable[[nn.Module], tuple[float, float]],
    params: Train,
    *,
    epochs: int,
    lr: float,
    seed: int,
    checkpoint: Path,
    key: str,
    tell: Progress = lambda record: None,
) -> Fitted:
    """Train ``objective.network`` in place; it ends with its best weights.

    Parameters
    ----------
    objective : module (sample, progress) -> loss, with the trained ``network`` as attribute
    samples : gives an epoch's samples; must depend on the epoch's number alone
    steps : batches an epoch, for the learning-rate schedule
    epochs : how many there are at most
    lr : highest learning rate (see `lr_factor`)
    validate : network -> (macro-F1, negative log-likelihood) on the validation blocks; ties in the first are broken by
        the second
    checkpoint : file for exact resumption after the last complete epoch of a run with the same ``key``
    """
    optimizer = torch.optim.AdamW(objective.parameters(), lr=lr, weight_decay=params.weight_decay)
    total = steps * epochs
    history: list[EpochRecord] = []
    wrapped, wrapped_optimizer = fabric.setup(objective, optimizer)
    # Only now are the parameters on the device, to which the optimizer's state follows them.
    resumed = load_checkpoint(checkpoint, key, objective, optimizer)
    best = _weights(objective)
    if resumed:
        best, progress = resumed
        history = [EpochRecord(**row) for row in progress["history"]]
    for epoch in range(len(history), epochs):
        if _is_over(history, params.patience):
            break
        started = perf_counter()
        torch.manual_seed(int(np.random.default_rng([seed, epoch]).integers(2**62)))
        schedule = LambdaLR(optimizer, lambda step, first=epoch * steps: lr_factor(first + step, total, params.warmup))  # type: ignore[misc]
        loss = _train_epoch(fabric, wrapped, wrapped_optimizer, schedule, samples(epoch), epoch * steps, total)
        macro_f1, nll = validate(cast(nn.Module, objective.network))
        rate = float(optimizer.param_groups[0]["lr"])
        history.append(EpochRecord(epoch, loss, macro_f1, nll, rate, perf_counter() - started))
        if best_epoch(history) == epoch:
            best = _weights(objective)
        save_checkpoint(checkpoint, objective, optimizer, best, {"key": key, "history": [asdict(r) for r in history]})
        tell(history[-1])
    objective.load_state_dict(best)
    return Fitted(tuple(history), best_epoch(history), sum(record.seconds for record in history))


def _train_epoch(
    fabric: "Fabric",
    objective: Any,
    optimizer: Any,
    schedule: LambdaLR,
    samples: Iterable[Sample],
    first_step: int,
    total: int,
) -> float:
    """Mean loss of one epoch of updates."""
    objective.train()
    losses: list[Tensor] = []
    for step, sample in enumerate(samples, start=first_step):
        optimizer.zero_grad()
        loss = objective(sample, min(step / total, 1.0))
        fabric.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(loss.detach())
    return float(torch.stack(losses).mean())


def lr_factor(step: int, total: int, warmup: float) -> float:
    """Linear warm-up over a share of the steps, then a cosine down to a hundredth."""
    rising = max(1, round(warmup * total))
    if step < rising:
        return (step + 1) / rising
    done = min(1.0, (step - rising) / max(1, total - rising))
    return 0.01 + 0.99 * 0.5 * (1 + cos(pi * done))


def best_epoch(history: Sequence[EpochRecord]) -> int:
    """Epoch of the highest validation macro-F1; of equals, the one with the lower log-loss."""
    return max(history, key=lambda record: (record.val_macro_f1, -record.val_nll)).epoch


def _is_over(history: Sequence[EpochRecord], patience: int) -> bool:
    return bool(history) and history[-1].epoch - best_epoch(history) >= patience


def _weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in module.state_dict().items()}


@torch.inference_mode()
def predict(network: nn.Module, batches: Iterable[Batch], modalities: Sequence[str], device: torch.device) -> Scored:
    """Class probabilities of every cell of ``batches``, with the network in evaluation mode."""
    network.eval()
    labels, probabilities, blocks = [], [], []
    for batch in batches:
        patches = {name: torch.from_numpy(batch.patches[name]).to(device) for name in modalities}
        probabilities.append(network(patches).logits.float().softmax(dim=1).cpu().numpy())
        labels.append(batch.labels)
        blocks.append(batch.blocks)
    return Scored(np.concatenate(labels), np.concatenate(probabilities), np.concatenate(blocks))


def validation_score(scored: Scored) -> tuple[float, float]:
    """Macro-F1 and negative log-likelihood, for early stopping."""
    sums = block_sums(scored, bins=1)
    values = scalars(sums.weighted(np.ones(len(sums.log_loss))))
    return float(values["macro_f1"]), float(values["nll"])
