"""The commands that take a model to the field: export it, map scenes with it, measure what it costs."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import HERE, Json, Where, open_workspace, show_json

Folder = Annotated[Path, typer.Option("-o", "--output", help="Folder to write; one that is there is replaced.")]


def export(
    model: Annotated[Path, typer.Argument(help="Model: a folder, a registered name, or name@alias.")],
    output: Folder,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Make of a model what travels: ONNX graphs that need neither torch nor a workspace.

    **Examples**

        outcrop export simulated-student -o exports/student
    """
    workspace = open_workspace(where)
    from tasks.export import export as export_model

    made = export_model(workspace, model, output.resolve())
    if as_json:
        show_json(made)
        return
    print(made["export"])


def map_command(
    model: Annotated[Path, typer.Argument(help="Export, or model.")],
    scene: Annotated[Path, typer.Argument(help="STAC item of a scene, or a GeoTIFF.")],
    output: Folder,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads; default: one a core.")] = None,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Also write every class's probability.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Map a scene.

    **Examples**

        outcrop map exports/student data/sites/oman/year-0/year-0.json -o maps/oman
    """
    from tasks.map import map_export

    made = map_export(model, scene, output.resolve(), threads=threads, probabilities=probabilities)
    if as_json:
        show_json(made)
        return
    print(made["map"])
