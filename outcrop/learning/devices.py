"""Which device models are trained on, and in which precision."""

from typing import TYPE_CHECKING

import torch

from outcrop.params import Train

if TYPE_CHECKING:
    from lightning_fabric import Fabric


def make_fabric(params: Train, accelerator: str = "auto") -> "Fabric":
    """One device, chosen automatically; bf16 mixed precision on a GPU that has it unless ``params`` says otherwise."""
    from lightning_fabric import Fabric  # 3 s: only where something is trained or scored

    precision = params.precision
    if precision == "auto":
        gpu = accelerator != "cpu" and torch.cuda.is_available() and torch.cuda.is_bf16_supported()
        precision = "bf16-mixed" if gpu else "32-true"
    fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)
    fabric.launch()
    return fabric


def device_kind() -> str:
    """``cuda`` or ``cpu``: results are equal to the byte only on one kind."""
    return "cuda" if torch.cuda.is_available() else "cpu"
