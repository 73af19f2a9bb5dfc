"""Flow `retrain`: validate -> teacher -> control + distil -> forest -> evaluate -> report -> register."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow

from outcrop.errors import WorkspaceError
from outcrop.record.digests import digest_value
from outcrop.survey.expectations import read_suites
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import read_site
from outcrop.survey.surveys import load_survey
from tasks import control, distil, evaluate, forest, register, report, teacher, validate
from tasks.data import ensure_sites
from tasks.jobs import Job, expectations_digest, open_job
from tasks.learning import model_digest
from tasks.progress import CONSOLE
from tasks.steps import Outcome, run_step, step_key
from tasks.summary import summarise
from tasks.workspace import Workspace


def run_retrain(workspace: Workspace, survey: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Retrain a survey, one run of it at a time; ``overrides`` are parameters that differ this once.

    Raises
    ------
    WorkspaceError : another run of the survey is under way.
    """
    loaded, _ = load_survey(survey, workspace.params, overrides)  # before any server is started
    read_suites(workspace.root / loaded.expectations)
    lock = FileLock(workspace.state / f"retrain-{loaded.survey}.lock")
    try:
        with lock.acquire(timeout=0):
            return retrain(workspace.root, survey, overrides)
    except Timeout as cause:
        raise WorkspaceError(
            "another retrain of this survey is running", where=survey, remedy="wait until it ends"
        ) from cause


@flow(name="retrain", validate_parameters=False)
def retrain(root: Path, survey_file: Path, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Make, measure and register the models of one survey; steps that are current are not repeated."""
    started = time.perf_counter()
    workspace = Workspace(root)
    survey, params = load_survey(survey_file, workspace.params, overrides)
    hashes = ensure_sites(workspace, survey, params, CONSOLE.print)
    sites = with_roles((read_site(workspace.sites / name) for name in survey.sites), params.sites)
    with open_job(workspace, survey, params, sites, hashes) as job:
        outcomes = _run_steps(job)
        models = register.register(job, {role: outcomes[step].reference for role, step in ROLES.items()})
        return summarise(job, outcomes, models, time.perf_counter() - started)


#: Which step makes the model of each role.
ROLES = {"teacher": "teacher", "control": "control", "student": "distil"}


def _run_steps(job: Job) -> dict[str, Outcome]:
    done: dict[str, Outcome] = {}
    declared = digest_value(job.survey.model_dump(mode="json", include={"classes", "modalities"}))
    asked = {"declared": declared, "expectations": expectations_digest(job.workspace, job.survey)}
    done["validate"] = run_step(validate.validate, job, _key(job, validate, {**job.hashes, **asked}))
    census = done["validate"].reference
    # The census counts and sums; only the hashes say which bytes. What was thought of them does not change a model.
    seen = {"census": validate.census_digest(census, job.workspace), **job.hashes}
    done["teacher"] = run_step(teacher.teacher, job, _key(job, teacher, seen), validated=census)
    done["control"] = run_step(control.control, job, _key(job, control, seen), validated=census)
    taught = done["teacher"].reference
    key = _key(job, distil, {**seen, "teacher": model_digest(taught, job.workspace)})
    done["distil"] = run_step(distil.distil, job, key, validated=census, taught=taught)
    done["forest"] = run_step(forest.forest, job, _key(job, forest, seen), validated=census)
    models = {role: done[step].reference for role, step in ROLES.items()}
    inputs = {**seen, **{role: model_digest(made, job.workspace) for role, made in models.items()}}
    inputs["forest"] = done["forest"].reference.digest
    done["evaluate"] = run_step(
        evaluate.evaluate,
        job,
        _key(job, evaluate, inputs),
        validated=census,
        models=models,
        reference=done["forest"].reference,
    )
    inputs["evaluate"] = done["evaluate"].reference.digest
    inputs |= {"validate": census.digest, "flow": job.flow_key}  # the page tells of the findings, and of this run
    key = _key(job, report, inputs)
    done["report"] = run_step(report.report, job, key, steps=dict(done))
    return done


def _key(job: Job, module: Any, inputs: Any) -> str:
    return step_key(job, module.__name__, inputs, module.SECTIONS)
