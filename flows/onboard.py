"""Flow `onboard`: validate -> adapt -> appraise -> decide -> register -> report, for a new site with few labels."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prefect import flow

from flows.adaptations import STEPS, about, alone_with, climb
from flows.chain import Chain
from flows.openings import alone
from outcrop.errors import SurveyError
from outcrop.learning.adaptation.supports import check_classes, check_model
from outcrop.learning.models import load_model
from outcrop.params import Params
from outcrop.survey.field_labels import FieldLabels, read_field_labels
from outcrop.survey.onboarded import write_onboarded
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import Site, read_site
from outcrop.survey.surveys import Survey, load_survey
from tasks.adapt import Newcomer
from tasks.data import ensure_sites
from tasks.jobs import open_job
from tasks.models import find_model, find_teacher
from tasks.onboard import summarise
from tasks.progress import say
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Asked:
    """What the command was asked for: the site, its labels, and the model to adapt."""

    site: str
    labels: Path
    model: str
    allow_new_classes: bool


def run_onboard(workspace: Workspace, survey: Path, overrides: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Onboard a site, one run of the survey at a time.

    Raises
    ------
    SurveyError : the survey does not have the site, or trains on it.
    DataError, SiteError, ModelError : labels, site or model cannot be used.
    """
    with alone(workspace, survey, overrides):
        loaded, params = load_survey(survey, workspace.params, overrides)
        check_asked(loaded, params, asked, survey)
        return onboard(workspace.root, survey, overrides, asked)


def check_asked(survey: Survey, params: Params, asked: Asked, path: Path) -> None:
    """What can be refused before anything is started.

    Raises
    ------
    SurveyError : the survey does not have the site, or trains on it.
    """
    if asked.site not in survey.sites:
        raise SurveyError(
            f"the survey has no site {asked.site}",
            where=path,
            remedy=f"add it under `sites`, or name one of {', '.join(survey.sites)}",
        )
    if params.sites.train == "all" or asked.site in params.sites.train:
        raise SurveyError(
            f"the survey trains on site {asked.site}: it is not new",
            where=path,
            remedy="list the sites to train on in `sites.train` of the survey's params, without it",
        )


@flow(name="onboard", validate_parameters=False)
def onboard(root: Path, survey_file: Path, overrides: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Adapt a model to a site, measure it, decide, register and report; steps that are current are not repeated."""
    workspace = Workspace(root)
    survey, params = load_survey(survey_file, workspace.params, overrides)
    hashes = ensure_sites(workspace, survey, params, say)
    site = read_site(workspace.sites / asked.site)
    newcomer, labels = introduce(workspace, survey, params, asked, site)
    changed, here = alone_with(params, site)
    data, title = {site.name: hashes[site.name]}, f"onboard {site.name}"
    with open_job(workspace, survey, changed, (here,), data, flow=title, steps=STEPS, about=about(newcomer)) as job:
        theirs = {each.name: hashes[each.name] for each in newcomer.sources}
        sources = Chain(replace(job, params=params, sites=newcomer.sources, hashes=theirs))
        sources.validate()
        climbed = climb(job, newcomer, sources.census, sources.seen)
        write_onboarded(workspace.onboarded / survey.survey / f"{site.name}.csv", labels, site)
        return summarise(job, newcomer, climbed.told, climbed.model, climbed.chain.done, *climbed.made)


def introduce(
    workspace: Workspace, survey: Survey, params: Params, asked: Asked, site: Site
) -> tuple[Newcomer, FieldLabels]:
    """Find the models, and check that they, the site and the labels fit one another.

    Raises
    ------
    ModelError, DataError, SurveyError : the first thing that does not fit.
    """
    student = find_model(workspace, asked.model, survey.survey)
    model = load_model(student.folder)
    check_model(model, site)
    check_classes(model, [entry.name for entry in survey.classes])
    labels = read_field_labels(asked.labels, site, survey, allow_new_classes=asked.allow_new_classes)
    teacher = find_teacher(workspace, survey.survey)
    served = with_roles((read_site(workspace.sites / name) for name in survey.sites), params.sites)
    newcomer = Newcomer(
        site=asked.site,
        labels=asked.labels.resolve(),
        allow_new_classes=asked.allow_new_classes,
        model=student.uri or student.name,
        student=student.folder,
        student_digest=student.digest,
        teacher=teacher.folder if teacher else None,
        teacher_digest=teacher.digest if teacher else None,
        records={
            role: found.record for role, found in (("student", student), ("teacher", teacher)) if found and found.record
        },
        sources=tuple(each for each in served if "train" in each.scenes[0].serves),
    )
    return newcomer, labels
