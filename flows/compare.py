"""Flow `compare`: every rung by every method, over several seeds: what is each sensor worth?"""

import shutil
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow

from flows.chain import Chain
from flows.openings import Opened, alone, held, open_survey
from flows.runners import on_workers, task_runner
from outcrop.field.sensor_costs import declared_costs
from outcrop.learning.rungs import Rung
from outcrop.record.digests import digest_value
from tasks import compare as comparing
from tasks import score
from tasks.compare import PAGE, read_facts
from tasks.jobs import open_job
from tasks.progress import say
from tasks.steps import Reference
from tasks.workers import Workers
from tasks.workspace import Workspace

#: The task modules whose code decides what a comparison gives.
STEPS = ("validate", "teacher", "control", "guide", "distil", "score", "compare")


def run_compare(
    workspace: Workspace, survey: Path, overrides: Mapping[str, Any], seeds: int, workers: Workers
) -> dict[str, Any]:
    """Compare the rungs of a survey with so many seeds, of which the parameters' is the first; a worker has one."""
    with alone(workspace, survey, overrides):
        steps = compare.with_options(task_runner=task_runner(workers))
        return steps(workspace.root, survey, overrides, seeds, workers)


@flow(name="compare", validate_parameters=False)
def compare(
    root: Path, survey_file: Path, overrides: Mapping[str, Any], seeds: int, workers: Workers
) -> dict[str, Any]:
    """Train and score the models of every seed, then measure the ladder; steps that are current are not repeated."""
    workspace = Workspace(root)
    opened = open_survey(workspace, survey_file, overrides)
    survey, params = opened.survey, opened.params
    numbers = range(params.seed, params.seed + seeds)
    of_seed = partial(score_seed, root, opened)
    scored = dict(zip(numbers, on_workers(workers, of_seed, numbers, "Seeds"), strict=True))
    asked = f"compare {seeds} seeds of"
    with open_job(workspace, survey, params, opened.sites, opened.hashes, flow=asked, steps=STEPS) as job:
        chain = Chain(job)
        chain.validate()
        depends = {
            "flow": job.flow_key,  # the page names the survey and this run
            "scores": {str(seed): made.digest for seed, made in scored.items()},
            "costs": digest_value({name: vars(each) for name, each in declared_costs(survey).items()}),
        }
        found = chain.run(comparing, "compare", depends, validated=chain.census, scored=scored)
        name = f"{survey.survey}-comparison-{job.parent[:8]}-{seeds}-seeds.html"
        page = workspace.state.parent / "reports" / name
        page.parent.mkdir(exist_ok=True)
        shutil.copyfile(found.path(workspace) / PAGE, page)
        told = {"survey": survey.survey, "run_id": job.parent, "report": str(page)}
        return {**told, "folder": str(found.path(workspace)), **read_facts(found, job)}


def score_seed(root: Path, opened: Opened, seed: int) -> Reference:
    """Train and score the models of one seed. No step of it is another seed's: the seed is part of every key."""
    workspace, survey = Workspace(root), opened.survey
    seeded = opened.params.model_copy(update={"seed": seed})
    # A worker of a cluster may still be at it, for a command that was killed: what it makes is found.
    file = workspace.state / f"train-{survey.survey}-{seed}.lock"
    with (
        held(file, "another run trains with this seed", survey.survey, wait=True),
        open_job(workspace, survey, seeded, opened.sites, opened.hashes, flow="compare", steps=STEPS) as job,
    ):
        say(f"seed {seed}")
        chain = Chain(job)
        chain.validate()
        models = train_ladder(chain, opened.rungs)
        depends = {**chain.seen, "models": {name: chain.digest(made) for name, made in models.items()}}
        return chain.run(score, "score", depends, validated=chain.census, models=models)


def train_ladder(chain: Chain, rungs: Sequence[Rung]) -> dict[str, Reference]:
    """The teacher, and by ``rung/method`` every student of a seed; the teacher's outputs are computed once.

    On the first rung below the teacher's there is no assistant yet: progressive is direct, at equal compute too.
    """
    teacher = chain.teacher(rungs[0])
    taught = [chain.guide(teacher, "teacher")]
    guides = list(taught)
    models = {"teacher": teacher}
    for place, rung in enumerate(rungs[1:], start=1):
        name = rung.name
        models[f"{name}/control"] = chain.control(rung)
        direct = chain.distil(rung, taught, title=f"direct {name}")
        models[f"{name}/direct"] = direct
        # Down to this rung the chain trains as many students as there are rungs.
        longer = chain.distil(rung, taught, title=f"longer {name}", effort=place) if place > 1 else direct
        models[f"{name}/direct_equal_compute"] = longer
        chained = chain.distil(rung, guides, title=f"assistant {name}") if place > 1 else direct
        models[f"{name}/progressive"] = chained
        models[f"{name}/shuffled_teacher"] = chain.distil(rung, taught, title=f"shuffled {name}", shuffled=True)
        if rung != rungs[-1]:
            guides.append(chain.guide(chained, name))
    return models
