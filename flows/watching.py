"""The commands that watch a site: by its scenes over time, and by its fixed cameras."""

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, Any

import typer

from flows.options import HERE, Changes, Json, ParamsFile, Survey, Where, given, show
from flows.server import server_coming_up

#: The model that looks at the site.
Model = Annotated[str, typer.Option("--model", help="As for `outcrop export`, or the folder of an export.")]
CHAMPION = "student@champion"


def monitor(
    site: Annotated[str, typer.Argument(help="Name of the site, as in the survey file.")],
    model: Model = CHAMPION,
    scene: Annotated[str | None, typer.Option(help="Scene of the site; default: the newest.")] = None,
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Look at the newest scene of a site: what its rock could take up, what has changed, and what has drifted.

    Every date is recorded once, and the time series is read from the records. What the estimate needs to know of the
    site stands under `monitor` of its entry in the survey file. A run that was cut off goes on where it stopped.

    **Examples**

        outcrop monitor illinois

        outcrop monitor illinois --scene year-1 --model exports/student

        outcrop monitor quarry --survey data/surveys/mine.yaml --set monitor.inputs.depth=0.5+-0.1 --json
    """
    asked = given(where, survey, params, changes)
    with server_coming_up():
        from flows.monitor import Asked, run_monitor
    from tasks.bulletin import series_table

    show(run_monitor(*asked, Asked(site, model, scene)), as_json, series_table, _lines)


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """What is said below the table."""
    from tasks.bulletin import sentences

    yield from sentences(result).values()
    yield from (f"event: {event}" for event in result["events"])
    yield result["screening"]
    yield from (f"{name}: {result[name]}" for name in ("map", "record", "report"))


def cameras(
    site: Annotated[str, typer.Argument(help="Site of the survey file that lists `cameras`.")],
    model: Model = CHAMPION,
    day: Annotated[
        datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Default: the last with a picture.")
    ] = None,
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Estimate what the ground that a site's fixed cameras show could take up: each picture, and all by area.

    A camera without a picture of the date widens the interval. What the estimate needs to know of the site stands under
    `monitor` of its entry in the survey file. The model is one that sees RGB alone.

    **Examples**

        outcrop cameras quarry --survey data/surveys/quarry.yaml

        outcrop cameras quarry --date 2025-03-01 --model exports/student --json
    """
    asked = given(where, survey, params, changes)
    from tasks.cameras import cameras as estimate

    told = estimate(asked.workspace, asked.survey, site, model, day.date() if day else None, asked.overrides)
    show(told, as_json, _camera_table, _camera_lines)


def _camera_table(told: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=f"cameras of {told['site']}, {told['date']}, {told['unit']}", title_justify="left")
    for head in ("camera", "m2", "P50 (P5 to P95)"):
        table.add_column(head, justify="left" if head == "camera" else "right", no_wrap=True)
    rows = [(name, each["area_m2"], each["net"] or each["gross"]) for name, each in told["cameras"].items()]
    rows.append(("all that were seen", told["seen_m2"], told["seen"]))
    if told["missing"] and told["whole"]:
        rows.append(("all, missing ones too", told["seen_m2"] + told["missing_m2"], told["whole"]))
    for name, area, found in rows:
        table.add_row(name, f"{area:,.4g}", "{p50:,.3g} ({p5:,.3g} to {p95:,.3g})".format(**found))
    return table


def _camera_lines(told: dict[str, Any]) -> Iterator[str]:
    for name, area in told["missing"].items():
        yield f"no picture of {name}: {area:,.4g} m2 are drawn from how far the others lie apart"
    if told["unaccounted"]:
        yield f"not accounted for, for nobody knows how much they show: {', '.join(told['unaccounted'])}"
    if told["whole"] is None:
        yield "of all cameras nothing is told: one picture alone does not say how places differ"
    yield f"claim no more than P5. {told['screening']}"
    yield f"estimate: {told['estimate']}"
    yield f"record: {told['record']}"
