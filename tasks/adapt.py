"""Step `adapt`: climb the ladder with a new site's labels; keep the model, its choice, and where to label next."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from outcrop.field.waypoints import write_waypoints
from outcrop.learning.adaptation.adapted import Adapted, adapt_to, adapted_model, with_tuned
from outcrop.learning.adaptation.evidence import Evidence, Support, bands_of, gather_evidence
from outcrop.learning.adaptation.looks import features_of
from outcrop.learning.adaptation.next_points import NextPoint, rank_points
from outcrop.learning.adaptation.shift import band_names, compare_radiometry
from outcrop.learning.adaptation.supports import Usable, sees, support_of, usable_labels
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.survey.field_labels import read_field_labels
from outcrop.survey.reach import block_reachability, reachability_of
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey
from tasks.jobs import Job
from tasks.learning import MODEL, MODEL_URI, gather
from tasks.progress import Progress
from tasks.steps import Reference, refer, results_of, step
from tasks.tracking import StepRun

SECTIONS = ("footprint", "labels", "patches", "onboard")
FACTS, NEXT = "adaptation.json", "next.geojson"


@dataclass(frozen=True)
class Newcomer:
    """A new site and what it is onboarded with.

    Parameters
    ----------
    labels : the file of labelled points
    model : the student's URI in the registry
    student, teacher : folders of models, and their digests; the teacher's is None where the survey has none
    records : the models' records, by role
    sources : the sites that the models were trained on
    """

    site: str
    labels: Path
    allow_new_classes: bool
    model: str
    student: Path
    student_digest: str
    teacher: Path | None
    teacher_digest: str | None
    records: Mapping[str, str]
    sources: tuple[Site, ...]


@dataclass(frozen=True)
class Opened:
    """A newcomer's materials, models and evidence. ``held_out``: its test blocks are kept for measuring."""

    site: Material
    sources: Material
    student: Model
    teacher: Model | None
    evidence: Evidence
    held_out: bool

    @property
    def place(self) -> Site:
        """The new site."""
        return self.site.sites[0]


def open_newcomer(job: Job, newcomer: Newcomer, validated: Reference, known: Reference) -> Opened:
    """Look at the site through the models.

    Parameters
    ----------
    job : about the new site alone
    validated, known : censuses of the site and of the sources
    """
    site, sources = gather(job, validated), gather(replace(job, sites=newcomer.sources), known)
    teacher = load_model(newcomer.teacher) if newcomer.teacher else None
    return look(site, sources, load_model(newcomer.student), teacher)


def look(site: Material, sources: Material, student: Model, teacher: Model | None) -> Opened:
    """Look at a site through models that were trained on other sites."""
    if teacher is not None and not (sees(teacher, site.sites[0]) and teacher.config.classes == student.config.classes):
        teacher = None
    evidence = gather_evidence(site, sources, student, teacher, site.params.seed)
    return Opened(site, sources, student, teacher, evidence, has_reference(site))


def has_reference(site: Material) -> bool:
    """Whether the site's own labels are a map that a model can be measured on."""
    return int(site.census.support("test").sum()) >= site.params.onboard.reference_cells


def read_usable(opened: Opened, survey: Survey, labels: Path, *, allow_new_classes: bool) -> Usable:
    """The labels that may be learnt from, their classes counted as the student counts them."""
    found = read_field_labels(labels, opened.place, survey, allow_new_classes=allow_new_classes)
    return usable_labels(found.among(opened.student.config.classes), opened.place, opened.student, opened.held_out)


@dataclass(frozen=True)
class Fitted:
    """What the labels made of the student: how it was chosen, the model itself, and what is seen through it."""

    support: Support
    adapted: Adapted
    evidence: Evidence
    model: Model


def fit(opened: Opened, usable: Usable) -> Fitted:
    """Climb the ladder with the labels."""
    params, names = opened.site.params, usable.labels.names
    support = support_of(usable, opened.place, opened.evidence, opened.teacher, opened.site.fabric.device)
    adapted = adapt_to(opened.evidence, support, params.onboard, len(names), params.seed)
    evidence = with_tuned(opened.evidence, adapted.network, adapted.head)
    return Fitted(support, adapted, evidence, adapted_model(adapted, evidence, opened.student, names))


@step("adapt")
def adapt(job: Job, key: str, newcomer: Newcomer, validated: Reference, known: Reference) -> dict[str, str]:
    """Adapt the student of ``newcomer`` to its site."""
    with (
        job.tracker.step(job.parent, "adapt", key, f"adapt {newcomer.site}") as run,
        results_of(job.workspace, "adapt", key) as folder,
    ):
        with Progress(f"Adapting to {newcomer.site}", 3) as progress:
            opened = open_newcomer(job, newcomer, validated, known)
            progress.advance(note="the site is seen")
            usable = read_usable(opened, job.survey, newcomer.labels, allow_new_classes=newcomer.allow_new_classes)
            progress.advance(note="the labels are read")
            fitted = fit(opened, usable)
            progress.advance(note=fitted.adapted.way)
        adapted, model = fitted.adapted, fitted.model
        opened = replace(opened, evidence=fitted.evidence)
        save_model(model, folder / MODEL)
        points = _next_points(opened, fitted.support, adapted)
        facts = {**_facts(opened, usable, adapted), "next": _told(points, usable.labels.names, opened.place)}
        (folder / FACTS).write_text(json.dumps(facts, indent=1))
        write_waypoints(folder / NEXT, [_waypoint(point, usable.labels.names) for point in points], opened.place.scenes)
        _log(run, job, facts)
        run.files([folder / FACTS, folder / NEXT])
        (folder / MODEL_URI).write_text(run.model(folder / MODEL, model.config.role, model.config))
    return refer(job.workspace, "adapt", key, run.run_id)


def _log(run: StepRun, job: Job, facts: dict[str, Any]) -> None:
    run.params({name: facts[name] for name in ("way", "labels", "teacher", "held_out")})
    run.params({"onboard": job.params.dump()["onboard"], "seed": job.params.seed})
    run.metrics({"accuracy": facts["accuracy"], "left_out": {each["name"]: each["nll"] for each in facts["ladder"]}})
    run.tags({"shift": facts["shift"]["kind"]})
    run.inputs(job.hashes)


def _next_points(opened: Opened, support: Support, adapted: Adapted) -> list[NextPoint]:
    evidence, census = opened.evidence, opened.site.census
    features = evidence.unlabelled[adapted.base]
    return rank_points(
        adapted.head.probabilities(features),
        features,
        evidence.places,
        evidence.here.blocks,
        reachability_of(evidence.places, block_reachability(opened.place, census), census),
        _labelled(opened, support, adapted),
        opened.site.params.onboard.next_points,
    )


def _labelled(opened: Opened, support: Support, adapted: Adapted) -> Any:
    """Features of the labels, as the adapted model has them."""
    if adapted.network is not None:
        return features_of(adapted.network, dict(support.patches))
    return support.features[adapted.base]


def _waypoint(point: NextPoint, names: Sequence[str]) -> dict[str, Any]:
    values = asdict(point)
    return {**values, "likeliest": names[point.likeliest], "second": names[point.second]}


def _told(points: Sequence[NextPoint], names: Sequence[str], site: Site) -> list[dict[str, Any]]:
    """The points with their coordinates on the scene's grid."""
    rows = []
    for point in points:
        x, y = site.scenes[point.scene].grid.transform @ (point.col + 0.5, point.row + 0.5)
        rows.append({**_waypoint(point, names), "x": x, "y": y})
    return rows


def _facts(opened: Opened, usable: Usable, adapted: Adapted) -> dict[str, Any]:
    labels, inputs = usable.labels, opened.student.config.inputs
    shift = compare_radiometry(
        band_names({entry.modality: entry.bands for entry in inputs}),
        opened.evidence.here,
        opened.evidence.there,
        opened.evidence.known,
        bands_of(usable.patches),
        labels.classes,
    )
    known = opened.student.config.classes
    return {
        "way": adapted.way,
        "base": adapted.base,
        "changed": adapted.changed,
        "labels": len(labels),
        "per_class": {name: int((labels.classes == place).sum()) for place, name in enumerate(labels.names)},
        "new_classes": list(labels.names[len(known) :]),
        "absent_classes": [name for place, name in enumerate(known) if not (labels.classes == place).any()],
        "places": np.stack([labels.scenes, labels.rows, labels.cols], axis=1).tolist(),
        "notes": list(labels.notes),
        "held_out": opened.held_out,
        "teacher": opened.teacher is not None,
        "unlabelled": len(opened.evidence.places),
        "ladder": [asdict(entry) for entry in adapted.choice.steps],
        "accuracy": asdict(adapted.accuracy),
        "classes": list(labels.names),
        "shift": asdict(shift),
    }


def read_adaptation(reference: Reference, job: Job) -> dict[str, Any]:
    """What the step found."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / FACTS).read_text())
    return facts
