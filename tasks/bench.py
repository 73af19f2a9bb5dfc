"""Measure what a model costs in the field, beside its teacher, and log it."""

import json
import tempfile
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table

from outcrop.errors import ModelError
from outcrop.field.budget_charts import budget_picture
from outcrop.field.budgets import Budget, break_even, budget_of
from outcrop.field.burdens import Contender, measure_burden
from outcrop.field.energy import CORE_W
from outcrop.field.exported import read_export
from outcrop.field.profiles import ModelProfile
from outcrop.field.sensor_costs import declared_costs, rung_cost
from outcrop.record.drafts import drafted, write_whole
from tasks.export import export
from tasks.models import Known, know_model
from tasks.progress import Progress
from tasks.tracking import Tracker
from tasks.workspace import Workspace

#: Single cells whose latency is taken, and seconds for which tiles are computed.
RUNS, SECONDS = 200, 3.0
TABLE, PICTURE = "bench.json", "bench.png"


def bench(
    workspace: Workspace, name: str, output: Path, km2_per_hour: float, seconds: float = SECONDS
) -> dict[str, Any]:
    """Measure a student with torch and as an export, beside its survey's teacher; gives what was found.

    Parameters
    ----------
    output : folder for the table and the picture
    km2_per_hour : ground that the sensors cover
    seconds : for which each contender computes tiles

    Raises
    ------
    OutcropError : the model cannot be used.
    """
    student = know_model(workspace, name)
    teacher = _teacher(workspace, student)
    with tempfile.TemporaryDirectory(dir=workspace.state) as scratch:
        folder = Path(scratch) / "export"
        export(workspace, name, folder)
        contenders = [(student, Contender("student torch", student.found.folder, student.profile))]
        contenders += [
            (student, Contender(f"student {precision}", folder, student.profile, precision))
            for precision in read_export(folder).graphs
        ]
        if teacher is not None:
            contenders.insert(0, (teacher, Contender("teacher torch", teacher.found.folder, teacher.profile)))
        with Progress("Measuring", len(contenders)) as bar:
            budgets = []
            for known, contender in contenders:
                burden = measure_burden(contender, RUNS, seconds)
                cost = rung_cost([entry.name for entry in known.profile.inputs], declared_costs(known.survey))
                budgets.append(budget_of(burden, cost, _cell_metres(known.profile), km2_per_hour))
                bar.advance(note=contender.name)
    result = {
        "model": student.found.uri or student.found.name,
        "km2_per_hour": km2_per_hour,
        "cell_m": _cell_metres(student.profile),
        "core_w": CORE_W,
        "contenders": [budget.as_data() for budget in budgets],
        **_savings(student, budgets, teacher is not None),
    }
    write_whole(output / TABLE, json.dumps(result, indent=1), "table")
    with drafted(output / PICTURE, "picture") as draft:
        draft.write_bytes(budget_picture(budgets))
    tracker = Tracker.open(workspace, student.survey.survey)
    metrics = {_key(budget): budget.as_data() for budget in budgets}
    params = {"model": result["model"], "digest": student.found.digest, "km2_per_hour": km2_per_hour}
    run = tracker.aside(f"bench {student.found.name}", params, metrics, [output / TABLE, output / PICTURE])
    return {**result, "run_id": run, "table": str(output / TABLE), "picture": str(output / PICTURE)}


def _key(budget: Budget) -> str:
    return budget.burden.name.replace(" ", "_")


def _teacher(workspace: Workspace, student: Known) -> Known | None:
    """The teacher of the student's survey, if it is registered and the student is not that teacher."""
    try:
        return know_model(workspace, f"{student.survey.survey}-teacher")
    except ModelError:
        return None


def _cell_metres(profile: ModelProfile) -> float:
    """Side of a base cell on the ground.

    Raises
    ------
    ModelError : no training scene has a place on the ground.
    """
    for entry in profile.inputs:
        if entry.pixel_m is not None:
            return entry.pixel_m[0] * entry.fine / entry.coarse
    raise ModelError("how large a cell is on the ground is not known: no training scene has a CRS")


def _savings(student: Known, budgets: list[Budget], has_teacher: bool) -> dict[str, Any]:
    """What the cheapest student saves against the teacher on one square kilometre."""
    if not has_teacher:
        return {}
    teacher, *students = budgets
    best = min(students, key=lambda budget: budget.computing.joules)
    saved: dict[str, Any] = {
        "cheapest": best.burden.name,
        "faster": best.burden.cells_per_second / teacher.burden.cells_per_second,
        "computing_saved": 1 - best.computing.joules / teacher.computing.joules,
    }
    if teacher.whole and best.whole:
        saved["whole_saved"] = 1 - best.whole.joules / teacher.whole.joules
    if teacher.sensors_w and best.sensors_w:
        saved["sensor_power_saved"] = 1 - best.sensors_w / teacher.sensors_w
    training = student.found.metrics.get("training_seconds")
    if training is not None:
        saved["training_seconds"] = training
        saved["break_even_km2"] = break_even(best.computing, teacher.computing, training)
        if teacher.whole and best.whole:
            saved["break_even_km2_with_sensors"] = break_even(best.whole, teacher.whole, training)
    return saved


def bench_table(result: dict[str, Any]) -> Table:
    """The contenders as a table for the terminal."""
    how = result["contenders"][0]["cell"]["how"]
    title = f"{result['model']}: one thread; computing {how}, sensors over {result['km2_per_hour']:g} km²/h"
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), title=title)
    heads = ("", "load", "a cell", "95 %", "Mpixel/s", "memory", "computing", "sensors", "with them")
    units = ("", "s", "ms", "ms", "", "MB", "J/km²", "W", "kJ/km²")
    for head, unit in zip(heads, units, strict=True):
        table.add_column(f"{head}\n{unit}", justify="right" if head else "left", no_wrap=True)
    for row in result["contenders"]:
        whole = row["whole_j_per_km2"]
        table.add_row(
            row["name"],
            f"{row['load_seconds']:.1f}",
            f"{row['latency_ms_p50']:.2f}",
            f"{row['latency_ms_p95']:.2f}",
            f"{row['pixels_per_second'] / 1e6:.2f}",
            f"{row['peak_mb']:.0f}",
            f"{row['computing_j_per_km2']['joules']:.1f}",
            "-" if row["sensors_w"] is None else f"{row['sensors_w']:.1f}",
            "-" if whole is None else f"{whole['joules'] / 1e3:.1f}",
        )
    return table
