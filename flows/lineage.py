"""The commands about where models come from: audit them, promote them, take them back."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.options import HERE, Json, Where, open_workspace, show_json

app = typer.Typer(rich_markup_mode="markdown")

Model = Annotated[str, typer.Argument(help="student@champion, mars-student/3, or the beginning of a record's id.")]
#: Exit codes of `outcrop audit`; 0 says that all checks out.
EXITS = {"ok": 0, "failed": 1, "not possible": 3}


@app.command()
def audit(
    model: Model,
    key: Annotated[
        Path | None, typer.Option("--key", help="Public key (PEM) of whoever signs promotions.", envvar="OUTCROP_KEY")
    ] = None,
    replay: Annotated[
        bool, typer.Option("--replay", help="Also train it again, and what it was made from, and compare.")
    ] = False,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Say what a model is, which bytes and code it came from, and whether all of that still checks out.

    Works offline and with no server running. Exit code 0: everything checks out; 1: a check failed; 3: none failed, but
    some were not possible.

    **Examples**

        outcrop audit student@champion

        outcrop audit mars-student/2 --key signer.pem --replay --json
    """
    workspace = open_workspace(where)
    from flows.audit import run_audit

    result = run_audit(workspace, model, key, replay=replay)
    if as_json:
        show_json(result)
    else:
        for check in result["checks"]:
            print(f"{check['status']:<12}  {check['part'] + ':':<10} {check['name']:<32} {check['finding']}".rstrip())
        print(f"{result['model']}: {result['sentence']}")
        print(f"page: {result['page']}")
    raise typer.Exit(EXITS[result["verdict"]])


Because = Annotated[str, typer.Option("--because", help="The reason; it is recorded.")]


@app.command()
def promote(model: Model, because: Because, as_json: Json = False, where: Where = HERE) -> None:
    """Make a model champion in spite of what the gate said; the reason is recorded.

    **Examples**

        outcrop promote mars-student/3 --because "the only one that knows calcite"
    """
    workspace = open_workspace(where)
    from tasks.stewardship import promote_by_hand

    _show_decision(asdict(promote_by_hand(workspace, model, because)), as_json)


@app.command()
def rollback(
    name: Annotated[
        str, typer.Argument(help="The registered model; its survey may be left out if there is one.")
    ] = "student",
    because: Annotated[str, typer.Option("--because", help="The reason; it is recorded.")] = "",
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Make the champion of before the champion again.

    **Examples**

        outcrop rollback

        outcrop rollback mars-student --because "it confuses shadow with basalt"
    """
    workspace = open_workspace(where)
    from tasks.stewardship import roll_back

    _show_decision(asdict(roll_back(workspace, name, because)), as_json)


def _show_decision(decision: dict[str, Any], as_json: bool) -> None:
    if as_json:
        show_json(decision)
    else:
        print(f"champion: version {decision['champion']}; {decision['reason']}")
        print(f"record: {decision['record']}")


What = Annotated[str, typer.Argument(help="A site, a scene (`site/scene`), or the beginning of a record's id.")]


@app.command()
def lineage(what: What, as_json: Json = False, where: Where = HERE) -> None:
    """Say which models and maps were made from a site, a scene or a record.

    **Examples**

        outcrop lineage west

        outcrop lineage west/flight-1 --json
    """
    workspace = open_workspace(where)
    from tasks.stewardship import lineage_of

    result = lineage_of(workspace, what)
    show_json(result) if as_json else _show_downstream(result)


@app.command()
def retract(what: What, because: Because, as_json: Json = False, where: Where = HERE) -> None:
    """Take a site or a record back: everything made from it is marked, and fails its audit.

    **Examples**

        outcrop retract west --because "the spectrometer was not calibrated"
    """
    workspace = open_workspace(where)
    from tasks.stewardship import retract as retract_it

    result = retract_it(workspace, what, because)
    if as_json:
        show_json(result)
        return
    _show_downstream(result)
    print(f"record: {result['record']}")


def _show_downstream(result: dict[str, Any]) -> None:
    for row in result["downstream"]:
        marks = ", ".join(filter(None, (row["registered"], row["retracted"] and "retracted")))
        time = row["time"][:16].replace("T", " ")
        print(f"{time}  {row['kind']:<12} {row['name']:<32} {row['record'][:12]}  {marks}".rstrip())
    print(f"{len(result['downstream'])} records rest on it")
    for champion in result["champions"]:
        print(f"in service: {champion}; go back with `outcrop rollback`, or train another one")
