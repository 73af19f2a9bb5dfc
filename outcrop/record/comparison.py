"""The page of a comparison: what each rung keeps of the teacher, and what its sensors cost."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from outcrop.record.drafts import write_whole
from outcrop.record.formats import Interval, Picture
from outcrop.record.pages import render_page


@dataclass(frozen=True)
class Line:
    """One method on one rung; intervals are of 95 %. ``gain`` is over the control, and missing for the control."""

    rung: str
    method: str
    macro_f1: float
    interval: Interval
    retention: float
    retention_interval: Interval
    gain: float | None
    gain_interval: Interval | None
    worst_class: str
    worst_f1: float


@dataclass(frozen=True)
class Sensors:
    """What the sensors of a rung need: W and USD with their ranges, or None; and who says so."""

    rung: str
    power_w: float | None
    power_range: Interval | None
    price_usd: float | None
    price_range: Interval | None
    sources: tuple[str, ...]


@dataclass(frozen=True)
class Comparison:
    """All of the page. ``answers`` are sentences; the first is the answer to which sensors can stay at home."""

    title: str
    created: str
    answers: tuple[str, ...]
    teacher: Line
    lines: Sequence[Line]
    sensors: Sequence[Sensors]
    pictures: Sequence[Picture]
    seeds: tuple[int, ...]
    blocks: int


def write_comparison(comparison: Comparison, path: Path) -> Path:
    """Write the page, whole or not at all, and return its path.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    return write_whole(path, render_page("comparison.html", page=comparison), "report")
