"""Step `appraise`: what a new site's labels bought, on its test blocks; and what adapting cost at the sources."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from outcrop.learning.adaptation.curves import draw_labels, headline, look_at_cells, run_trials
from outcrop.learning.adaptation.overviews import Overview, overview
from outcrop.learning.evaluation import cells_to_score, save_scores, score_network
from outcrop.learning.metrics import Scored, measure
from outcrop.learning.models import Model
from tasks.adapt import Newcomer, Opened, open_newcomer, read_adaptation
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import read_model
from tasks.progress import Progress
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches", "evaluate", "onboard")
FACTS, MAPS = "appraisal.json", "maps.npz"
#: What the models are called: the one that came, and the one that is left.
BEFORE, AFTER = "source", "adapted"


@step("appraise")
def appraise(
    job: Job, key: str, newcomer: Newcomer, validated: Reference, known: Reference, adapted: Reference
) -> dict[str, str]:
    """Measure the source model and the adapted one at the new site, and both at the sources."""
    with (
        job.tracker.step(job.parent, "appraise", key, f"appraise {newcomer.site}") as run,
        results_of(job.workspace, "appraise", key) as folder,
    ):
        opened = open_newcomer(job, newcomer, validated, known)
        models = {BEFORE: opened.student, AFTER: read_model(adapted, job.workspace)}
        facts: dict[str, Any] = {"sources": _at_sources(opened, models), "here": None, "curve": []}
        if opened.held_out:
            scores = {name: score_network(opened.site, model) for name, model in models.items()}
            save_scores(folder / SCORES, scores)
            facts["here"] = {name: _measured(job, models[name], scored) for name, scored in scores.items()}
            facts["curve"] = _curve(opened, job)
        scene = _scene_of_labels(read_adaptation(adapted, job)["places"])
        _keep(overview(opened.place, scene, models, opened.site.fabric.device), folder / MAPS)
        (folder / FACTS).write_text(json.dumps(facts, indent=1))
        run.metrics({name: facts[name] for name in ("sources", "here") if facts[name]})
        run.inputs(job.hashes)
        run.files([folder / FACTS])
    return refer(job.workspace, "appraise", key, run.run_id)


def _measured(job: Job, model: Model, scored: Scored) -> dict[str, Any]:
    chosen = job.params.evaluate
    return measure(scored, model.config.classes, bins=chosen.bins, draws=chosen.bootstrap, seed=job.params.seed)


def _at_sources(opened: Opened, models: Mapping[str, Model]) -> dict[str, Any] | None:
    """Macro-F1 and accuracy on the sources' test blocks; None where they have none."""
    if not opened.sources.census.support("test").any():
        return None
    rows = {}
    for name, model in models.items():
        macro_f1, accuracy = headline(score_network(opened.sources, model))
        rows[name] = {"macro_f1": macro_f1, "overall_accuracy": accuracy}
    return rows


def _curve(opened: Opened, job: Job) -> list[dict[str, Any]]:
    params, seed = job.params.onboard, job.params.seed
    reference = look_at_cells(opened.site, cells_to_score(opened.site), opened.student, opened.evidence)
    drawn = draw_labels(opened.site, opened.student, opened.teacher, opened.evidence, seed)
    with Progress("Drawing labels", params.draws * len(params.curve)) as progress:
        trials = run_trials(opened.evidence, drawn, reference, params, seed, progress.advance)
    return [asdict(trial) for trial in trials]


def _scene_of_labels(places: Sequence[Sequence[int]]) -> int:
    """The scene that holds most labels."""
    return int(np.bincount([place[0] for place in places]).argmax())


def _keep(seen: Overview, path: Any) -> None:
    arrays: dict[str, Any] = {"scene": seen.scene, "stride": seen.stride, **seen.maps}
    np.savez_compressed(path, **arrays)


def read_overview(reference: Reference, job: Job) -> Overview:
    """The maps that the step kept."""
    with np.load(reference.path(job.workspace) / MAPS, allow_pickle=False) as stored:
        maps = {name: stored[name] for name in (BEFORE, AFTER)}
        return Overview(int(stored["scene"]), int(stored["stride"]), maps)


def read_appraisal(reference: Reference, job: Job) -> dict[str, Any]:
    """What the step found."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / FACTS).read_text())
    return facts


def points_of(curve: Sequence[Mapping[str, Any]], metric: str) -> list[tuple[int, float, float, float]]:
    """Labels, median, 5th and 95th percentile of a metric over the draws."""
    points = []
    for labels in sorted({trial["labels"] for trial in curve}):
        values = [trial[metric] for trial in curve if trial["labels"] == labels]
        low, middle, high = np.percentile(values, [5, 50, 95])
        points.append((labels, float(middle), float(low), float(high)))
    return points
