"""The results of a comparison and of a search as tables for the terminal."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table


def ladder_table(result: Mapping[str, Any]) -> Table:
    """Rungs and methods with what they reach and keep; and what the rung's sensors need."""
    table = Table(
        title=f"Test blocks of survey {result['survey']}, {len(result['seeds'])} seeds",
        title_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for heading in ("rung", "W", "USD", "method", "macro-F1", "95 % interval", "kept", "gain"):
        words = heading in ("rung", "method")
        table.add_column(heading, justify="left" if words else "right", no_wrap=heading != "rung")
    top = next(iter(result["costs"]))
    table.add_row(top, *_cost(result, top), "teacher", *_score(result["teacher"]["macro_f1"]), "", "")
    for rung, found in result["rungs"].items():
        for number, (method, outcome) in enumerate(found["methods"].items()):
            gain = outcome["over"].get("control")
            table.add_row(
                *([rung, *_cost(result, rung)] if number == 0 else ["", "", ""]),
                method.replace("_", " "),
                *_score(outcome["scores"]["macro_f1"]),
                f"{outcome['retention']['value']:.1%}",
                f"{gain['difference']['value']:+.3f}" if gain else "",
            )
    return table


def ladder_sentences(result: Mapping[str, Any]) -> Sequence[str]:
    """What the comparison answers, and where its page is."""
    return [*result["answers"], f"report: {result['report']}"]


def _score(estimate: Mapping[str, float]) -> tuple[str, str]:
    return f"{estimate['value']:.3f}", f"{estimate['low']:.3f} - {estimate['high']:.3f}"


def _cost(result: Mapping[str, Any], rung: str) -> tuple[str, str]:
    cost = result["costs"][rung]
    totals = (cost["power_w"], cost["price_usd"])
    return tuple("?" if total is None else f"{total['typical']:,.0f}" for total in totals)  # type: ignore[return-value]


def search_table(result: Mapping[str, Any]) -> Table:
    """The defaults and the best of each way to search, with what finding it cost."""
    rows = result["rows"]
    table = Table(title="Validation blocks", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for heading in rows[0]:
        table.add_column(heading.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:.4g}" if isinstance(value, float) else str(value) for value in row.values()))
    return table


def search_sentences(result: Mapping[str, Any]) -> Sequence[str]:
    """Who found the winner, and where it is."""
    return (
        f"winner: found by {result['found_by']}",
        f"parameters: use --params {result['params_file']}",
        f"picture: {result['picture']}",
    )
