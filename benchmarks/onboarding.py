"""Measure what few labels buy at new sites, and write docs/onboarding.md.

Every study is kept in the workspace's state folder, so that the command resumes; the document is written from those
that there are. NEON and Mars need OUTCROP_REAL_DATA.

    python -m benchmarks.onboarding [--only STUDY ...] [--draws 50] [--render-only]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.documents import fill, machine
from benchmarks.new_classes import study_new_classes
from benchmarks.newcomers import STUDIES, Newcomer, Stage
from benchmarks.onboarding_speed import measure_speed
from outcrop.errors import OutcropError
from outcrop.learning.adaptation.adapted import adapt_to
from outcrop.learning.adaptation.curves import Trial, draw_labels, headline, look_at_cells, run_trials
from outcrop.learning.adaptation.evidence import SOURCE, gather_evidence, look_at
from outcrop.learning.adaptation.heads import fit_logistic
from outcrop.learning.evaluation import cells_to_score, score_network
from outcrop.learning.metrics import Scored
from outcrop.record.formats import plain
from outcrop.record.provenance import read_commit
from tasks.workspace import Workspace, find_workspace

HERE = Path(__file__).parent
#: The number of labels that the targets are about.
LABELS = 20
TITLES = {
    "oman": ("Simulated Oman", "From three simulated sites to one with other rocks, other light and another soil."),
    "jezero": ("Simulated Jezero", "The same, to a site without vegetation, under another sky."),
    "neon-osbs": ("NEON, MLBS to OSBS", "Tree groups; mountain forest in Virginia to sandhills in Florida."),
    "neon-mlbs": ("NEON, OSBS to MLBS", "And back."),
    "mars-south": ("Mars, west to south", "Landslides in Valles Marineris; the south is split into blocks for this."),
}
Result = dict[str, Any]


def main() -> None:
    """Measure what is missing, and write the document."""
    asked, workspace = _arguments(), find_workspace(HERE)
    store = workspace.state / "onboarding"
    try:
        for newcomer in () if asked.render_only else STUDIES:
            path = store / newcomer.name / "study.json"
            if newcomer.name in (asked.only or TITLES) and not path.is_file():
                print(f"measuring {newcomer.name} ...", file=sys.stderr, flush=True)
                found = study(newcomer, workspace, asked.draws)
                path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    except OutcropError as error:
        sys.exit(str(error))
    path = store / "new_classes.json"
    if not asked.render_only and "new-classes" in (asked.only or ["new-classes"]) and not path.is_file():
        print("measuring new classes ...", file=sys.stderr, flush=True)
        path.write_text(json.dumps(study_new_classes(workspace, asked.draws), indent=1), encoding="utf-8")
    path = store / "speed.json"
    if not asked.render_only and "speed" in (asked.only or ["speed"]) and not path.is_file():
        print("measuring speed ...", file=sys.stderr, flush=True)
        path.write_text(json.dumps(measure_speed(workspace), indent=1), encoding="utf-8")
    print(write(workspace, asked.output or workspace.root / "docs"))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.onboarding", description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=[*TITLES, "new-classes", "speed"], help="measure these studies")
    parser.add_argument("--draws", type=int, default=50, help="draws of labels behind every figure")
    parser.add_argument("--render-only", action="store_true", help="write the document from what is kept")
    parser.add_argument("--output", type=Path, help="folder of the document; default: docs")
    return parser.parse_args()


def study(newcomer: Newcomer, workspace: Workspace, draws: int) -> Result:
    """Onboard a site again and again with labels drawn from it."""
    stage = Stage(newcomer, workspace, {"draws": draws})
    site, sources, student, teacher = stage.site, stage.sources, stage.student, stage.teacher
    params, seed = site.params.onboard, site.params.seed
    evidence = gather_evidence(site, sources, student, teacher, seed)
    reference = look_at_cells(site, cells_to_score(site), student, evidence)
    drawn = draw_labels(site, student, teacher, evidence, seed)
    base = evidence.bases[SOURCE].head
    trials = run_trials(evidence, drawn, reference, params, seed)
    return {
        "start": _named(headline(reference.scored(base, SOURCE))),
        "native": _named(headline(score_network(site, stage.native))),
        "trials": [vars(trial) for trial in trials],
        "home": _home(stage, drawn, evidence),
        "alone": _alone(drawn, evidence, reference, stage),
        "guide": _guide(drawn, evidence, stage),
        "test_cells": len(reference.labels),
        "test_blocks": len(np.unique(reference.blocks)),
        "draws": draws,
        "confidence": params.confidence,
        "commit": (read_commit(workspace.root).sha or "unknown")[:9],
    }


def _named(values: Sequence[float]) -> dict[str, float]:
    return {"macro_f1": values[0], "accuracy": values[1]}


def _home(stage: Stage, drawn: Any, evidence: Any) -> Result | None:
    """Macro-F1 on the test blocks of the source sites, before, and after every draw; None where they have none."""
    sources, params = stage.sources, stage.site.params
    if not sources.census.support("test").any():
        return None
    cells = look_at_cells(sources, cells_to_score(sources), stage.student, evidence)
    base, after = evidence.bases[SOURCE].head, []
    for draw, places in enumerate(drawn.draws):
        support = drawn.support.take(places[:LABELS])
        adapted = adapt_to(evidence, support, params.onboard, len(base.bias), params.seed + draw)
        after.append(headline(cells.scored(adapted.head, adapted.base))[0])
    return {"before": headline(cells.scored(base, SOURCE))[0], "after": after}


def _alone(drawn: Any, evidence: Any, reference: Any, stage: Stage) -> list[Result]:
    """The same draws of `LABELS` without the teacher."""
    params = stage.site.params.onboard.model_copy(update={"curve": (LABELS,)})
    without = replace(drawn, support=replace(drawn.support, teacher=None))
    return [vars(trial) for trial in run_trials(evidence, without, reference, params, stage.site.params.seed)]


def _guide(drawn: Any, evidence: Any, stage: Stage) -> list[dict[str, float]] | None:
    """What the teacher itself, with all sensors, makes of every draw; None where it cannot see the site."""
    if evidence.teacher is None:
        return None
    site, strength = stage.site, stage.site.params.onboard.teacher_strength
    seen = look_at(cells_to_score(site), site, stage.teacher, stage.teacher.network)
    found = []
    for places in drawn.draws:
        support = drawn.support.take(places[:LABELS])
        head = fit_logistic(support.teacher, support.classes, evidence.teacher, strength)
        said = head.probabilities(seen.features.astype(np.float64)).astype(np.float32)
        found.append(_named(headline(Scored(seen.labels, said, seen.blocks))))
    return found


def told(newcomer: Newcomer, found: Result) -> Result:
    """A study as the document tells it."""
    title, asked = TITLES[newcomer.name]
    trials = [Trial(**row) for row in found["trials"]]
    curve = [_point(labels, trials, found) for labels in sorted({trial.labels for trial in trials})]
    alone = [Trial(**row) for row in found["alone"]]
    home = found["home"] and {"before": found["home"]["before"], "after": _band(found["home"]["after"])}
    return {
        **{name: found[name] for name in ("start", "native", "test_cells", "test_blocks", "draws", "commit")},
        "title": title,
        "asked": asked,
        "sources": newcomer.sources,
        "site": newcomer.site,
        "teacher": any("redistilled" in trial.way for trial in trials),
        "confidence": round(100 * found["confidence"]),
        "at": LABELS,
        "curve": curve,
        "home": home,
        "guide": _of_guide(found),
        "alone": {
            "macro_f1": _band([trial.macro_f1 for trial in alone]),
            "accuracy": _band([trial.overall_accuracy for trial in alone]),
        },
    }


def _of_guide(found: Result) -> Result | None:
    if found["guide"] is None:
        return None
    bands = {metric: _band([each[metric] for each in found["guide"]]) for metric in ("macro_f1", "accuracy")}
    return {**bands, "recovered": {metric: recovered(band[0], found, metric) for metric, band in bands.items()}}


def _point(labels: int, trials: Sequence[Trial], found: Result) -> Result:
    chosen = [trial for trial in trials if trial.labels == labels]
    f1, accuracy = ([getattr(trial, name) for trial in chosen] for name in ("macro_f1", "overall_accuracy"))
    return {
        "labels": labels,
        "macro_f1": _band(f1),
        "accuracy": _band(accuracy),
        "recovered_f1": recovered(float(np.median(f1)), found, "macro_f1"),
        "recovered_accuracy": recovered(float(np.median(accuracy)), found, "accuracy"),
        "changed": float(np.mean([trial.way != "none" for trial in chosen])),
        "covered": float(np.mean([trial.covered for trial in chosen])),
        "width": float(np.mean([trial.high - trial.low for trial in chosen])),
    }


def fresh_told(found: Result) -> Result:
    """The study of new classes as the document tells it."""
    return {**found, "macro_f1": _band(found["macro_f1"]), "accuracy": _band(found["accuracy"])}


def recovered(value: float, found: Result, metric: str) -> float | None:
    """Share of the gap between the unadapted student and one trained on all labels; None where there is no gap."""
    start, native = found["start"][metric], found["native"][metric]
    return (value - start) / (native - start) if native > start else None


def _band(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = np.percentile(values, [5, 50, 95])
    return float(middle), float(low), float(high)


def targets(studies: Mapping[str, Result]) -> list[tuple[str, str, str, str]]:
    """What was asked for, found, and whether it is met, of the studies that there are."""
    rows = []
    for name in ("oman", "jezero"):
        if name not in studies:
            continue
        found = studies[name]
        point = next(row for row in found["curve"] if row["labels"] == LABELS)
        for metric, share in (("macro-F1", point["recovered_f1"]), ("accuracy", point["recovered_accuracy"])):
            shown = "no gap" if share is None else f"{share:.0%}"
            rows.append((f"{name}: gap recovered in {metric}, median", shown, ">= 60 %", _met((share or 0) >= 0.6)))
        for metric in ("macro_f1", "accuracy"):
            low, start = point[metric][1], found["start"][metric]
            what = f"{name}: 5th percentile of {metric.replace('_', '-')}"
            rows.append((what, f"{low:.3f}", f">= unadapted, {start:.3f}", _met(low >= start - 5e-4)))
    for name, found in studies.items():
        if found["home"]:
            drop = found["home"]["before"] - found["home"]["after"][0]
            rows.append(
                (f"{name}: source macro-F1 lost, median", f"{100 * drop:.1f} points", "<= 2", _met(drop <= 0.02))
            )
    points = [row for found in studies.values() for row in found["curve"] if row["labels"] == LABELS]
    draws = sum(found["draws"] for found in studies.values())
    covered = sum(row["covered"] * found["draws"] for row, found in zip(points, studies.values(), strict=True)) / draws
    what = f"coverage of the stated interval, {draws} draws of {LABELS} labels at {len(studies)} sites"
    rows.append((what, f"{covered:.0%}", ">= 87 % in >= 200 draws", _met(covered >= 0.87 and draws >= 200)))
    return rows


def _in_time(speed: Result | None) -> list[tuple[str, str, str, str]]:
    if speed is None:
        return []
    what = f"a site of {speed['size']} x {speed['size']} cells, {speed['labels']} labels, {speed['draws']} draws"
    return [(what, f"{speed['seconds']:.0f} s", "< 90 s", _met(speed["seconds"] < 90))]


def _kept(path: Path) -> Result | None:
    return json.loads(path.read_text()) if path.is_file() else None


def _met(met: bool) -> str:
    return "yes" if met else "NO"


def write(workspace: Workspace, output: Path) -> Path:
    """Write the document from what is kept."""
    store = workspace.state / "onboarding"
    studies = {
        each.name: told(each, json.loads((store / each.name / "study.json").read_text()))
        for each in STUDIES
        if (store / each.name / "study.json").is_file()
    }
    rehearsals = store / "rehearsals.json"
    fresh, speed = (_kept(store / f"{name}.json") for name in ("new_classes", "speed"))
    if not studies or not rehearsals.is_file():
        sys.exit("nothing to write yet: run `python -m benchmarks.rehearsals`, then this")
    filters = {
        "three": lambda value: f"{value:.3f}",
        "two": lambda value: f"{value:.2f}",
        "signed": lambda value: f"{value:+.3f}",
        "band": lambda values: "{:.3f} [{:.3f}, {:.3f}]".format(*values),
        "percent": lambda value: "no gap" if value is None else f"{value:.0%}".replace("%", " %"),
        "plain": plain,
    }
    text = fill(
        "onboarding.md.j2",
        filters,
        rehearsals=json.loads(rehearsals.read_text()),
        studies=list(studies.values()),
        targets=[*targets(studies), *_in_time(speed)],
        fresh=fresh and fresh_told(fresh),
        speed=speed,
        machine=machine(),
    )
    document = output / "onboarding.md"
    document.write_text(text, encoding="utf-8")
    return document


if __name__ == "__main__":
    main()
