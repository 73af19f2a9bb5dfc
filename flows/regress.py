"""The command that tells what RGB can still see of the ground beside its class."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.options import HERE, Json, Where, open_workspace, show


def regress(
    site: Annotated[str, typer.Argument(help="Site under data/sites whose truth is known, with two dates or more.")],
    model: Annotated[str, typer.Option("--model", help="The student, as for `outcrop export`.")] = "simulated-student",
    teacher: Annotated[str | None, typer.Option(help="The teacher; default: the newest of the survey.")] = None,
    measured: Annotated[int, typer.Option(min=20, help="Cells whose truth the teacher's head learns.")] = 300,
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="Chance with which an interval holds a cell of a new block.")
    ] = 0.9,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for table and map; default: reports/regress.")
    ] = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Teach a student to estimate carbonation, composition change, reactive surface and soil pH from colours alone.

    Its heads learn from the teacher's, which learns a few measured cells; the control's learn those cells alone. Each
    estimate comes with an interval that is calibrated on blocks of its own, and with its R2 on others; below 0.3 it is
    not supported, and not mapped.

    **Examples**

        outcrop regress illinois

        outcrop regress illinois --model simulated-student@champion --confidence 0.8 -o maps/illinois
    """
    workspace = open_workspace(where)
    from outcrop.learning.heads import Ways
    from tasks.regress import Asked, regress_table
    from tasks.regress import regress as teach

    folder = (output or workspace.root / "reports" / "regress").resolve()
    made = teach(workspace, Asked(site, model, Ways(measured=measured, confidence=confidence), teacher), folder)
    show(made, as_json, regress_table, _lines)


def _lines(made: dict[str, Any]) -> Iterator[str]:
    yield made["screening"]
    yield f"table: {made['table']}"
    yield f"map: {made['map'] or 'none, for nothing is supported'}"
    yield f"record: {made['record']}"
