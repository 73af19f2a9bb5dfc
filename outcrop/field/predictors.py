"""What mapping asks of a model: windows in, what it says of every cell out. Who computes it is no matter here."""

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from outcrop.field.profiles import ModelProfile

#: By modality (1, bands, height, width) float32 in the modality's unit, without gaps; of a coarser one also
#: ``<modality>_rows`` and ``<modality>_cols`` int64, the patch that each row and column of the tile takes.
Windows = Mapping[str, NDArray[Any]]


class Said(NamedTuple):
    """Of every cell of a tile, row by row: probabilities (cells, classes); strangeness (cells,), above 1 unfamiliar.

    Strangeness is None where the predictor does not know the training data.
    """

    probabilities: NDArray[np.float32]
    strangeness: NDArray[np.float32] | None


class Predictor(Protocol):
    """A model that can be asked from several threads at once, each call on one thread."""

    @property
    def profile(self) -> ModelProfile:
        """What it asks of a scene."""

    @property
    def tells_strangeness(self) -> bool:
        """Whether it knows the training data."""

    def predict(self, windows: Windows) -> Said:
        """What it says of a tile whose patches the windows cover."""
