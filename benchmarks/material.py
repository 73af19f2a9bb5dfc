"""What the benchmarks train on: the simulated survey, built in a folder that is thrown away."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from benchmarks.variants import survey_with
from outcrop.learning.material import Material
from outcrop.learning.models import build_network
from outcrop.learning.objectives import LabelObjective
from outcrop.learning.rungs import Rung
from outcrop.survey.cells import labelled_cells
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.patches import BlockPool, Draw, PatchStream
from outcrop.survey.simulate import simulate_site

ROLES = ("teacher", "student")
SITES = ("iceland", "lanzarote", "gusev")


@contextmanager
def simulated(size: int, changes: Mapping[str, Any]) -> Iterator[Material]:
    """The three simulated sites of ``size`` base cells a side, on the CPU."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folder = Path(name)
        survey, params = survey_with({**changes, "simulate": {"size": size}}, folder)
        sites = [simulate_site(site, folder / "sites", survey, params) for site in SITES]
        ranges = declared_ranges(survey)
        census = take_census(sites, params.footprint, ranges, folder / "census")
        yield Material.gather(survey.survey, sites, census, params, folder / "work", accelerator="cpu")


@dataclass(frozen=True)
class Trainee:
    """A model of one role at the start of training on labels."""

    objective: LabelObjective
    optimizer: torch.optim.Optimizer

    @classmethod
    def of(cls, role: str, material: Material) -> "Trainee":
        """The same weights for the same seed."""
        torch.manual_seed(material.params.seed)
        config, train = material.config(rung_of(role, material)), material.params.train
        objective = LabelObjective(build_network(config), torch.ones(len(config.classes)))
        optimizer = torch.optim.AdamW(objective.parameters(), lr=train.lr.of(role), weight_decay=train.weight_decay)
        return cls(objective, optimizer)


def rung_of(role: str, material: Material) -> Rung:
    """What the model of a role sees."""
    return material.top if role == "teacher" else material.last


def stream_of(role: str, material: Material, megabytes: int) -> PatchStream:
    """Patches for training on labels, as `train_on_labels` draws them."""
    params, reader = material.params, material.reader
    cells = labelled_cells(reader, "train", params.labels.per_class, params.seed)
    pool = BlockPool(reader, rung_of(role, material).modalities, megabytes)
    return PatchStream(pool, [Draw(cells, params.train.samples)], params.patches.batch, params.seed)


class Stopwatch:
    """Seconds of the block under ``with``."""

    seconds = 0.0

    def __enter__(self) -> "Stopwatch":
        self._started = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = perf_counter() - self._started
