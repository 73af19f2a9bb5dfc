"""Step `score`: what the models of one seed say of the test cells, and where the teacher looks."""

from collections.abc import Mapping
from typing import cast

import numpy as np

from outcrop.learning.evaluation import attention_by_class, load_scores, save_scores, score_network, truth_of_cells
from outcrop.learning.ladders import Method, SeedScores
from outcrop.learning.metrics import Scored
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import gather, read_model
from tasks.progress import Progress
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "patches", "evaluate")
ATTENTION, SHADOW = "attention.npy", "shadow.npy"
TEACHER = "teacher"


@step("score")
def score(job: Job, key: str, validated: Reference, models: Mapping[str, Reference]) -> dict[str, str]:
    """Score ``models``: the teacher, and by ``rung/method`` every student."""
    material = gather(job, validated)
    with job.tracker.step(job.parent, "score", key) as run, results_of(job.workspace, "score", key) as folder:
        scores = {}
        with Progress("Scoring the test blocks", len(models)) as progress:
            for name, made in models.items():
                model = read_model(made, job.workspace)
                scores[name] = score_network(material, model)
                if name == TEACHER:
                    np.save(folder / ATTENTION, attention_by_class(material, model))
                progress.advance(note=name)
        save_scores(folder / SCORES, scores)
        shadow = truth_of_cells(material, "shadow")
        if shadow is not None:
            np.save(folder / SHADOW, shadow > 0)
        run.params({"models": ", ".join(models)})
    return refer(job.workspace, "score", key, run.run_id)


def read_scores(reference: Reference, job: Job) -> SeedScores:
    """The scores of a seed's models."""
    scores = load_scores(reference.path(job.workspace) / SCORES)
    teacher = scores.pop(TEACHER)
    students: dict[str, dict[Method, Scored]] = {}
    for name, scored in scores.items():
        rung, _, method = name.rpartition("/")
        students.setdefault(rung, {})[cast(Method, method)] = scored
    return SeedScores(teacher, students)
