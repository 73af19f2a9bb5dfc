"""Step `report`: gather what the other steps wrote and render one offline page."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from outcrop.field import charts, pictures
from outcrop.field.quicklooks import draw_site
from outcrop.field.sheets import PAGE as LOOK
from outcrop.field.sheets import as_webp
from outcrop.learning.devices import device_kind
from outcrop.learning.evaluation import SceneMap, load_scores, scene_maps
from outcrop.params import load_params
from outcrop.record.formats import Picture
from outcrop.record.provenance import code_digest, package_versions
from outcrop.record.report import (
    Artefact,
    Change,
    Finding,
    Lineage,
    ModalityRow,
    ModelRow,
    Quotient,
    Report,
    SceneSummary,
    SiteSummary,
    Step,
    write_report,
)
from outcrop.record.verdicts import verdict
from outcrop.survey.census import Census, load_census
from outcrop.survey.ground import cell_size, crs_title
from outcrop.survey.sites import SPLITS, Raster, Scene, Site
from tasks.evaluate import read_metrics
from tasks.forest import SCORES
from tasks.jobs import Job
from tasks.learning import gather, model_digest, read_history, read_model_uri
from tasks.steps import Outcome, Reference, refer, results_of, step
from tasks.validate import read_verdict

SECTIONS = ("footprint", "evaluate")
PAGE = "report.html"
#: Most bytes of a site's quicklook; up to so many scenes of a site, each raster is shown by itself as well.
QUICKLOOK_BYTES, LARGE_SCENES = 380_000, 3
#: Notes of one raster or scene, at most; all of them stand in the site's manifests.
REMARKS = 8
#: The results table: role, name, what the model sees and was taught by. Assistants come between.
ABOVE = (("teacher", "teacher", "all sensors, labels"), ("forest/all", "forest", "all sensors, labels"))
BELOW = (
    ("distilled", "student", "distilled"),
    ("control", "control", "the student's network on labels alone"),
    ("forest/student", "forest", "the student's sensors, labels"),
)
#: What is said of the one that is registered as the student.
KEPT = "; kept, for it is no worse on the validation blocks"


@step("report")
def report(job: Job, key: str, steps: Mapping[str, Outcome], models: Mapping[str, Reference]) -> dict[str, str]:
    """Render the report of a run, whose ``models`` are registered."""
    with job.tracker.step(job.parent, "report", key) as run, results_of(job.workspace, "report", key) as folder:
        write_report(_assemble(job, steps, models), folder / PAGE)
        run.files([folder / PAGE])
    return refer(job.workspace, "report", key, run.run_id)


def _assemble(job: Job, steps: Mapping[str, Outcome], models: Mapping[str, Reference]) -> Report:
    at = {name: outcome.reference.path(job.workspace) for name, outcome in steps.items()}
    metrics, judged = read_metrics(at["evaluate"]), read_verdict(at["validate"])
    census = load_census(at["validate"])
    histories = {
        title: read_history(outcome.reference, job.workspace)
        for title, outcome in steps.items()
        if outcome.reference.step in ("teacher", "control", "distil")
    }
    comparison = metrics["comparison"]
    rows = _model_rows(metrics, census.class_names)
    student = load_scores(at["evaluate"] / SCORES)["student"]
    maps = scene_maps(gather(job, steps["validate"].reference), student)
    return Report(
        title=job.survey.title or job.survey.survey,
        verdict=verdict(metrics),
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        models=rows,
        retention=Quotient(comparison["retention"], comparison["interval"]["retention"]),
        gap_recovered=Quotient(
            comparison["gap_recovered"],
            comparison["interval"]["gap_recovered"],
            "" if comparison["gap_recovered"] is not None else "the interval of teacher less control holds 0",
        ),
        gain=Quotient(comparison["gain"], comparison["interval"]["gain"]),
        sites=tuple(_site(job, index, site, census) for index, site in enumerate(job.sites)),
        findings=tuple(Finding(f.severity, f.check, f.where, f.sentence) for f in judged.findings),
        checks_passed=judged.passed,
        curves=(Picture(charts.learning_curves(histories), "Loss and validation macro-F1 by epoch"),),
        correctness=tuple(_correctness(job, scene) for scene in maps),
        lineage=_lineage(job, steps, models),
        scores=Picture(_scores(rows), "Macro-F1 of every model with its 95 % interval"),
    )


def _model_rows(metrics: Mapping[str, Any], classes: Sequence[str]) -> tuple[ModelRow, ...]:
    rows = []
    assistants = [(title, *title.split(" ", 1)) for title in metrics if title.startswith("assistant ")]
    for role, name, sees in (*ABOVE, *assistants, *BELOW):
        part, _, rung = role.partition("/")
        found = metrics[part][rung] if rung else metrics[part]
        kept = role == metrics["student"]["kept"]
        inputs = sees + KEPT if kept else sees
        matrix = charts.confusion_picture(np.array(found["confusion"]), classes)
        alt = f"Confusion matrix of the {name} ({inputs})"
        rows.append(ModelRow(name, inputs, found, subject=kept, confusion=Picture(matrix, alt)))
    return tuple(rows)


def _scores(rows: Sequence[ModelRow]) -> bytes:
    return charts.macro_f1_picture(
        [(f"{row.name}: {row.inputs}", row.metrics["macro_f1"], *row.metrics["interval"]["macro_f1"]) for row in rows]
    )


def _site(job: Job, index: int, site: Site, census: Census) -> SiteSummary:
    cells: dict[str, dict[str, int]] = {name: {} for name in census.class_names}
    for split, value in SPLITS.items():
        chosen = [i for i, block in enumerate(census.blocks) if block.site == index and block.split == value]
        for name, count in zip(census.class_names, census.counts[chosen].sum(axis=0), strict=True):
            cells[name][split] = int(count)
    rasters = {name: raster for scene in reversed(site.scenes) for name, raster in scene.rasters.items()}
    return SiteSummary(
        name=site.name,
        digest=job.hashes[site.name],
        scenes=tuple(_scene(site, scene) for scene in site.scenes),
        modalities=tuple(_modality(site, raster) for raster in rasters.values()),
        cells=cells,
        quicklook=_quicklook(site),
    )


def _quicklook(site: Site) -> Picture:
    drawn = draw_site(site, look=LOOK)
    alt = f"Every modality, the labels and the split of {site.name}, {len(drawn.scenes)} of {drawn.total} scenes"
    return Picture(as_webp(drawn.image, QUICKLOOK_BYTES), alt)


def _modality(site: Site, first: Raster) -> ModalityRow:
    rasters = [scene.rasters[first.modality] for scene in site.scenes if first.modality in scene.rasters]
    notes = dict.fromkeys(note for raster in rasters for note in raster.notes)
    remarks = ("the wavelengths are approximate", *notes) if first.approximate else tuple(notes)
    nesting = first.nesting
    return ModalityRow(
        first.modality,
        len(first.bands),
        first.unit,
        nesting.fine,
        nesting.coarse,
        first.derived_from,
        remarks[:REMARKS],
    )


def _scene(site: Site, scene: Scene) -> SceneSummary:
    looks = []
    if len(site.scenes) <= LARGE_SCENES:
        looks = [
            Picture(pictures.quicklook(raster), f"{name} of {site.name}/{scene.id}", name)
            for name, raster in scene.rasters.items()
        ]
        looks.append(Picture(pictures.label_map(scene, site.classes), f"Labels of {site.name}/{scene.id}", "labels"))
        looks.append(Picture(pictures.split_map(scene), f"Splits of {site.name}/{scene.id}", "split"))
    grid, size = scene.grid, cell_size(scene.grid)
    return SceneSummary(
        scene.id,
        grid.height,
        grid.width,
        str(size or ""),
        grid.crs and crs_title(grid.crs),
        tuple(looks),
        scene.notes[:REMARKS],
    )


def _correctness(job: Job, scene: SceneMap) -> Picture:
    picture = pictures.correctness_map(scene.predicted, scene.labels, job.sites[0].classes)
    name = f"{scene.site}/{scene.scene}"
    return Picture(picture, f"Right and wrong test cells of {name}", name)


def _lineage(job: Job, steps: Mapping[str, Outcome], models: Mapping[str, Reference]) -> Lineage:
    defaults = load_params(job.workspace.params).dump()
    return Lineage(
        run_id=job.parent,
        commit=job.commit.sha or "not a git checkout",
        dirty=job.commit.dirty,
        flow_key=job.flow_key,
        source_digest=code_digest("tasks.report"),
        seed=job.params.seed,
        device=device_kind(),
        packages=package_versions(),
        steps=tuple(Step(name, done.reference.key, done.reference.run_id, done.cached) for name, done in steps.items()),
        models=tuple(_artefact(job, role, found) for role, found in models.items()),
        changes=tuple(_changes("", defaults, job.params.dump())),
        parameters=job.params.dump(),
    )


def _artefact(job: Job, role: str, made: Reference) -> Artefact:
    digest = model_digest(made, job.workspace)
    return Artefact(f"{job.survey.survey}-{role}", read_model_uri(made, job.workspace), digest)


def _changes(prefix: str, defaults: Mapping[str, Any], values: Mapping[str, Any]) -> list[Change]:
    """Parameters that differ from their default, by dotted name."""
    found = []
    for name, value in values.items():
        default = defaults.get(name)
        if isinstance(value, Mapping) and isinstance(default, Mapping):
            found += _changes(f"{prefix}{name}.", default, value)
        elif value != default:
            found.append(Change(prefix + name, json.loads(json.dumps(default)), value))
    return found
