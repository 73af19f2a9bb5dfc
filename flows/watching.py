"""The commands that watch a site: by its scenes over time, and by its fixed cameras."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from flows.options import HERE, Changes, Json, ParamsFile, Survey, Where, changed, open_workspace, show


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
    from tasks.bulletin import series_table

    result = run_monitor(
        workspace, (survey or workspace.default_survey).resolve(), Asked(site, model, scene), overrides
    )
    show(result, as_json, series_table, _lines)


def _lines(result: dict[str, Any]) -> Iterator[str]:
    """What is said below the table."""
    from tasks.bulletin import sentences

    yield from sentences(result).values()
    yield from (f"event: {event}" for event in result["events"])
    yield result["screening"]
    yield from (f"{name}: {result[name]}" for name in ("map", "record", "report"))
