"""The command that turns a map into what its rock could take up of carbon dioxide."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.options import HERE, Json, Where, show_json
from outcrop.field.carbon.potentials import Pathway

NUMBER = "VALUE[+-SD]"


def carbon(
    folder: Annotated[Path, typer.Argument(metavar="MAP", help="Folder that `outcrop map` wrote.")],
    profile: Annotated[str, typer.Option(help="capacity, rate, legacy, or a file of the same form.")] = "capacity",
    pathway: Annotated[Pathway, typer.Option(help="How CO2 is bound.")] = Pathway.carbonation,
    depth: Annotated[
        str | None, typer.Option(metavar=NUMBER, help="Depth of the rock in place that takes part, m.")
    ] = None,
    porosity: Annotated[str | None, typer.Option(metavar=NUMBER, help="Its share of pores; default: none.")] = None,
    application_rate: Annotated[
        str | None, typer.Option(metavar=NUMBER, help="Crushed rock that was spread, t/ha.")
    ] = None,
    feedstock: Annotated[
        list[str] | None, typer.Option(help="Class that counts, such as the rock that was spread; repeatable.")
    ] = None,
    grain: Annotated[str | None, typer.Option(metavar=NUMBER, help="Diameter of the grains, um.")] = None,
    temperature: Annotated[str | None, typer.Option(metavar=NUMBER, help="Of the ground, C.")] = None,
    ph: Annotated[str | None, typer.Option("--ph", metavar=NUMBER, help="Of the water in the ground.")] = None,
    years: Annotated[float, typer.Option(min=0.01, help="Over which the yearly uptake is the mean.")] = 1.0,
    losses: Annotated[
        str | None, typer.Option(metavar=NUMBER, help="Share of the uptake that is lost again downstream.")
    ] = None,
    emissions: Annotated[
        str | None,
        typer.Option(
            metavar=NUMBER, help="Of the supply chain, t CO2 a t of rock; a rate spreads them over its years."
        ),
    ] = None,
    regions: Annotated[Path | None, typer.Option(help="Polygons; each is estimated beside the whole map.")] = None,
    region_name: Annotated[str | None, typer.Option(help="Their column that names them.")] = None,
    confusion: Annotated[
        Path | None, typer.Option(help="JSON with `classes`, `counts`, `effective`, where the map has none.")
    ] = None,
    cell_m: Annotated[
        float | None, typer.Option(min=0.001, help="Side of a cell, m, where the map has no CRS.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="JSON file to write; default: in the map's folder.")
    ] = None,
    as_json: Json = False,
    where: Where = HERE,
) -> None:
    """Estimate what the rock of a map could take up: screening, never a creditable removal.

    Areas are corrected by how often the map's model errs. Numbers are written as 0.1, or with one standard deviation as
    0.1+-0.02; a number without it counts as exact.

    **Examples**

        outcrop carbon maps/oman --depth 0.5+-0.1 --porosity 0.1+-0.03

        outcrop carbon maps/illinois --pathway weathering --application-rate 50+-5 --feedstock basalt

        outcrop carbon maps/illinois --profile rate --pathway weathering --application-rate 50 --feedstock basalt
        --grain 100+-30 --temperature 11+-2 --ph 6.5+-0.3 --losses 0.1+-0.05 --emissions 0.05+-0.02
    """
    from outcrop.field.carbon.quantities import parse_inputs
    from outcrop.field.carbon.uptake import Given
    from tasks.carbon import Asked
    from tasks.carbon import carbon as estimate
    from tasks.progress import CONSOLE

    said = {
        "depth": depth,
        "porosity": porosity,
        "application_rate": application_rate,
        "grain": grain,
        "temperature": temperature,
        "ph": ph,
        "losses": losses,
        "emissions": emissions,
    }
    given = Given.of(parse_inputs(said, "--"), pathway, tuple(feedstock or ()), years)
    made = estimate(folder, Asked(profile, given, regions, region_name, confusion, cell_m), output, where)
    if as_json:
        show_json(made)
        return
    CONSOLE.print(_table(made))
    whole = made["regions"]["whole map"]
    causes = sorted(whole["variance"].items(), key=lambda cause: -cause[1])
    print("uncertain because of: " + ", ".join(f"{name} {share:.0%}" for name, share in causes if share >= 0.01))
    print(f"claim no more than P5. {made['screening']}")
    print(f"estimate: {made['estimate']}")
    if made["record"]:
        print(f"record: {made['record']}")


def _table(made: dict[str, Any]) -> Any:
    from rich.table import Table

    table = Table(title=f"{made['profile']['title']}, {made['unit']}", title_justify="left")
    for head in ("region", "ha", "P50 (P5 to P95)", "net", "as mapped"):
        table.add_column(head, justify="left" if head == "region" else "right", no_wrap=True)
    for name, each in made["regions"].items():
        area = f"{each['area_m2'] / 1e4:,.4g}" if each["area_m2"] else "-"
        table.add_row(name, area, _range(each["gross"]), _range(each["net"]), f"{each['naive']:,.3g}")
    return table


def _range(found: dict[str, float] | None) -> str:
    return "{p50:,.3g} ({p5:,.3g} to {p95:,.3g})".format(**found) if found else "-"
