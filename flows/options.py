"""Options that several commands share, and how a command opens its workspace and answers machines."""

import json
from enum import StrEnum
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


class Runner(StrEnum):
    """Task runners of Prefect's."""

    threads = "threads"
    processes = "processes"
    dask = "dask"


ParamsFile = Annotated[
    Path | None, typer.Option("--params", help="Parameters that differ this once, as a file: what a search has found.")
]
HERE = Path()


def changed(file: Path | None, changes: list[str] | None) -> dict[str, Any]:
    """The parameters that a command changes: those of a file, and over them those of ``--set``."""
    from outcrop.errors import ParamsError
    from outcrop.params import parse_changes  # a fifth of a second that a map need not wait for
    from outcrop.settings import merge, read_yaml

    return merge(read_yaml(file, ParamsError) if file else {}, parse_changes(changes or []))


def open_workspace(where: Path) -> Workspace:
    """The workspace around a folder, ready for commands that write."""
    workspace = find_workspace(where)
    workspace.prepare()
    return workspace


def show_json(result: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(result, allow_nan=False))
