"""The commands about sites: list them, show one, say what one holds."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import HERE, Json, Where, open_workspace, show_json

app = typer.Typer(rich_markup_mode="markdown", invoke_without_command=True)

Site = Annotated[str, typer.Argument(help="Name of the site, as `outcrop sites` lists it.")]


@app.callback()
def sites(context: typer.Context, as_json: Json = False, where: Where = HERE) -> None:
    """List the sites of this workspace, show one as a picture, say what one holds.

    **Examples**

        outcrop sites

        outcrop sites show west

        outcrop sites stats west --json
    """
    if context.invoked_subcommand is None:
        list_all(as_json, where)
    elif as_json or where != HERE:
        raise typer.BadParameter(f"write --json and --workspace after `{context.invoked_subcommand}`")


@app.command("list")
def list_all(as_json: Json = False, where: Where = HERE) -> None:
    """List the sites of this workspace: scenes, modalities, base grid and DVC hash.

    **Examples**

        outcrop sites list

        outcrop sites list --json
    """
    workspace = open_workspace(where)
    from tasks.data import list_sites

    rows = list_sites(workspace)
    if as_json:
        show_json({"sites": rows})
    elif not rows:
        print("no sites yet: `dvc repro` builds the simulated ones, `outcrop ingest SURVEY` real ones")
    for name, row in () if as_json else rows.items():
        scenes = [f"{scene} {height} x {width}" for scene, (height, width) in row["scenes"].items()]
        cells = ", ".join(scenes[:3]) + (f" and {len(scenes) - 3} more scenes" if len(scenes) > 3 else "")
        digest, modalities = row["dvc"] or "untracked", ", ".join(row["modalities"])
        print(f"{name:<12} {row['survey']:<12} {digest:<12.12}  {cells}; {modalities}")


@app.command()
def show(
    site: Site,
    scene: Annotated[str | None, typer.Option(help="One scene, larger; default: the scenes with most labels.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder; default: reports/sites.")] = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Draw every modality, the labels and the split of a site into one PNG.

    **Examples**

        outcrop sites show west

        outcrop sites show west --scene mosaic -o /tmp/pictures
    """
    workspace = open_workspace(where)
    from tasks.sites import write_quicklook

    made = write_quicklook(workspace, site, scene, output)
    if as_json:
        show_json(made)
        return
    if len(made["scenes"]) < made["total"]:
        print(f"{len(made['scenes'])} of {made['total']} scenes: {', '.join(made['scenes'])}")
    print(*made["pictures"], sep="\n")


@app.command()
def stats(site: Site, as_json: Json = False, where: Where = HERE) -> None:
    """Say what the bands of a site hold, and how many cells every class has in every split.

    **Examples**

        outcrop sites stats west

        outcrop sites stats west --json
    """
    workspace = open_workspace(where)
    from tasks.sites import as_data, measure, print_tables

    found = measure(workspace, site)
    if as_json:
        show_json(as_data(found))
    else:
        print_tables(found)
