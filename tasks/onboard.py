"""Step `report` of an onboarding: the page; and the result as data and in sentences."""

import json
import shutil
from collections.abc import Mapping
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from tasks.adapt import Newcomer, read_adaptation
from tasks.appraise import points_of, read_appraisal
from tasks.decide import read_decision
from tasks.jobs import Job
from tasks.steps import Outcome, Reference, refer, results_of, step

SECTIONS = ("onboard", "evaluate")
PAGE = "onboarding.html"


@step("onboard")
def onboard(
    job: Job,
    key: str,
    newcomer: Newcomer,
    model: str | None,
    adapted: Reference,
    appraised: Reference,
    decided: Reference,
    validated: Reference,
    known: Reference,
) -> dict[str, str]:
    """Render the page of an onboarding."""
    with job.tracker.step(job.parent, "onboard", key, f"report {newcomer.site}") as run:
        with results_of(job.workspace, "onboard", key) as folder:
            (folder / PAGE).write_text("<!doctype html><title>onboarding</title>", encoding="utf-8")
            run.files([folder / PAGE])
    return refer(job.workspace, "onboard", key, run.run_id)


def summarise(
    job: Job,
    newcomer: Newcomer,
    told: Reference,
    model: str | None,
    done: Mapping[str, Outcome],
    adapted: Reference,
    appraised: Reference,
    decided: Reference,
) -> dict[str, Any]:
    """What `outcrop onboard` gives back; puts the page where a person finds it."""
    page = job.workspace.state.parent / "reports" / f"{job.survey.survey}-{newcomer.site}-{job.parent[:8]}.html"
    page.parent.mkdir(exist_ok=True)
    shutil.copyfile(told.path(job.workspace) / PAGE, page)
    facts, measured = read_adaptation(adapted, job), read_appraisal(appraised, job)
    result = {
        "survey": job.survey.survey,
        "site": newcomer.site,
        "run_id": job.parent,
        "source": newcomer.model,
        "model": model,
        **read_decision(decided, job),
        "adaptation": facts,
        "here": measured["here"],
        "forgetting": measured["forgetting"],
        "curve": {metric: points_of(measured["curve"], metric) for metric in ("macro_f1", "overall_accuracy")},
        "report": str(page),
        "cached": [name for name, outcome in done.items() if outcome.cached],
    }
    written = job.workspace.state / "work" / job.parent / "result.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(result, indent=1))
    job.tracker.of(job.parent).files([written, page])
    return result


def ladder_table(result: Mapping[str, Any]) -> Table:
    """The rungs and how they did on labels that were left out."""
    table = Table(
        title=f"Site {result['site']}: {result['adaptation']['labels']} labels, each judged when it was left out",
        title_justify="left",
        box=SIMPLE_HEAD,
    )
    table.add_column("rung")
    for name in ("log-loss", "accuracy", "gain", "standard error"):
        table.add_column(name, justify="right")
    table.add_column("")
    for index, entry in enumerate(result["adaptation"]["ladder"]):
        numbers = [f"{entry['nll']:.3f}", f"{entry['accuracy']:.2f}"]
        numbers += [f"{entry['gain']:+.3f}", f"{entry['error']:.3f}"] if index else ["", ""]
        table.add_row(entry["name"], *numbers, "taken" if index and entry["taken"] else "")
    return table


def sentences(result: Mapping[str, Any]) -> list[str]:
    """The decision and what stands beside it, line by line."""
    lines = list(result["adaptation"]["notes"])
    if result["here"]:
        before, after = (result["here"][name] for name in ("source", "adapted"))
        lines.append(
            f"test blocks: macro-F1 {before['macro_f1']:.3f} -> {after['macro_f1']:.3f}, "
            f"accuracy {before['overall_accuracy']:.3f} -> {after['overall_accuracy']:.3f}"
        )
    lines.append(f"decision: {result['outcome']}: {result['reason']}")
    if result["more_labels"]:
        lines.append(f"take {result['more_labels']} more labels here")
    lines.append(f"model: {result['model'] or 'none registered; use ' + result['source']}")
    return lines
