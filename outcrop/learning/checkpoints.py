"""Checkpoints of unfinished training: tensors as safetensors, the rest as JSON; written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim import Optimizer

Tensors = dict[str, Tensor]


def save_checkpoint(
    path: Path, module: nn.Module, optimizer: Optimizer, best: Tensors, progress: dict[str, Any]
) -> None:
    """Replace the checkpoint at ``path``.

    Parameters
    ----------
    best : the best weights so far
    progress : JSON-able; must hold the step's ``key``
    """
    tensors = {f"module/{name}": value for name, value in module.state_dict().items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for index, state in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in state.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    contiguous = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    save_file(contiguous, partial, metadata={"progress": json.dumps(progress)})
    partial.replace(path)


def load_checkpoint(
    path: Path, key: str, module: nn.Module, optimizer: Optimizer
) -> tuple[Tensors, dict[str, Any]] | None:
    """Restore ``module`` and ``optimizer`` in place; give the best weights and the progress.

    None when there is no checkpoint of this ``key``: it was written by other code, data or parameters, or is damaged.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            progress = json.loads((stored.metadata() or {}).get("progress", "{}"))
            if progress.get("key") != key:
                return None
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError, json.JSONDecodeError):
        return None
    module.load_state_dict(_under("module/", tensors))
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in _under("optimizer/", tensors).items():
        index, field = name.split("/", 1)
        state.setdefault(int(index), {})[field] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
    return _under("best/", tensors), progress


def _under(prefix: str, tensors: Tensors) -> Tensors:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
