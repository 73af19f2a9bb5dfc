"""The result of a retraining: as data, as a table, as one sentence."""

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tasks.champions import Decision
from tasks.evaluate import read_metrics
from tasks.jobs import Job
from tasks.register import Registered
from tasks.report import PAGE
from tasks.steps import Outcome

ASSISTANT = "assistant "
#: What `outcrop retrain --json` gives of each model.
METRICS = (
    "macro_f1",
    "overall_accuracy",
    "average_accuracy",
    "kappa",
    "ece",
    "nll",
    "iou",
    "per_class",
    "interval",
    "latency_ms_p50",
    "parameters",
)


def summarise(
    job: Job, outcomes: Mapping[str, Outcome], models: Sequence[Registered], decision: Decision, seconds: float
) -> dict[str, Any]:
    """What `outcrop retrain` gives back, and its record in MLflow; puts the report where a person finds it."""
    metrics = read_metrics(outcomes["evaluate"].reference.path(job.workspace))
    page = job.workspace.state.parent / "reports" / f"{job.survey.survey}-{job.parent[:8]}.html"
    page.parent.mkdir(exist_ok=True)
    shutil.copyfile(outcomes["report"].reference.path(job.workspace) / PAGE, page)
    comparison = metrics["comparison"]
    result = {
        "survey": job.survey.survey,
        "run_id": job.parent,
        "sites": dict(job.hashes),
        **{role: _chosen(metrics[role]) for role in ("teacher", "control", "distilled", "student")},
        "assistants": {
            title.removeprefix(ASSISTANT): _chosen(values)
            for title, values in metrics.items()
            if title.startswith(ASSISTANT)
        },
        "kept": metrics["student"]["kept"],
        "forest": {rung: _chosen(values) for rung, values in metrics["forest"].items()},
        "retention": comparison["retention"],
        "gap_recovered": comparison["gap_recovered"],
        "gain": comparison["gain"],
        "interval": comparison["interval"],
        "models": {entry.role: entry.uri for entry in models},
        "promotion": asdict(decision),
        "report": str(page),
        "seconds": round(seconds, 2),
        "cached": [name for name, outcome in outcomes.items() if outcome.cached],
    }
    _record(job, result, page)
    return result


def _chosen(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: metrics.get(name) for name in METRICS}


def _record(job: Job, result: Mapping[str, Any], page: Path) -> None:
    """Headline numbers, result and report in the flow's MLflow run."""
    run = job.tracker.of(job.parent)
    headline = {role: {"macro_f1": result[role]["macro_f1"]} for role in ("teacher", "control", "distilled", "student")}
    run.metrics({**headline, "retention": result["retention"], "gain": result["gain"]})
    if "teacher" not in result["cached"]:
        run.metrics({"seconds": result["seconds"]})
    run.params({"seed": job.params.seed, "footprint": job.params.footprint})
    run.inputs(job.hashes)
    written = job.workspace.state / "work" / job.parent / "result.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(result, indent=1))
    run.files([written, page])


def results_table(result: Mapping[str, Any]) -> Table:
    """The results as a table for the terminal."""
    hurts = "the control is kept as the student: distillation hurts on the validation blocks"
    table = Table(
        title=f"Test blocks of survey {result['survey']}; ms: median latency of one patch",
        title_justify="left",
        caption=None if result["kept"] == "distilled" else hurts,
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("model", "macro-F1", "95 % interval", "accuracy", "ECE", "ms"):
        table.add_column(heading, justify="left" if heading == "model" else "right", no_wrap=heading != "model")
    rows = {
        "teacher, all sensors": result["teacher"],
        "forest, all sensors": result["forest"]["all"],
        **{f"assistant, {rung}": metrics for rung, metrics in result["assistants"].items()},
        "student, distilled": result["distilled"],
        "control, labels only": result["control"],
        "forest, same sensors": result["forest"]["student"],
    }
    for name, m in rows.items():
        latency = "" if m["latency_ms_p50"] is None else f"{m['latency_ms_p50']:.2f}"
        interval = "{:.3f} - {:.3f}".format(*m["interval"]["macro_f1"])
        table.add_row(
            name, f"{m['macro_f1']:.3f}", interval, f"{m['overall_accuracy']:.3f}", f"{m['ece']:.3f}", latency
        )
    return table


def sentences(result: Mapping[str, Any]) -> Iterator[str]:
    """What stands below the table, line by line."""
    if found := result["search"]:
        yield f"found by {found['found_by']}: {json.dumps(found['winner'])}"
    if result["cached"]:
        yield f"cached: {', '.join(result['cached'])}"
    yield f"models: {', '.join(result['models'].values())}"
    yield f"student: {result['promotion']['verdict']}; {result['promotion']['reason']}"
    yield f"report: {result['report']}"
