"""Step `appraise`: what a new site's labels bought, on its test blocks; and what adapting cost at the sources."""

import json
from dataclasses import asdict
from typing import Any

import numpy as np

from outcrop.learning.adaptation.curves import draw_labels, headline, look_at_cells, run_trials
from outcrop.learning.evaluation import cells_to_score, save_scores, score_network
from outcrop.learning.metrics import measure
from outcrop.learning.models import Model
from tasks.adapt import Newcomer, Opened, open_newcomer
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import read_model
from tasks.progress import Progress
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches", "evaluate", "onboard")
FACTS = "appraisal.json"


@step("appraise")
def appraise(
    job: Job, key: str, newcomer: Newcomer, validated: Reference, known: Reference, adapted: Reference
) -> dict[str, str]:
    """Measure the source model and the adapted one at the new site, and both at the sources."""
    with job.tracker.step(job.parent, "appraise", key, f"appraise {newcomer.site}") as run:
        with results_of(job.workspace, "appraise", key) as folder:
            opened = open_newcomer(job, newcomer, validated, known)
            model = read_model(adapted, job.workspace)
            facts: dict[str, Any] = {"forgetting": _forgetting(opened, model), "here": None, "curve": []}
            if opened.held_out:
                scores = {name: score_network(opened.site, m) for name, m in _both(opened, model).items()}
                save_scores(folder / SCORES, scores)
                names, params = model.config.classes, job.params.evaluate
                facts["here"] = {
                    name: measure(
                        scored,
                        names[: scored.probabilities.shape[1]],
                        bins=params.bins,
                        draws=params.bootstrap,
                        seed=job.params.seed,
                    )
                    for name, scored in scores.items()
                }
                facts["curve"] = _curve(opened, job)
            (folder / FACTS).write_text(json.dumps(facts, indent=1))
            run.metrics({"forgetting": facts["forgetting"], **(facts["here"] or {})})
            run.inputs(job.hashes)
            run.files([folder / FACTS])
    return refer(job.workspace, "appraise", key, run.run_id)


def _both(opened: Opened, model: Model) -> dict[str, Model]:
    return {"source": opened.student, "adapted": model}


def _forgetting(opened: Opened, model: Model) -> dict[str, Any]:
    """Macro-F1 and accuracy on the sources' test blocks, before and after."""
    rows = {}
    for name, each in _both(opened, model).items():
        macro_f1, accuracy = headline(score_network(opened.sources, each))
        rows[name] = {"macro_f1": macro_f1, "overall_accuracy": accuracy}
    return rows


def _curve(opened: Opened, job: Job) -> list[dict[str, Any]]:
    params, seed = job.params.onboard, job.params.seed
    reference = look_at_cells(opened.site, cells_to_score(opened.site), opened.student, opened.evidence)
    drawn = draw_labels(opened.site, opened.student, opened.teacher, opened.evidence, seed)
    with Progress("Drawing labels", params.draws * len(params.curve)) as progress:
        trials = run_trials(opened.evidence, drawn, reference, params, seed, progress.advance)
    return [asdict(trial) for trial in trials]


def read_appraisal(reference: Reference, job: Job) -> dict[str, Any]:
    """What the step found."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / FACTS).read_text())
    return facts


def points_of(curve: list[dict[str, Any]], metric: str) -> list[tuple[int, float, float, float]]:
    """Labels, median, 5th and 95th percentile of a metric over the draws."""
    points = []
    for labels in sorted({trial["labels"] for trial in curve}):
        values = [trial[metric] for trial in curve if trial["labels"] == labels]
        low, middle, high = np.percentile(values, [5, 50, 95])
        points.append((labels, float(middle), float(low), float(high)))
    return points
