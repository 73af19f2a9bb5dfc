"""Step `adapt`: climb the ladder with a new site's labels; keep the model and how it was chosen."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from outcrop.learning.adaptation.adapted import Adapted, adapt_to, adapted_model
from outcrop.learning.adaptation.evidence import Evidence, gather_evidence
from outcrop.learning.adaptation.supports import Usable, sees, support_of, usable_labels
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.survey.field_labels import FieldLabels, read_field_labels
from outcrop.survey.sites import Site
from tasks.jobs import Job
from tasks.learning import MODEL, MODEL_URI, gather
from tasks.progress import Progress
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches", "onboard")
FACTS = "adaptation.json"


@dataclass(frozen=True)
class Newcomer:
    """A new site and what it is onboarded with.

    Parameters
    ----------
    labels : the file of labelled points
    model : the student's URI in the registry
    student, teacher : folders of models, and their digests; the teacher's is None where the survey has none
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
    sources: tuple[Site, ...]


@dataclass(frozen=True)
class Opened:
    """A newcomer's materials, models, labels and evidence: what both steps begin with."""

    site: Material
    sources: Material
    student: Model
    teacher: Model | None
    evidence: Evidence
    held_out: bool


def open_newcomer(job: Job, newcomer: Newcomer, validated: Reference, known: Reference) -> Opened:
    """Look at the site through the models.

    Parameters
    ----------
    job : about the new site alone
    validated, known : censuses of the site and of the sources
    """
    site, sources = gather(job, validated), gather(_about(job, newcomer.sources), known)
    student = load_model(newcomer.student)
    teacher = load_model(newcomer.teacher) if newcomer.teacher else None
    teacher = teacher if teacher is not None and sees(teacher, site.sites[0]) else None
    evidence = gather_evidence(site, sources, student, teacher, job.params.seed)
    return Opened(site, sources, student, teacher, evidence, has_reference(site))


def _about(job: Job, sites: tuple[Site, ...]) -> Job:
    return Job(**{**vars(job), "sites": sites})


def has_reference(site: Material) -> bool:
    """Whether the site's own labels are a map that a model can be measured on."""
    return int(site.census.support("test").sum()) >= site.params.onboard.reference_cells


def read_usable(job: Job, newcomer: Newcomer, student: Model, held_out: bool) -> Usable:
    """The labels that may be learnt from."""
    (site,) = job.sites
    found = read_field_labels(newcomer.labels, site, job.survey, allow_new_classes=newcomer.allow_new_classes)
    return usable_labels(found, site, student, held_out)


@step("adapt")
def adapt(job: Job, key: str, newcomer: Newcomer, validated: Reference, known: Reference) -> dict[str, str]:
    """Adapt the student of ``newcomer`` to its site."""
    with job.tracker.step(job.parent, "adapt", key, f"adapt {newcomer.site}") as run:
        with results_of(job.workspace, "adapt", key) as folder:
            with Progress(f"Adapting to {newcomer.site}", 3) as progress:
                opened = open_newcomer(job, newcomer, validated, known)
                progress.advance(note="the site is seen")
                usable = read_usable(job, newcomer, opened.student, opened.held_out)
                (site,) = job.sites
                support = support_of(usable, site, opened.evidence, opened.teacher, opened.site.fabric.device)
                progress.advance(note="the labels are read")
                names = usable.labels.names
                adapted = adapt_to(opened.evidence, support, job.params.onboard, len(names), job.params.seed)
                progress.advance(note=adapted.way)
            model = adapted_model(adapted, opened.evidence, opened.student, names)
            save_model(model, folder / MODEL)
            facts = _facts(opened, usable.labels, adapted, model)
            (folder / FACTS).write_text(json.dumps(facts, indent=1))
            run.params({"site": newcomer.site, "labels": len(support), "way": adapted.way})
            run.params({"onboard": job.params.dump()["onboard"], "seed": job.params.seed})
            run.metrics({"accuracy": facts["accuracy"], "loo": {s["name"]: s["nll"] for s in facts["ladder"]}})
            run.inputs(job.hashes)
            run.files([folder / FACTS])
            (folder / MODEL_URI).write_text(run.model(folder / MODEL, model.config.role, model.config))
    return refer(job.workspace, "adapt", key, run.run_id)


def _facts(opened: Opened, labels: FieldLabels, adapted: Adapted, model: Model) -> dict[str, Any]:
    known = opened.student.config.classes
    return {
        "way": adapted.way,
        "base": adapted.base,
        "changed": adapted.changed,
        "labels": len(labels),
        "per_class": {name: int((labels.classes == place).sum()) for place, name in enumerate(labels.names)},
        "new_classes": list(labels.names[len(known) :]),
        "absent_classes": [name for place, name in enumerate(known) if not (labels.classes == place).any()],
        "notes": list(labels.notes),
        "held_out": opened.held_out,
        "teacher": opened.teacher is not None,
        "unlabelled": len(opened.evidence.places),
        "ladder": [asdict(entry) for entry in adapted.choice.steps],
        "accuracy": asdict(adapted.accuracy),
        "classes": list(model.config.classes),
    }


def read_adaptation(reference: Reference, job: Job) -> dict[str, Any]:
    """What the step found."""
    facts: dict[str, Any] = json.loads((reference.path(job.workspace) / FACTS).read_text())
    return facts
