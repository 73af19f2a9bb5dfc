"""Finding a model by what a person calls it: a folder, or what `tasks.tracking.Registry.find` takes."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outcrop.errors import ModelError, SurveyError
from outcrop.field.carbon.fractions import confusion_of
from outcrop.field.familiarity import Familiarity, familiar_cells, learn_familiarity
from outcrop.field.profiles import ModelProfile, profile_of
from outcrop.learning.models import CONFIG, Model, load_model
from outcrop.params import Params
from outcrop.record.digests import digest_folder
from outcrop.survey.cells import CellReader
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.patches import BlockPool
from outcrop.survey.sites import Site, read_site
from outcrop.survey.surveys import Survey, load_survey
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Found:
    """A model's folder and digest; if it is registered, its URI, run, record, sites' DVC hashes, and metrics.

    ``evaluation`` is all that was found of it on test blocks, None where nothing was.
    """

    name: str
    folder: Path
    digest: str
    uri: str | None = None
    run_id: str | None = None
    record: str | None = None
    data: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    evaluation: dict[str, Any] | None = None


def find_model(workspace: Workspace, name: str, survey: str = "") -> Found:
    """Find a model; ``survey`` is the one that is meant where a registered model is called by its role alone.

    Raises
    ------
    ModelError : there is none, or its files are not those that were registered.
    """
    folder = Path(name)
    if (folder / CONFIG).is_file():
        return Found(folder.resolve().name, folder.resolve(), digest_folder(folder))
    if folder.is_dir():
        raise ModelError("the folder holds no model", where=folder, remedy=f"name one with `{CONFIG}`")
    from tasks.tracking import Registry

    registry = Registry.require(workspace)
    version = registry.find(name, survey)
    served = registry.folder(version)
    if served is None:
        raise ModelError(f"the files of {version.uri} are gone", where=workspace.state, remedy="train it again")
    if digest_folder(served) != version.digest:
        raise ModelError("the registered model's files were altered", where=served, remedy="train it again")
    origin = registry.origin(version)
    told = (version.uri, origin.run_id, version.record, origin.data, origin.metrics, origin.evaluation)
    return Found(version.name, served, version.digest, *told)


def find_teacher(workspace: Workspace, survey: str) -> Found | None:
    """The newest teacher of a survey; None where none is registered."""
    from tasks.tracking import Registry

    registry, name = Registry.open(workspace), f"{survey}-teacher"
    return find_model(workspace, name) if registry and name in registry.notes() else None


@dataclass(frozen=True)
class Known:
    """A model with its survey, its profile, and sites: those that were asked for, or those that it was trained on.

    ``trained_on`` names the latter in any case.
    """

    found: Found
    model: Model
    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    profile: ModelProfile
    trained_on: tuple[str, ...]


def know_model(workspace: Workspace, name: str, sites: Sequence[str] = ()) -> Known:
    """Load a model, and read its survey and its sites.

    Parameters
    ----------
    sites : take these instead of the survey's training sites

    Raises
    ------
    ModelError, SurveyError, SiteError : the model, its survey or a site cannot be used.
    """
    found = find_model(workspace, name)
    model = load_model(found.folder)
    survey, params = load_survey(_survey_file(workspace, model.config.survey), workspace.params)
    trained_on = tuple(survey.sites) if params.sites.train == "all" else params.sites.train
    read = tuple(read_site(workspace.sites / site) for site in sites or trained_on)
    return Known(found, model, survey, params, read, profile_of(model.config, read), trained_on)


def read_cells(known: Known, scratch: Path) -> CellReader:
    """The cells of a model's sites that can be used; which ones these are is kept in ``scratch``."""
    census = take_census(known.sites, known.model.config.footprint, declared_ranges(known.survey), scratch)
    return CellReader(known.sites, census)


def know_familiar(workspace: Workspace, known: Known) -> Familiarity:
    """What is familiar to a model, learnt from its sites.

    Raises
    ------
    DataError : they have no cell to learn from.
    """
    names = [entry.modality for entry in known.model.config.inputs]
    with tempfile.TemporaryDirectory(dir=workspace.state) as scratch:
        reader = read_cells(known, Path(scratch))
        pool = BlockPool(reader, names, known.params.patches.pool_mb)
        return learn_familiarity(known.model, pool, familiar_cells(reader, known.params.seed))


def confusion_told(found: Found, profile: ModelProfile) -> dict[str, Any] | None:
    """How often a model took a class for another on test blocks; None where it was not tested."""
    if found.evaluation is None:
        return None
    return confusion_of(found.evaluation, [entry.name for entry in profile.classes]).told()


def _survey_file(workspace: Workspace, name: str) -> Path:
    path = workspace.root / "data" / "surveys" / f"{name}.yaml"
    if not path.is_file():
        raise SurveyError("there is no survey file of the model's survey", where=path, remedy="restore it")
    return path
