"""How long onboarding takes: a simulated site of 512 x 512 cells, 20 labels, 20 draws of 20; part by part."""

from collections.abc import Callable
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeVar

import numpy as np

from benchmarks.newcomers import DIRECT, SIMULATED, Newcomer, Stage
from benchmarks.variants import PROJECT
from outcrop.learning.adaptation.adapted import adapt_to, adapted_model
from outcrop.learning.adaptation.curves import draw_labels, look_at_cells, run_trials
from outcrop.learning.adaptation.evidence import gather_evidence
from outcrop.learning.adaptation.overviews import overview
from outcrop.learning.evaluation import cells_to_score
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.surveys import load_survey
from tasks.workspace import Workspace

SIZE, LABELS, DRAWS = 512, 20, 20
Value = TypeVar("Value")


class _Clock:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    def time(self, part: str, work: Callable[[], Value]) -> Value:
        """Do the work, and add what it takes to its part."""
        started = perf_counter()
        value = work()
        self.seconds[part] = self.seconds.get(part, 0.0) + perf_counter() - started
        return value


def measure_speed(workspace: Workspace, size: int = SIZE) -> dict[str, Any]:
    """Seconds of every part of an onboarding but the start of Prefect's server and MLflow's store."""
    newcomer = Newcomer(f"oman-{size}", "simulated", SIMULATED, "oman", {**DIRECT, "simulate": {"size": size}})
    stage = Stage(newcomer, workspace, {"curve": [LABELS], "draws": DRAWS})
    trained = Stage(replace(newcomer, name="oman", changes=DIRECT), workspace)
    site, sources, student, teacher = stage.site, trained.sources, trained.student, trained.teacher
    params, seed, clock = site.params.onboard, site.params.seed, _Clock()
    ranges = declared_ranges(load_survey(PROJECT / "data/surveys/simulated.yaml", PROJECT / "params.yaml")[0])
    clock.time("census", lambda: take_census(site.sites, site.census.footprint, ranges, stage.folder / "timed"))
    evidence = clock.time("looking at the site", lambda: gather_evidence(site, sources, student, teacher, seed))
    reference = clock.time("test blocks", lambda: look_at_cells(site, cells_to_score(site), student, evidence))
    drawn = clock.time("drawing labels", lambda: draw_labels(site, student, teacher, evidence, seed))
    clock.time("adapting to the draws", lambda: run_trials(evidence, drawn, reference, params, seed))
    support, classes = drawn.support.take(np.arange(LABELS)), len(student.config.classes)
    adapted = clock.time("adapting", lambda: adapt_to(evidence, support, params, classes, seed))
    model = adapted_model(adapted, evidence, student, student.config.classes)
    models = {"source": student, "adapted": model}
    clock.time("maps", lambda: overview(site.sites[0], 0, models, site.fabric.device))
    return {
        "size": size,
        "labels": LABELS,
        "draws": DRAWS,
        "parts": clock.seconds,
        "seconds": sum(clock.seconds.values()),
    }
