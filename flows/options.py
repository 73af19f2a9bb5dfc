"""Options that several commands share, and how a command opens its workspace and answers machines."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from tasks.workspace import Workspace, find_workspace

Survey = Annotated[Path | None, typer.Option("--survey", help="Survey file; default: the simulated survey.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Where = Annotated[Path, typer.Option("--workspace", help="The clone to work in; default: the one around this folder.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Parameter that differs this once; repeatable.")
]
HERE = Path()


def open_workspace(where: Path) -> Workspace:
    """The workspace around a folder, ready for commands that write."""
    workspace = find_workspace(where)
    workspace.prepare()
    return workspace


def show_json(result: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(result, allow_nan=False))
