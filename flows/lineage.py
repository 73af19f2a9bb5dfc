"""The commands about where models come from: audit them, promote them, take them back."""

from typing import Annotated

import typer

from flows.options import HERE, Json, Where, open_workspace, show_json

app = typer.Typer(rich_markup_mode="markdown")

Model = Annotated[str, typer.Argument(help="`student@champion`, `mars-student/3`, or the beginning of a record's id.")]
#: Exit codes of `outcrop audit`; 0 says that all checks out.
EXITS = {"ok": 0, "failed": 1, "not possible": 3}


@app.command()
def audit(model: Model, as_json: Json = False, where: Where = HERE) -> None:
    """Say what a model is, which bytes and code it came from, and whether all of that still checks out.

    Works offline and with no server running. Exit code 0: everything checks out; 1: a check failed; 3: none failed, but
    some were not possible.

    **Examples**

        outcrop audit student@champion

        outcrop audit mars-student/2 --json
    """
    workspace = open_workspace(where)
    from flows.audit import run_audit
    from tasks.progress import CONSOLE

    result = run_audit(workspace, model)
    if as_json:
        show_json(result)
    else:
        for check in result["checks"]:
            CONSOLE.print(
                f"{check['status']:<12} {check['part']}: {check['name']}  {check['finding']}", highlight=False
            )
        CONSOLE.print(f"{result['model']}: {result['verdict']}")
    raise typer.Exit(EXITS[result["verdict"]])
