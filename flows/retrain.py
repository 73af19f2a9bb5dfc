"""Flow `retrain`: validate -> teacher -> assistants -> student, control -> choose -> evaluate -> report -> register ->
promote."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect import flow

from flows.adaptations import adapt_everywhere
from flows.chain import Chain
from flows.openings import alone, open_survey
from flows.runners import task_runner
from flows.search import find
from outcrop.learning.rungs import Rung
from outcrop.survey.surveys import load_survey
from tasks import choose, evaluate, forest, promote, register, report
from tasks.choose import read_choice
from tasks.jobs import open_job
from tasks.keeping import search_behind
from tasks.steps import Reference
from tasks.summary import summarise
from tasks.workers import ALONE, Workers
from tasks.workspace import Workspace

#: The task modules whose code decides what a retraining gives.
STEPS = ("validate", "teacher", "control", "guide", "search", "distil", "choose", "forest", "evaluate", "report")


def run_retrain(
    workspace: Workspace, survey: Path, overrides: Mapping[str, Any], workers: Workers = ALONE
) -> dict[str, Any]:
    """Retrain a survey, one run of it at a time.

    Parameters
    ----------
    overrides : parameters that differ this once
    workers : who counts what is in the scenes, and runs the trials of a search

    Raises
    ------
    WorkspaceError : another run of the survey is under way.
    """
    searches = load_survey(survey, workspace.params, overrides)[1].search.enabled
    with alone(workspace, survey, overrides):
        steps = retrain.with_options(task_runner=task_runner(workers if searches else ALONE))
        return steps(workspace.root, survey, overrides, workers)


@flow(name="retrain", validate_parameters=False)
def retrain(root: Path, survey_file: Path, overrides: Mapping[str, Any], workers: Workers = ALONE) -> dict[str, Any]:
    """Make, measure and register the models of one survey; steps that are current are not repeated."""
    started = time.perf_counter()
    workspace = Workspace(root)
    opened = open_survey(workspace, survey_file, overrides)
    with open_job(
        workspace, opened.survey, opened.params, opened.sites, opened.hashes, flow="retrain", steps=STEPS
    ) as job:
        chain = Chain(job, found=search_behind(job, overrides))
        chain.validate(workers)
        found = _search(chain, opened.rungs) if opened.params.search.enabled else None
        if found:
            # All of them are trained with what was found: the control, too, learns at the same rate.
            chain = chain.with_params(found["winner"])
        made = _train(chain, opened.rungs)
        evaluated = _measure(chain, opened.rungs, made)
        models = register.register(chain.job, made.registered)
        decision = promote.promote(chain.job, chain.census, evaluated, made.registered["student"])
        adapted = adapt_everywhere(chain, opened, made.models["teacher"], made.registered["student"])
        result = summarise(chain.job, chain.done, models, decision, time.perf_counter() - started)
        return {**result, "search": found, "onboarded": adapted}


@dataclass(frozen=True)
class Made:
    """The models of a run: by what they are called in the evaluation, and those that are registered, by role."""

    models: dict[str, Reference]
    chosen: Reference
    registered: dict[str, Reference]


def _search(chain: Chain, rungs: Sequence[Rung]) -> dict[str, Any]:
    """The parameters that a search finds for the student, nested, and by which method."""
    _, _, guides = chain.guides(rungs)
    found = find(chain, rungs, guides)
    return {"winner": found.winner.candidate.changes(), "found_by": found.found_by}


def _train(chain: Chain, rungs: Sequence[Rung]) -> Made:
    """Teacher, assistants, student and control; which of the last two is used is decided on validation blocks."""
    last = rungs[-1]
    teacher, assistants, guides = chain.guides(rungs)
    control = chain.control(last)
    distilled = chain.distil(last, guides, title="distilled")
    compared = {"control": control, "distilled": distilled}
    depends = {**chain.seen, "models": {name: chain.digest(made) for name, made in compared.items()}}
    chosen = chain.run(choose, "choose", depends, validated=chain.census, **compared)
    student = compared[read_choice(chosen, chain.job).kept]
    registered = {title.replace(" ", "-"): made for title, made in assistants.items()}
    return Made(
        {"teacher": teacher, **assistants, **compared},
        chosen,
        {"teacher": teacher, **registered, "student": student},
    )


def _measure(chain: Chain, rungs: Sequence[Rung], made: Made) -> Reference:
    """The test blocks, and the page; gives the evaluation."""
    ends = {"all": rungs[0], "student": rungs[-1]}
    forests = chain.run(
        forest,
        "forest",
        {**chain.seen, "rungs": {name: rung.modalities for name, rung in ends.items()}},
        validated=chain.census,
        rungs={name: rung.name for name, rung in ends.items()},
    )
    depends = {**chain.seen, "models": {name: chain.digest(model) for name, model in made.models.items()}}
    depends |= {"forest": forests.digest, "choice": made.chosen.digest}
    inputs = {"validated": chain.census, "models": made.models, "forests": forests, "chosen": made.chosen}
    evaluated = chain.run(evaluate, "evaluate", depends, **inputs)
    # The page tells of the findings, and of this run.
    depends |= {"evaluate": evaluated.digest, "validate": chain.census.digest, "flow": chain.job.flow_key}
    chain.run(report, "report", depends, steps=dict(chain.done), models=made.registered)
    return evaluated
