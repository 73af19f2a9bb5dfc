"""The command line. Heavy packages are imported by the commands that need them: `--help` is instant."""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from flows import maps
from flows.carbon import carbon
from flows.lineage import app as lineage_app
from flows.newcomers import onboard
from flows.options import (
    HERE,
    Changes,
    Cluster,
    Json,
    ParamsFile,
    RunnerChoice,
    Survey,
    Where,
    WorkerCount,
    given,
    open_workspace,
    show,
    show_json,
    survey_file,
)
from flows.regress import regress
from flows.server import server_coming_up
from flows.services import app as services_app
from flows.sites import app as sites_app
from flows.watching import cameras, monitor
from outcrop.errors import OutcropError
from tasks.faults import as_told
from tasks.workers import choose_workers
from tasks.workspace import find_workspace

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Teach a cheap camera what expensive sensors know about rocks.",
)


def main() -> None:
    """Run a command; what a user can mend is told in one sentence, with exit code 2."""
    # What GDAL remarks of a file is told in that sentence; without a handler it would be printed besides.
    logging.getLogger("rasterio").addHandler(logging.NullHandler())
    try:
        app()
    except KeyboardInterrupt:
        print("outcrop: interrupted; run the command again to go on from here", file=sys.stderr)
        sys.exit(130)
    except Exception as failure:
        error = failure if isinstance(failure, OutcropError) else as_told(failure)
        if error is None:
            raise
        print(f"outcrop: {error}", file=sys.stderr)
        sys.exit(2)


@app.command()
def retrain(
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    workers: WorkerCount = None,
    cluster: Cluster = None,
    runner: RunnerChoice = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Validate the data, train teacher, control and student, measure them, register them, write the report.

    Steps that are current are not repeated; a run that was cut off goes on where it stopped. Workers read the scenes
    when the data are validated, and run the trials of a search, where there is one; they change no result.

    **Examples**

        outcrop retrain

        outcrop retrain --survey data/surveys/mars.yaml --json

        outcrop retrain --set seed=8 --set train.samples=4096

        outcrop retrain --workers 4

        outcrop retrain --set search.enabled=true --workers 2
    """
    shared = choose_workers(runner, workers, cluster)
    asked = given(where, survey, params, changes)
    with server_coming_up():
        from flows.retrain import run_retrain
    from tasks.summary import results_table, sentences

    show(run_retrain(*asked, shared), as_json, results_table, sentences)


@app.command()
def compare(
    survey: Survey = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many seeds; every model is trained once a seed.")] = 3,
    changes: Changes = None,
    params: ParamsFile = None,
    workers: WorkerCount = None,
    cluster: Cluster = None,
    runner: RunnerChoice = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Tell what each sensor is worth: every rung by every method, against the power and price of its sensors.

    Steps that are current are not repeated; a run that was cut off goes on where it stopped. Of several workers each
    has a seed at a time; they change no result.

    **Examples**

        outcrop compare

        outcrop compare --survey data/surveys/neon.yaml --seeds 5

        outcrop compare --workers 3

        outcrop compare --cluster tcp://10.0.0.1:8786
    """
    shared = choose_workers(runner, workers, cluster)
    asked = given(where, survey, params, changes)
    with server_coming_up():
        from flows.compare import run_compare
    from tasks.ladders import ladder_sentences, ladder_table

    show(run_compare(*asked, seeds, shared), as_json, ladder_table, ladder_sentences)


@app.command()
def search(
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    workers: WorkerCount = None,
    cluster: Cluster = None,
    runner: RunnerChoice = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Search better parameters for teaching the student, by differential evolution on the validation blocks.

    Trials that were run are not run again: a search that was cut off goes on where it stopped.

    **Examples**

        outcrop search

        outcrop search --survey data/surveys/neon.yaml --set search.iterations=8 --workers 2

        outcrop search --runner dask --workers 2

        outcrop search --cluster tcp://10.0.0.1:8786
    """
    shared = choose_workers(runner, workers, cluster)
    asked = given(where, survey, params, changes)
    with server_coming_up():
        from flows.search import run_search
    from tasks.ladders import search_sentences, search_table

    show(run_search(*asked, shared), as_json, search_table, search_sentences)


@app.command()
def ingest(
    survey: Annotated[Path, typer.Argument(help="Survey file that names the site's raw files.")],
    sites: Annotated[list[str] | None, typer.Argument(help="Sites to ingest; default: all of the survey.")] = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Turn raw files into sites under `data/sites`, tracked by DVC.

    **Examples**

        outcrop ingest data/surveys/mars.yaml

        outcrop ingest data/surveys/mars.yaml south --json
    """
    workspace = open_workspace(where)
    from outcrop.errors import SurveyError
    from outcrop.survey.surveys import load_survey
    from tasks.data import ingest as ingest_one
    from tasks.progress import CONSOLE

    loaded, params = load_survey(survey.resolve(), workspace.params)
    unknown = set(sites or ()) - set(loaded.sites)
    if unknown:
        raise SurveyError(
            f"the survey has no site {min(unknown)}", where=survey, remedy=f"name one of {', '.join(loaded.sites)}"
        )
    chosen = sites or [name for name, entry in loaded.sites.items() if entry.scenes]
    hashes = {site: ingest_one(workspace, loaded, site, params, CONSOLE.print) for site in chosen}
    if as_json:
        show_json({"survey": loaded.survey, "sites": hashes})
        return
    for site, digest in hashes.items():
        print(f"{workspace.sites / site}  {digest}")


@app.command()
def validate(
    survey: Survey = None,
    workers: WorkerCount = None,
    cluster: Cluster = None,
    runner: RunnerChoice = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Check whether a survey's data are fit to train on; critical findings give exit code 2.

    Of several workers each reads a scene at a time; they change no result.

    **Examples**

        outcrop validate

        outcrop validate --survey data/surveys/mars.yaml --json

        outcrop validate --workers 4
    """
    shared = choose_workers(runner, workers, cluster)
    asked = given(where, survey)
    from flows.validate import run_validate

    verdict = run_validate(asked.workspace, asked.survey, shared)
    if as_json:
        show_json(verdict)
        return
    for finding in verdict["findings"]:
        print(f"{finding['severity']}: {finding['where']}: {finding['sentence']}")
    print(f"{verdict['passed']} of {verdict['checked']} checks passed")


@app.command()
def simulate(
    site: Annotated[str, typer.Option("--site", help="Name of the site, as in the survey file.")],
    size: Annotated[int | None, typer.Option(help="Base cells along one side; default: simulate.size.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed; default: simulate.seed.")] = None,
    change: Annotated[
        float | None, typer.Option("--change", help="Add a scene so many years after the first.", metavar="YEARS")
    ] = None,
    spectra: Annotated[
        Path | None, typer.Option("--spectra", help="Folder of spectra (USGS splib07, ECOSTRESS) to use instead.")
    ] = None,
    survey: Survey = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder; default: data/sites.")] = None,
    where: Where = HERE,
) -> None:
    """Make a simulated site with all sensors (`dvc repro` does so for the whole simulated survey).

    **Examples**

        outcrop simulate --site iceland --size 96 --seed 3 -o /tmp/sites

        outcrop simulate --site illinois --change 10 -o /tmp/sites
    """
    workspace = find_workspace(where)
    from outcrop.survey.simulate import simulate_site
    from outcrop.survey.simulation.libraries import load_library
    from outcrop.survey.surveys import load_survey
    from tasks.progress import Progress

    changes = {name: value for name, value in (("size", size), ("seed", seed)) if value is not None}
    loaded, params = load_survey(survey_file(workspace, survey), workspace.params, {"simulate": changes})
    folder, library = (output or workspace.sites).resolve(), load_library(spectra)
    for note in library.notes:
        print(note)
    with Progress(f"Simulating {site}", total=1) as progress:
        made = simulate_site(site, folder, loaded, params, library, change=change, progress=progress.reach)
    print(made.path)


@app.command()
def doctor(as_json: Json = False, where: Where = HERE) -> None:
    """Say what is installed, where the stores are, and what is running.

    **Examples**

        outcrop doctor

        outcrop doctor --json
    """
    workspace = open_workspace(where)
    from tasks.doctor import examine

    found = examine(workspace)
    if as_json:
        show_json(found)
        return
    for section, rows in found.items():
        print(section)
        for name, value in rows.items():
            print(f"  {name:<18} {value}")


app.command()(onboard)
app.command("export")(maps.export)
app.command("map")(maps.map_scene)
app.command("carbon")(carbon)
app.command()(monitor)
app.command()(cameras)
app.command("regress")(regress)
app.command("bench")(maps.bench)
app.add_typer(sites_app, name="sites")
app.add_typer(lineage_app)
app.add_typer(services_app)


if __name__ == "__main__":
    main()
