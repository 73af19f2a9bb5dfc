"""The page of one date of a site: what its rock could take up, what has changed, whether the sensor can be trusted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.record.drafts import write_whole
from outcrop.record.formats import Interval, Picture
from outcrop.record.pages import render_page


@dataclass(frozen=True)
class DateRow:
    """One date of the series; ``changed`` and ``drift`` in words."""

    acquired: str
    scene: str
    p50: float
    ends: Interval
    changed: str
    drift: str


@dataclass(frozen=True)
class SignRow:
    """One test of drift that found something."""

    where: str
    sentence: str
    p_value: float


@dataclass(frozen=True)
class AreaRow:
    """Share of one class: corrected, with its 90 % interval, and as mapped."""

    name: str
    share: float
    ends: Interval
    mapped: float


@dataclass(frozen=True)
class Monitoring:
    """All of the page.

    Parameters
    ----------
    verdict : what an operator must know, in sentences; the first is the estimate
    uptake : P50, and P5 and P95; written with so many ``digits``
    change, drift, labels : what was found of them, a sentence each
    series : oldest first; ``left_out`` says of dates that cannot be drawn with the others
    causes : share of the variance of the estimate, by input
    facts : by name, for the lineage
    """

    title: str
    created: str
    screening: str
    verdict: Sequence[str]
    uptake: float
    uptake_ends: Interval
    naive: float
    unit: str
    digits: int
    change: str
    drift: str
    signs: Sequence[SignRow]
    labels: str
    events: Sequence[str]
    series: Sequence[DateRow]
    left_out: str
    areas: Sequence[AreaRow]
    causes: Mapping[str, float]
    chart: Picture
    maps: Picture
    facts: Mapping[str, Any]


def write_monitoring(page: Monitoring, path: Path) -> Path:
    """Write the page, whole or not at all, and return its path.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    return write_whole(path, render_page("monitoring.html", page=page), "report")
