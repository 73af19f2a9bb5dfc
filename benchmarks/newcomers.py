"""Sites to onboard for a study: models trained on some sites of a survey, and another site that they have never seen.

Everything is made once and kept in a folder: sites as ingest and the simulator make them, and the trained models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.variants import PROJECT
from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.learning.recipes import train_on_labels
from outcrop.params import Params
from outcrop.survey.census import load_census, take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.ingest import ingest_site
from outcrop.survey.roles import with_roles
from outcrop.survey.simulate import simulate_site
from outcrop.survey.sites import MANIFEST, Site, read_site
from outcrop.survey.surveys import Survey, load_survey
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Newcomer:
    """A site that is new to the models of some sites of its survey.

    Parameters
    ----------
    sources : the sites that teacher and student are trained on
    changes : parameters that differ from the survey's
    own_split : the new site is split as its survey says; else by the survey's fractions, so that it has training blocks
    """

    name: str
    survey: str
    sources: tuple[str, ...]
    site: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    own_split: bool = False


@dataclass(frozen=True)
class Stage:
    """A newcomer in a workspace, with everything that onboarding starts from."""

    newcomer: Newcomer
    workspace: Workspace
    onboard: Mapping[str, Any] = field(default_factory=dict)

    @property
    def folder(self) -> Path:
        """Where what is the newcomer's own is kept."""
        return self.workspace.state / "onboarding" / self.newcomer.name

    @property
    def home(self) -> Path:
        """Where the models are kept that its sources share with other newcomers."""
        return self.folder.with_name("+".join((self.newcomer.survey, *self.newcomer.sources)))

    def _load(self, roles: Sequence[str]) -> tuple[Survey, Params]:
        changes = {
            **self.newcomer.changes,
            "sites": {"train": list(roles), "test": list(roles)},
            "onboard": dict(self.onboard),
        }
        path = PROJECT / f"data/surveys/{self.newcomer.survey}.yaml"
        survey, params = load_survey(path, PROJECT / "params.yaml", changes)
        if not self.newcomer.own_split and self.newcomer.site in roles:
            entry = survey.sites[self.newcomer.site].model_copy(update={"split": None})
            survey = survey.model_copy(update={"sites": {**survey.sites, self.newcomer.site: entry}})
        return survey, params

    @cached_property
    def sources(self) -> Material:
        """What the models are trained on."""
        return self._material(self.newcomer.sources)

    @cached_property
    def site(self) -> Material:
        """The new site."""
        return self._material((self.newcomer.site,))

    def _material(self, names: Sequence[str]) -> Material:
        survey, params = self._load(names)
        made = [self._site(name, survey, params) for name in names]
        folder = self.folder / "+".join(names)
        if not (folder / "census.json").exists():
            take_census(with_roles(made, params.sites), params.footprint, declared_ranges(survey), folder)
        sites, work = with_roles(made, params.sites), self.folder / "work"
        return Material.gather(survey.survey, sites, load_census(folder), params, work, "cpu")

    def _site(self, name: str, survey: Survey, params: Params) -> Site:
        folder = self.folder / "sites"
        if (folder / name / MANIFEST).exists():
            return read_site(folder / name)
        folder.mkdir(parents=True, exist_ok=True)
        if not survey.sites[name].scenes:
            return simulate_site(name, folder, survey, params)
        return ingest_site(survey, name, params, self.workspace.raw, folder)

    @cached_property
    def teacher(self) -> Model:
        """Sees all sensors."""
        return _kept(self.home / "teacher", lambda: train_on_labels(self.sources.top, self.sources, "teacher").model)

    @cached_property
    def student(self) -> Model:
        """Sees what the last rung does; distilled from the teacher."""

        def train() -> Model:
            guide = self.home / "guide"
            write_guide(self.teacher, self.sources, guide)
            return train_by_distillation([guide], Lesson(self.sources.last), self.sources, "student").model

        return _kept(self.home / "student", train)

    @cached_property
    def native(self) -> Model:
        """The student's network, trained on every label of the new site's training blocks: what labels can buy."""
        labels = self.site.params.model_copy(
            update={"labels": self.site.params.labels.model_copy(update={"per_class": "all"})}
        )
        material = replace(self.site, params=labels)
        return _kept(self.folder / "native", lambda: train_on_labels(material.last, material, "native").model)


def _kept(folder: Path, train: Callable[[], Model]) -> Model:
    """The model in a folder, trained if it is not there."""
    if not (folder / "model.json").exists():
        save_model(train(), folder)
    return load_model(folder)


SIMULATED = ("iceland", "lanzarote", "gusev")
#: Distilled in one step: an assistant is no matter of this study.
DIRECT = {"distil": {"rungs": ["all", ["rgb"]]}}
MLBS, OSBS = (("mlbs",), "osbs"), (("osbs",), "mlbs")
SENSORS = ["rgb", "hyperspectral", "canopy", "elevation"]
NEON = {"distil": {"rungs": [SENSORS, ["rgb"]]}}
#: What is reported on.
STUDIES = (
    Newcomer("oman", "simulated", SIMULATED, "oman", DIRECT),
    Newcomer("jezero", "simulated", SIMULATED, "jezero", DIRECT),
    Newcomer("neon-osbs", "neon", *MLBS, NEON),
    Newcomer("neon-mlbs", "neon", *OSBS, NEON),
    Newcomer("mars-south", "mars", ("west",), "south", DIRECT),
)
#: One source site at a time plays the new one: on these the parameters of `onboard` were chosen.
REHEARSALS = tuple(
    Newcomer(f"without-{left_out}", "simulated", tuple(n for n in SIMULATED if n != left_out), left_out, DIRECT)
    for left_out in SIMULATED
)
