"""Teach heads for properties of the ground on a site whose truth is known, say what they are worth, and map them."""

import json
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from outcrop.errors import ModelError
from outcrop.field.carbon.estimates import SCREENING
from outcrop.field.sensed import write_sensed
from outcrop.learning.adaptation.supports import check_model
from outcrop.learning.heads import CONTROL, NETWORKS, STUDENT, TEACHER, Taught, Ways, teach_properties
from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model
from outcrop.learning.properties import PROPERTIES, require_truth
from outcrop.learning.regression import NOT_SUPPORTED
from outcrop.record.digests import digest_bytes
from outcrop.record.drafts import write_whole
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from tasks.models import Found, Known, find_model, find_teacher, know_model
from tasks.progress import Progress
from tasks.records import keep
from tasks.workspace import Workspace

TABLE, RASTER = "properties.json", "properties.tif"


@dataclass(frozen=True)
class Asked:
    """Which site, by which student and teacher (None: the survey's newest), and how."""

    site: str
    student: str
    ways: Ways
    teacher: str | None = None


def regress(workspace: Workspace, asked: Asked, output: Path) -> dict[str, Any]:
    """Teach the heads, score them on test blocks, and map the site's newest scene; gives what was found.

    Parameters
    ----------
    output : folder for the table and the map

    Raises
    ------
    OutcropError : a model or the site cannot be used; nothing is written then.
    """
    student = know_model(workspace, asked.student, [asked.site])
    (site,) = student.sites
    for each in PROPERTIES:
        require_truth(site, each)
    found, teacher = _teacher(workspace, asked, student)
    models = {TEACHER: teacher, STUDENT: student.model, CONTROL: student.model}
    with tempfile.TemporaryDirectory(dir=workspace.state) as scratch:
        work = Path(scratch)
        census = take_census([site], student.model.config.footprint, declared_ranges(student.survey), work / "census")
        material = Material.gather(student.survey.survey, [site], census, student.params, work)
        with Progress(f"Teaching: {site.name}", len(NETWORKS) + len(PROPERTIES)) as bar:
            taught = teach_properties(material, models, asked.ways, tell=lambda done: bar.advance(note=done))
    told = {
        "screening": SCREENING,
        "site": site.name,
        "student": student.found.uri or student.found.name,
        "teacher": found.uri or found.name,
        "ways": asdict(asked.ways),
        "properties": [as_told(each) for each in taught],
    }
    table = write_whole(output / TABLE, json.dumps(told, indent=1, allow_nan=False) + "\n", "table")
    raster = _map(student.model, taught, student, output)
    record = _record(workspace, student, told, table)
    return {**told, "table": str(table), "map": raster, "record": record}


def _teacher(workspace: Workspace, asked: Asked, student: Known) -> tuple[Found, Model]:
    (site,) = student.sites
    survey = student.survey.survey
    found = find_model(workspace, asked.teacher) if asked.teacher else find_teacher(workspace, survey)
    if found is None:
        raise ModelError("no teacher of the survey is registered", where=survey, remedy="run `outcrop retrain`")
    teacher = load_model(found.folder)
    for model in (teacher, student.model):
        check_model(model, site)
    return found, teacher


def as_told(taught: Taught) -> dict[str, Any]:
    """What was found of a property, as JSON."""
    of, found = taught.of, taught.appraisal
    said = {"property": of.name, "title": of.title, "cue": of.cue, "unit": of.unit}
    return {**said, "verdict": found.comparison.verdict, "radius": dict(taught.heads.radius), **asdict(found)}


def _map(student: Model, taught: list[Taught], known: Known, output: Path) -> str | None:
    """Map what is supported; None where nothing is."""
    scenes = known.sites[0].scenes
    supported = [each for each in taught if each.appraisal.comparison.verdict != NOT_SUPPORTED]
    if not supported:
        return None
    grid = scenes[-1].grid
    with Progress(f"Mapping: {scenes[-1].id}", grid.height * grid.width) as bar:
        write_sensed(student, supported, scenes[-1], scenes[0], output / RASTER, bar.advance)
    return str(output / RASTER)


def _record(workspace: Workspace, student: Known, told: Mapping[str, Any], table: Path) -> str:
    facts = {name: told[name] for name in ("screening", "site", "student", "teacher")}
    facts["verdicts"] = {each["property"]: each["verdict"] for each in told["properties"]}
    inputs = {STUDENT: student.found.record} if student.found.record else {}
    subject, survey = digest_bytes(table.read_bytes()), student.survey.survey
    return keep(
        workspace, survey, "regression", told["site"], subject, inputs=inputs, evidence={table.name: table}, facts=facts
    )


def regress_table(made: Mapping[str, Any]) -> Table:
    """The heads as a table for the terminal: R2 on test blocks, and the student's interval."""
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=f"{made['site']}: R2 on test blocks")
    for head in ("property", "seen by", *NETWORKS, "interval", "holds", ""):
        table.add_column(head, justify="left" if head in ("property", "seen by", "") else "right", no_wrap=True)
    for each in made["properties"]:
        held = each["held"][STUDENT]
        table.add_row(
            each["title"],
            each["cue"],
            *(f"{each['comparison'][name]['value']:.2f}" for name in NETWORKS),
            f"+- {each['radius'][STUDENT]:.2g} {each['unit']}",
            f"{held['coverage']['value']:.0%}",
            each["verdict"],
        )
    return table
