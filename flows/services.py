"""The commands about a service: run one, ask how it is, write its deployments for a work pool."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import HERE, Json, Where, open_workspace, show_json
from tasks.workspace import find_workspace

app = typer.Typer(rich_markup_mode="markdown")

Surveys = Annotated[
    list[Path] | None, typer.Option("--survey", help="Survey file; repeatable. Default: the simulated survey.")
]


@app.command()
def serve(
    surveys: Surveys = None,
    database: Annotated[
        str | None,
        typer.Option(
            help="Of the Prefect server: postgresql://USER@HOST/NAME; default: SQLite in the workspace.",
            envvar="OUTCROP_DATABASE",
            show_envvar=True,
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Of the Prefect server.")] = 4200,
    mlflow_port: Annotated[int, typer.Option(min=1, max=65535, help="Of MLflow's pages.")] = 5000,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Run on schedule and on events what keeps a survey up to date, until Ctrl-C.

    A Prefect server and MLflow's pages, both for this machine alone. What runs when stands in `serve` of `params.yaml`.

    **Examples**

        outcrop serve

        outcrop serve --survey data/surveys/mars.yaml --survey data/surveys/neon.yaml

        OUTCROP_DATABASE=postgresql://prefect@127.0.0.1/prefect outcrop serve
    """
    workspace = find_workspace(where)
    workspace.prepare()
    from flows.serve import Asked, run_serve
    from tasks.progress import CONSOLE
    from tasks.service import Service

    def ready(service: Service) -> None:
        if as_json:
            show_json({"pid": service.pid, "prefect": service.prefect, "mlflow": service.mlflow})
            return
        CONSOLE.print(f"runs:   {service.prefect}")
        CONSOLE.print(f"models: {service.mlflow}")
        CONSOLE.print("Ctrl-C ends all of it; `outcrop status` says how it is")

    chosen = tuple(survey.resolve() for survey in surveys or [workspace.default_survey])
    run_serve(workspace, Asked(chosen, database, port, mlflow_port), ready)
    CONSOLE.print("ended; runs that were under way go on when you serve again")


@app.command()
def status(as_json: Json = False, where: Where = HERE) -> None:
    """Say how the service is: its servers, what runs, what is due, what has ended, the models in service.

    **Examples**

        outcrop status

        outcrop status --json
    """
    workspace = open_workspace(where)
    from tasks.status import look, sentences

    found = look(workspace)
    if as_json:
        show_json(found)
    else:
        print(*sentences(found), sep="\n")


@app.command()
def deploy(
    pool: Annotated[str, typer.Option(help="The work pool whose workers are to run them.")] = "outcrop",
    surveys: Surveys = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write; default: prefect.yaml of the workspace.")
    ] = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Write what a service runs as `prefect.yaml`, for the work pool of a Prefect server of your own.

    **Examples**

        outcrop deploy

        outcrop deploy --pool cluster --survey data/surveys/mars.yaml -o prefect.yaml
    """
    workspace = open_workspace(where)
    from flows.deployments import plan, prefect_file
    from outcrop.record.drafts import write_whole

    planned = plan(workspace, [survey.resolve() for survey in surveys or [workspace.default_survey]])
    target = write_whole(output or workspace.root / "prefect.yaml", prefect_file(planned, pool), "deployments")
    if as_json:
        show_json({"file": str(target), "deployments": [f"{each.flow}/{each.name}" for each in planned]})
        return
    print(target)
