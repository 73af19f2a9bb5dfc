"""Step `onboard`: the page of an onboarding; and its result as data and in sentences."""

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from outcrop.field.charts import confusion_picture
from outcrop.field.onboarding_pictures import Marks, before_after_picture, curve_picture
from outcrop.record.formats import Picture
from outcrop.record.onboarding import BandRow, Climb, Measured, Onboarding, Place, write_onboarding
from outcrop.record.provenance import code_digest
from tasks.adapt import NEXT, Newcomer, read_adaptation
from tasks.appraise import AFTER, BEFORE, points_of, read_appraisal, read_overview
from tasks.decide import read_decision
from tasks.jobs import Job
from tasks.steps import Outcome, Reference, refer, results_of, step

SECTIONS = ("onboard", "evaluate")
PAGE = "onboarding.html"
#: Of classes that the survey gives no colour.
NEW_COLOURS = ("#d62790", "#00a0a0", "#7a3db8", "#c8a000", "#0050c8", "#70b000")
CURVES = {"macro_f1": "macro-F1", "overall_accuracy": "overall accuracy"}
Facts = Mapping[str, Any]


@step("onboard")
def onboard(
    job: Job,
    key: str,
    newcomer: Newcomer,
    model: str | None,
    adapted: Reference,
    appraised: Reference,
    decided: Reference,
) -> dict[str, str]:
    """Render the page; ``model`` is what was registered, if anything was."""
    with (
        job.tracker.step(job.parent, "onboard", key, f"report {newcomer.site}") as run,
        results_of(job.workspace, "onboard", key) as folder,
    ):
        facts, measured, decision = _read(job, adapted, appraised, decided)
        pictures = _pictures(job, appraised, facts, measured)
        write_onboarding(_page(job, newcomer, model, facts, measured, decision, pictures), folder / PAGE)
        run.files([folder / PAGE])
    return refer(job.workspace, "onboard", key, run.run_id)


def _read(job: Job, adapted: Reference, appraised: Reference, decided: Reference) -> tuple[Facts, Facts, Facts]:
    return read_adaptation(adapted, job), read_appraisal(appraised, job), read_decision(decided, job)


def _pictures(job: Job, appraised: Reference, facts: Facts, measured: Facts) -> dict[str, Any]:
    here, seen, (site,) = measured["here"], read_overview(appraised, job), job.sites
    known = {entry.name: entry.colour for entry in site.classes}
    fresh = [name for name in facts["classes"] if name not in known]
    known |= {name: NEW_COLOURS[index % len(NEW_COLOURS)] for index, name in enumerate(fresh)}
    labelled = [place for place in facts["places"] if place[0] == seen.scene]
    proposed = [point for point in facts["next"] if point["scene"] == seen.scene]
    drawn = before_after_picture(
        {f"before: {BEFORE} model": seen.maps[BEFORE], f"after: {facts['way']}": seen.maps[AFTER]},
        facts["classes"],
        [known[name] for name in facts["classes"]],
        seen.stride,
        Marks([place[1] + 0.5 for place in labelled], [place[2] + 0.5 for place in labelled]),
        Marks(
            [point["row"] + 0.5 for point in proposed],
            [point["col"] + 0.5 for point in proposed],
            [str(point["rank"]) for point in proposed],
        ),
    )
    curve = None
    if measured["curve"]:
        points = {title: points_of(measured["curve"], metric) for metric, title in CURVES.items()}
        start = {title: here[BEFORE][metric] for metric, title in CURVES.items()}
        curve = Picture(
            curve_picture(points, start, facts["labels"]), "Macro-F1 and overall accuracy by the number of labels"
        )
    confusions = [
        Picture(
            confusion_picture(np.array(here[name]["confusion"]), list(here[name]["per_class"])),
            f"Confusion matrix of the {name} model on the test blocks of {site.name}",
            f"{name} model",
        )
        for name in (BEFORE, AFTER)
        if here
    ]
    alt = f"Site {site.name} as the source model and the adapted one map it, with labels and places to label next"
    return {"map": Picture(drawn, alt), "curve": curve, "confusions": confusions}


def _page(
    job: Job,
    newcomer: Newcomer,
    model: str | None,
    facts: Facts,
    measured: Facts,
    decision: Facts,
    pictures: Mapping[str, Any],
) -> Onboarding:
    first, *others = facts["ladder"]
    climbs = [Climb(first["name"], first["nll"], first["accuracy"], None, None, taken=not facts["changed"])]
    climbs += [Climb(**each) for each in others]
    more = f"Take {decision['more_labels']} more labels here." if decision["more_labels"] else ""
    return Onboarding(
        title=f"{job.survey.title or job.survey.survey}, {newcomer.site}",
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        outcome=decision["outcome"],
        verdict=f"{_sentence(decision['reason'])} {more}".strip(),
        remarks=remarks(facts),
        accuracy=decision["accuracy"],
        needed=decision["needed"],
        confidence=decision["confidence"],
        ladder=climbs,
        shift=_sentence(facts["shift"]["sentence"]).removesuffix("."),
        bands=[
            BandRow(each["band"], each["overall"], each["overall_p"], each["within"], each["within_p"])
            for each in facts["shift"]["bands"]
        ],
        here=_rows(measured["here"]),
        sources=_rows(measured["sources"]),
        places=[
            Place(
                each["rank"],
                each["x"],
                each["y"],
                f"{each['likeliest']} or {each['second']}",
                *(each[name] for name in ("uncertainty", "diversity", "reachability")),
            )
            for each in facts["next"]
        ],
        draws=job.params.onboard.draws,
        facts={
            "source model": newcomer.model,
            "its digest": newcomer.student_digest,
            "registered": model or "nothing",
            "site": job.hashes[newcomer.site],
            "run": job.parent,
            "commit": (job.commit.sha or "not a git checkout") + (", with changes" if job.commit.dirty else ""),
            "source digest": code_digest("tasks.onboard"),
            "seed": job.params.seed,
        },
        **pictures,
    )


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + "."


def _rows(measured: Facts | None) -> list[Measured]:
    rows = []
    for name, found in (measured or {}).items():
        ends = found.get("interval", {})
        values = (found["macro_f1"], ends.get("macro_f1"), found["overall_accuracy"], ends.get("overall_accuracy"))
        rows.append(Measured(name, *values))
    return rows


def remarks(facts: Facts) -> list[str]:
    """What a reader must know of the labels and the models, in sentences."""
    told = [_sentence(note) for note in facts["notes"]]
    if facts["new_classes"]:
        told.append(f"New to the model, with a head of their own: {', '.join(facts['new_classes'])}.")
    if facts["absent_classes"]:
        told.append(f"No label of {', '.join(facts['absent_classes'])}: what the model knows of them is the source's.")
    if not facts["teacher"]:
        told.append("The site lacks sensors that the teacher sees, or there is no teacher: it could not help.")
    if not facts["held_out"]:
        told.append("The site has no map to compare with: only its labels say how good the model is here.")
    return told


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
    """What `outcrop onboard` gives back; puts the page and the next points where a person finds them."""
    stem = f"{job.survey.survey}-{newcomer.site}-{job.parent[:8]}"
    page = job.workspace.state.parent / "reports" / f"{stem}.html"
    page.parent.mkdir(exist_ok=True)
    points = page.with_name(f"{stem}-next.geojson")
    shutil.copyfile(told.path(job.workspace) / PAGE, page)
    shutil.copyfile(adapted.path(job.workspace) / NEXT, points)
    facts, measured, decision = _read(job, adapted, appraised, decided)
    result = {
        "survey": job.survey.survey,
        "site": newcomer.site,
        "run_id": job.parent,
        "source": newcomer.model,
        "model": model,
        **decision,
        "adaptation": facts,
        "here": measured["here"],
        "sources": measured["sources"],
        "curve": {metric: points_of(measured["curve"], metric) for metric in CURVES},
        "next_points": str(points),
        "report": str(page),
        "cached": [name for name, outcome in done.items() if outcome.cached],
    }
    written = job.workspace.state / "work" / job.parent / "result.json"
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(json.dumps(result, indent=1))
    job.tracker.of(job.parent).files([written, page, points])
    return result


def ladder_table(result: Facts) -> Table:
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


def sentences(result: Facts) -> Sequence[str]:
    """The decision and what stands beside it, line by line."""
    lines = [*remarks(result["adaptation"]), _sentence(result["adaptation"]["shift"]["sentence"])]
    for title, measured in (("test blocks here", result["here"]), ("source sites", result["sources"])):
        if measured:
            before, after = measured[BEFORE], measured[AFTER]
            lines.append(
                f"{title}: macro-F1 {before['macro_f1']:.3f} -> {after['macro_f1']:.3f}, "
                f"accuracy {before['overall_accuracy']:.3f} -> {after['overall_accuracy']:.3f}"
            )
    lines.append(f"decision: {result['outcome']}: {result['reason']}")
    if result["more_labels"]:
        lines.append(f"take {result['more_labels']} more labels here")
    lines.append(f"model: {result['model'] or 'none registered; use ' + result['source']}")
    return [*lines, f"label next: {result['next_points']}", f"report: {result['report']}"]
