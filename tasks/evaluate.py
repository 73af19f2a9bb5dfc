"""Step `evaluate`: every model on the test blocks, with intervals, and what each costs to run."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from outcrop.field.efficiency import measure_cost
from outcrop.learning.evaluation import load_scores, save_scores, score_network
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored, compare, measure
from tasks.choose import read_choice
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import MODEL, gather, read_model
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "patches", "evaluate")
METRICS = "metrics.json"


@step("evaluate")
def evaluate(
    job: Job, key: str, validated: Reference, models: Mapping[str, Reference], forests: Reference, chosen: Reference
) -> dict[str, str]:
    """Score ``models`` (teacher, control, distilled, and assistants) beside the forests of a step.

    The student is the one that the step ``chosen`` decided for.
    """
    material = gather(job, validated)
    with job.tracker.step(job.parent, "evaluate", key) as run, results_of(job.workspace, "evaluate", key) as folder:
        loaded = {role: read_model(made, job.workspace) for role, made in models.items()}
        networks = {role: score_network(material, model) for role, model in loaded.items()}
        choice = read_choice(chosen, job)
        results: dict[str, Any] = {role: _measure(material, scored) for role, scored in networks.items()}
        for role, model in loaded.items():
            stored = models[role].path(job.workspace) / MODEL
            results[role] |= asdict(measure_cost(model, stored, job.params.evaluate.latency_runs))
        results["student"] = {**results[choice.kept], "kept": choice.kept}
        results["choice"] = asdict(choice)
        reference = load_scores(forests.path(job.workspace) / SCORES)
        results["forest"] = {rung: _measure(material, scored) for rung, scored in reference.items()}
        draws, seed = job.params.evaluate.bootstrap, job.params.seed
        trio = (networks["teacher"], networks["control"], networks["distilled"])
        results["comparison"] = compare(*trio, draws=draws, seed=seed)
        save_scores(folder / SCORES, {**networks, "student": networks[choice.kept]})
        (folder / METRICS).write_text(json.dumps(results, indent=1))
        run.metrics(results)
        run.inputs(job.hashes)
        run.files([folder / METRICS])
    return refer(job.workspace, "evaluate", key, run.run_id)


def _measure(material: Material, scored: Scored) -> dict[str, Any]:
    chosen, names = material.params.evaluate, material.census.class_names
    return measure(scored, names, bins=chosen.bins, draws=chosen.bootstrap, seed=material.params.seed)


def read_metrics(folder: Path) -> dict[str, Any]:
    """The metrics of every model, and the comparison, that the step wrote."""
    stored: dict[str, Any] = json.loads((folder / METRICS).read_text())
    return stored
