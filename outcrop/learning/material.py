"""What every training and evaluation of a survey's models starts from."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.learning.devices import make_fabric
from outcrop.learning.models import ModelConfig, Role, describe_inputs
from outcrop.learning.rungs import Rung, chain_of
from outcrop.params import Params
from outcrop.survey.cells import CellReader
from outcrop.survey.census import Census
from outcrop.survey.sites import Site

if TYPE_CHECKING:
    from lightning_fabric import Fabric


@dataclass(frozen=True)
class Material:
    """Sites, their census, the parameters and the device. ``work`` holds checkpoints while a training runs."""

    survey: str
    sites: tuple[Site, ...]
    census: Census
    params: Params
    work: Path
    fabric: "Fabric" = field(repr=False)
    reader: CellReader = field(repr=False)

    @classmethod
    def gather(
        cls, survey: str, sites: Sequence[Site], census: Census, params: Params, work: Path, accelerator: str = "auto"
    ) -> "Material":
        """The material of one survey, on the device that is at hand."""
        fabric = make_fabric(params.train, accelerator)
        return cls(survey, tuple(sites), census, params, work, fabric, CellReader(sites, census))

    def checkpoint(self, key: str) -> Path:
        """Where the training of a step keeps its last complete epoch."""
        return self.work / "checkpoints" / f"{key}.safetensors"

    def discard(self, key: str) -> None:
        """Remove what a finished training no longer needs."""
        for path in self.checkpoint(key).parent.glob(f"{key}*.safetensors"):
            path.unlink()

    def with_seed(self, seed: int) -> "Material":
        """The same with another seed."""
        return replace(self, params=self.params.model_copy(update={"seed": seed}))

    @cached_property
    def chain(self) -> tuple[Rung, ...]:
        """The rungs, from the teacher's down to the student's."""
        return chain_of(self.params.distil.rungs, self.sites[0].scenes[0].rasters)

    @property
    def top(self) -> Rung:
        """The teacher's rung."""
        return self.chain[0]

    @property
    def last(self) -> Rung:
        """The student's rung."""
        return self.chain[-1]

    def rung(self, name: str) -> Rung:
        """The rung of the chain with this name."""
        return next(rung for rung in self.chain if rung.name == name)

    def role(self, rung: Rung) -> Role:
        """What the model on a rung is to the chain."""
        return "teacher" if rung == self.top else "student" if rung == self.last else "assistant"

    def config(self, rung: Rung) -> ModelConfig:
        """Configuration of a new model for a rung: the teacher's network on top, the student's on all others."""
        role = self.role(rung)
        return ModelConfig(
            survey=self.survey,
            role=role,
            classes=self.census.class_names,
            footprint=self.census.footprint,
            inputs=describe_inputs(self.sites[0], self.census, rung.modalities),
            architecture=self.params.teacher if role == "teacher" else self.params.student,
        )
