"""The commands that watch a site: by its scenes over time, and by its fixed cameras."""

from datetime import datetime
from typing import Annotated, Any

import typer

from flows.options import HERE, Changes, Json, ParamsFile, Survey, Where, changed, open_workspace, show_json


def monitor(
    site: Annotated[str, typer.Argument(help="Name of the site, as in the survey file.")],
    model: Annotated[
        str, typer.Option(help="Model, as for `outcrop export`, or the folder of an export.")
    ] = "student@champion",
    scene: Annotated[str | None, typer.Option(help="Scene of the site; default: the newest.")] = None,
    survey: Survey = None,
    changes: Changes = None,
    params: ParamsFile = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Look at the newest scene of a site: what its rock could take up, what has changed, and what has drifted.

    Every date is recorded once, and the time series is read from the records. What the estimate needs to know of the
    site stands in the section `monitor` of the parameters. A run that was cut off goes on where it stopped.

    **Examples**

        outcrop monitor illinois

        outcrop monitor illinois --scene year-1 --model exports/student

        outcrop monitor quarry --survey data/surveys/mine.yaml --set monitor.inputs.depth=0.5+-0.1 --json
    """
    workspace = open_workspace(where)
    overrides = changed(params, changes)
    from flows.monitor import Asked, run_monitor
    from tasks.bulletin import sentences, series_table
    from tasks.progress import CONSOLE

    result = run_monitor(
        workspace, (survey or workspace.default_survey).resolve(), Asked(site, model, scene), overrides
    )
    if as_json:
        show_json(result)
        return
    CONSOLE.print(series_table(result))
    for sentence in sentences(result).values():
        print(sentence)
    for event in result["events"]:
        print(f"event: {event}")
    print(result["screening"])
    for name in ("map", "record", "report"):
        print(f"{name}: {result[name]}")


def cameras(
    site: Annotated[str, typer.Argument(help="Site of the survey file that lists `cameras`.")],
    model: Annotated[
        str, typer.Option(help="RGB model, as for `outcrop export`, or the folder of an export.")
    ] = "student@champion",
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

    A camera without a picture of the date widens the interval. What the estimate needs to know of the site stands in
    the section `monitor` of the parameters.

    **Examples**

        outcrop cameras quarry --survey data/surveys/quarry.yaml

        outcrop cameras quarry --date 2025-03-01 --model exports/student --json
    """
    workspace = open_workspace(where)
    overrides = changed(params, changes)
    from tasks.cameras import cameras as estimate
    from tasks.progress import CONSOLE

    chosen = day.date() if day else None
    told = estimate(workspace, (survey or workspace.default_survey).resolve(), site, model, chosen, overrides)
    if as_json:
        show_json(told)
        return
    CONSOLE.print(_camera_table(told))
    for name, area in told["missing"].items():
        print(f"no picture of {name}: {area:,.4g} m2 are drawn from how far the others lie apart")
    if told["unaccounted"]:
        print(f"not accounted for, for nobody knows how much they show: {', '.join(told['unaccounted'])}")
    if told["whole"] is None:
        print("of all cameras nothing is told: one picture alone does not say how places differ")
    print(f"claim no more than P5. {told['screening']}")
    print(f"estimate: {told['estimate']}")
    print(f"record: {told['record']}")


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
