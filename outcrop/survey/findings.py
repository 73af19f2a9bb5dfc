"""Findings: what did not meet the expectations, told to people.

The same check on 369 bands of 46 scenes is told in one sentence: the worst, and how many.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from outcrop.survey.checks import TABLES, Table
from outcrop.survey.expectations import Expectation, Severity

#: Names that are told besides the worst, if they are no more.
NAMED = 5


@dataclass(frozen=True)
class Finding:
    """A failed check: ``warning`` is shown, ``critical`` stops the flow."""

    severity: Severity
    check: str
    where: str
    sentence: str


def tell(table: str, unmet: Expectation, rows: pd.DataFrame) -> Iterator[Finding]:
    """Findings about the rows of a table that do not meet an expectation: one for all that belong together.

    It tells of the worst, the one farthest beyond ``min_value`` or ``max_value``; of the first where there is neither.
    """
    shape = TABLES[table]
    excess = _excess(unmet.kwargs, rows)
    for _, group in rows.groupby(list(shape.together), sort=False):
        at = group.index[0] if excess is None else excess[group.index].idxmax()
        worst = {str(name): value for name, value in group.loc[at].items()}
        worst["place"] = _place(group, worst)
        sentence = unmet.words(worst) + _rest(shape, group, worst, "first" if excess is None else "worst")
        yield Finding(unmet.severity, unmet.meta.check, shape.where.format(**worst), sentence)


def _excess(limits: Mapping[str, Any], rows: pd.DataFrame) -> pd.Series | None:
    """How far each row lies beyond its limit; None where a check has none."""
    values = rows.get(limits.get("column"))
    beyond = {name: limits.get(name) for name in ("max_value", "min_value")}
    if values is None or all(limit is None for limit in beyond.values()):
        return None
    ways = [values - beyond["max_value"]] if beyond["max_value"] is not None else []
    ways += [beyond["min_value"] - values] if beyond["min_value"] is not None else []
    return pd.concat(ways, axis=1).max(axis=1)


def _place(group: pd.DataFrame, row: Mapping[str, Any]) -> str:
    """``site/scene`` if the rows are of one scene, else the site."""
    if "scene" not in row:
        return str(row.get("site", ""))
    return f"{row['site']}/{row['scene']}" if group["scene"].nunique() == 1 else str(row["site"])


def _rest(shape: Table, group: pd.DataFrame, worst: Mapping[str, Any], which: str) -> str:
    """How many rows fail besides, and of what; their names if there are few."""
    varying = {name: group[name].unique() for name in shape.each if group[name].nunique() > 1}
    if not varying:
        return ""
    counted = " in ".join(f"{len(names)} {_plural(name)}" for name, names in varying.items())
    name, names = next(iter(varying.items()))
    others = [str(other) for other in names if other != worst[name]]
    also = f"; also {', '.join(others)}" if len(varying) == 1 and len(others) <= NAMED else ""
    scene = f", in {worst['scene']}" if "scene" in varying else ""
    return f" (the {which} of {counted}{scene}{also})"


def _plural(word: str) -> str:
    return word + ("es" if word.endswith("s") else "s")
