"""The command about a new site: adapt a model to it with the labels that somebody brought back."""

from pathlib import Path
from typing import Annotated

import typer

from flows.options import HERE, MODEL, Changes, Json, ParamsFile, Survey, Where, given, show
from flows.server import server_coming_up


def onboard(
    site: Annotated[str, typer.Argument(help="Name of the new site, as in the survey file.")],
    labels: Annotated[Path, typer.Option(help="Labelled points: CSV (x, y or lon, lat, class), GeoJSON, GPKG, SHP.")],
    model: Annotated[str, typer.Option(help=f"Model: {MODEL}, or a folder.")] = "student@champion",
    draws: Annotated[int | None, typer.Option(min=1, help="Draws of labels; default: onboard.draws.")] = None,
    allow_new_classes: Annotated[
        bool, typer.Option("--allow-new-classes", help="Words that the survey does not know become classes.")
    ] = False,
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Adapt a student to a new site with 10-20 labels, and say whether it is good enough to use there.

    The column `class` holds names of classes, or words that the survey's `mapping` knows.

    **Examples**

        outcrop onboard oman --labels points.csv

        outcrop onboard quarry --labels points.gpkg --survey data/surveys/mine.yaml --set onboard.accuracy=0.7

        outcrop onboard oman --labels points.csv --model student/3 --allow-new-classes --json
    """
    asked = given(where, survey, params, [*(changes or []), *([f"onboard.draws={draws}"] if draws else [])])
    with server_coming_up():
        from flows.onboard import Asked, run_onboard
    from tasks.onboard import ladder_table, sentences

    question = Asked(site, labels.resolve(), model, allow_new_classes)
    show(run_onboard(*asked, question), as_json, ladder_table, sentences)
