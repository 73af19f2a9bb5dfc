"""Options that several commands share, and how a command opens its workspace and answers machines."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tasks.workers import Runner
from tasks.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from rich.table import Table

Survey = Annotated[Path | None, typer.Option("--survey", help="Survey file; default: the simulated survey.")]
#: What a registered model may be called.
MODEL = "student@champion, student/3, simulated-student (its champion)"
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]
Where = Annotated[Path, typer.Option("--workspace", help="The clone to work in; default: the one around this folder.")]
Changes = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="Parameter that differs this once; repeatable.")
]


RunnerChoice = Annotated[
    Runner | None,
    typer.Option("--runner", help="What runs the workers; default: processes, or Dask where a cluster is named."),
]
WorkerCount = Annotated[
    int | None,
    typer.Option("--workers", min=1, help="Workers on this machine; default: one, with --runner one a core."),
]
Cluster = Annotated[
    str | None, typer.Option("--cluster", metavar="ADDRESS", help="Scheduler of a Dask cluster, as tcp://HOST:8786.")
]
ParamsFile = Annotated[
    Path | None, typer.Option("--params", help="Parameters that differ this once, as a file: what a search has found.")
]
HERE = Path()


class Given(NamedTuple):
    """What a command about a survey works on: the survey's file, and the parameters that differ this once, nested."""

    workspace: Workspace
    survey: Path
    overrides: dict[str, Any]


def given(where: Path, survey: Path | None, params: Path | None = None, changes: list[str] | None = None) -> Given:
    """The workspace around a folder, ready to be written to, and a survey; ``--set`` goes over ``--params``."""
    from outcrop.errors import ParamsError
    from outcrop.params import parse_changes  # a fifth of a second that a map need not wait for
    from outcrop.settings import merge, read_yaml

    workspace = open_workspace(where)
    from_file = read_yaml(params, ParamsError) if params else {}
    return Given(workspace, survey_file(workspace, survey), merge(from_file, parse_changes(changes or [])))


def survey_file(workspace: Workspace, survey: Path | None) -> Path:
    """The file of the survey that is named; the embedded one's if none is."""
    return (survey or workspace.default_survey).resolve()


def open_workspace(where: Path) -> Workspace:
    """The workspace around a folder, ready for commands that write."""
    from tasks.service import use_service

    workspace = find_workspace(where)
    workspace.prepare()
    use_service(workspace)
    return workspace


def show_json(result: dict[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(result, allow_nan=False), flush=True)


def show(
    result: dict[str, Any],
    as_json: bool,
    table: Callable[[dict[str, Any]], "Table"],
    lines: Callable[[dict[str, Any]], Iterable[str]],
) -> None:
    """A result on standard output, for machines or as a table with lines below it."""
    if as_json:
        show_json(result)
        return
    from rich.console import Console

    Console(markup=False).print(table(result))
    print(*lines(result), sep="\n")
