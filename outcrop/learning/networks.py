"""What a network is told about its inputs, and what every network returns."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

Patches = dict[str, Tensor]


@dataclass(frozen=True)
class Input:
    """One modality as a network sees it: ``side`` native pixels, ``bands`` with their training mean and std."""

    modality: str
    bands: tuple[str, ...]
    side: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


class Prediction(NamedTuple):
    """``logits`` (N, classes) and the ``features`` (N, features) that they were computed from."""

    logits: Tensor
    features: Tensor
