"""Charts of the ladder, as PNG bytes: macro-F1 against sensor power, what each rung keeps, what the teacher heeds.

Their titles are sentences that serve as the alternative text as well. No meaning hangs on colour alone: methods differ
in marker and stroke, every cell of a heat map bears its number.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from outcrop.field.charts import MODEL_COLOURS
from outcrop.field.drawing import DPI, INK, dress, inches, placed, png, shorten, write
from outcrop.field.sheets import PAPER, text_width, wrap
from outcrop.learning.ladders import ENOUGH, Ladder, Method
from outcrop.learning.metrics import Estimate

POWER_TITLE = (
    "What each rung reaches: macro-F1 on the test blocks against the power of its sensors, with 95 % intervals"
)
RETENTION_TITLE = "What each rung keeps: the student's F1 as a share of the teacher's, by class, with 95 % intervals"
ATTENTION_TITLE = "What the teacher heeds: the attention it pays to each modality, by class, in per cent"


@dataclass(frozen=True)
class Stroke:
    """How a method is drawn."""

    words: str
    colour: str
    marker: str
    dashes: str


STROKES: dict[Method, Stroke] = {
    "progressive": Stroke("progressive", MODEL_COLOURS["student"], "D", "-"),
    "direct_equal_compute": Stroke("direct, equal compute", "#455fb8", "s", "--"),
    "direct": Stroke("direct", "#b8406c", "^", "-."),
    "control": Stroke("control, labels alone", MODEL_COLOURS["control"], "o", "-"),
    "shuffled_teacher": Stroke("shuffled teacher", "#a0a4a8", "X", ":"),
}

#: From lost to kept; the steps are finer where it is decided whether a rung will do.
_KEPT = LinearSegmentedColormap.from_list(
    "kept", [(0, "#7f2d06"), (0.5, "#d9702b"), (0.75, "#f0c99e"), (0.87, "#efece6"), (0.95, "#79b0c2"), (1, "#0d4f66")]
)
_HEEDED = LinearSegmentedColormap.from_list("heeded", ["#f0eef5", MODEL_COLOURS["teacher"], "#3b2a63"])
_UNKNOWN = "#d4d2ce"
#: Inches between a heat map's summary and the rest, and between two methods of a rung.
APART, BESIDE = 0.07, 0.076


def power_picture(ladder: Ladder, watts: Mapping[str, float | None], share: float = ENOUGH) -> bytes:
    """Macro-F1 of every rung over the power of its sensors, a line a method; the teacher and a share of it across.

    Parameters
    ----------
    watts : by rung; a rung whose power is not known is named below the chart, but not drawn
    """
    known = {name: power for name in ladder.rungs if (power := watts.get(name)) is not None}
    drawn = [method for method in STROKES if any(method in ladder.rungs[name].methods for name in known)]
    across, down, left = 7.2, 3.0, 0.5
    places, (low, high) = _places(known, (len(drawn) + 1) * BESIDE / across)
    names = _rung_names(known, {name: left + (x - low) / (high - low) * across for name, x in places.items()})
    top = 0.5 + 0.17 * max((name.row for name in names), default=0)
    width, height = left + across + 1.3, top + down + 1.0
    figure = Figure(figsize=(width, height), dpi=DPI)
    axes = figure.add_axes(placed(figure, left, top, across, down))
    dress(axes)
    axes.set_xlim(low, high)
    for position, method in enumerate(drawn):
        aside = (position - (len(drawn) - 1) / 2) * BESIDE / across * (high - low)
        there = [name for name in places if method in ladder.rungs[name].methods]
        scores = [ladder.rungs[name].methods[method].scores.macro_f1 for name in there]
        _draw_method(axes, [places[name] + aside for name in there], scores, STROKES[method])
    _draw_teacher(axes, ladder.teacher.macro_f1, share, down)
    axes.set_xlabel("power of the rung's sensors in W, while they measure", color=INK, fontsize=8)
    axes.set_ylabel("macro-F1", color=INK, fontsize=8)
    sheet = inches(figure, 0, 0, width, height)
    write(sheet, 0.08, 0.12, POWER_TITLE, 9)
    for name in names:
        y = top - 0.12 - 0.17 * name.row
        sheet.text(name.centre, y, name.words, ha="center", va="center", fontsize=8, color=INK, parse_math=False)
        sheet.plot([name.x, name.x], [y + 0.08, top + down], color=INK, linewidth=0.6, alpha=0.4)
    _draw_key(sheet, [STROKES[method] for method in drawn], left, height - 0.42)
    notes = ["Rungs of nearly the same power stand beside one another."] if places != known else []
    if unknown := [name for name in ladder.rungs if name not in known]:
        notes.append(f"Not drawn, power not known: {shorten(', '.join(unknown), 80)}.")
    write(sheet, left, height - 0.14, " ".join(notes), 7)
    return png(figure)


def _places(watts: Mapping[str, float], step: float) -> tuple[dict[str, float], tuple[float, float]]:
    """Where each rung stands on the axis, from low to high power, and the axis' ends.

    Parameters
    ----------
    step : least distance between two rungs, as a share of the axis
    """
    if not watts:
        return {}, (0.0, 1.0)
    spread = max(watts.values()) - min(watts.values()) or max(watts.values()) or 1.0
    places: dict[str, float] = {}
    for name, power in sorted(watts.items(), key=lambda item: item[1]):
        places[name] = max(power, max(places.values(), default=-inf) + 1.2 * step * spread)
    return places, (min(places.values()) - 0.08 * spread, max(places.values()) + 0.08 * spread)


@dataclass(frozen=True)
class _RungName:
    """A rung's name: inches of its centre and of its rung, and its row above the axes."""

    words: str
    centre: float
    x: float
    row: int


def _rung_names(watts: Mapping[str, float], places: Mapping[str, float]) -> list[_RungName]:
    """Every rung's name in the first row that has room for it, from left to right."""
    found: list[_RungName] = []
    ends: list[float] = []
    for name, x in places.items():
        words = f"{shorten(spaced(name), 40)}, {watts[name]:.3g} W"
        half = text_width(words, 8) / 2
        centre = max(x, half + 0.08)
        row = next((r for r, end in enumerate(ends) if end < centre - half), len(ends))
        ends[row : row + 1] = [centre + half + 0.12]
        found.append(_RungName(words, centre, x, row))
    return found


def _draw_method(axes: Axes, x: Sequence[float], scores: Sequence[Estimate], stroke: Stroke) -> None:
    for place, score in zip(x, scores, strict=True):
        axes.plot([place, place], score.interval, color=stroke.colour, linewidth=4, alpha=0.32, solid_capstyle="round")
    values = [score.value for score in scores]
    axes.plot(
        x, values, stroke.dashes, color=stroke.colour, linewidth=1.5, marker=stroke.marker, markersize=6,
        markeredgecolor="white", markeredgewidth=0.6,
    )  # fmt: skip


def _draw_teacher(axes: Axes, teacher: Estimate, share: float, height: float) -> None:
    """The teacher with its interval, and the share of it that is enough, each named at its right end."""
    colour = MODEL_COLOURS["teacher"]
    axes.axhspan(teacher.low, teacher.high, color=colour, alpha=0.14, linewidth=0)
    axes.axhline(teacher.value, color=colour, linewidth=1.6)
    axes.axhline(share * teacher.value, color=colour, linewidth=1.1, linestyle=(0, (4, 3)))
    low, high = axes.get_ylim()
    apart = 0.15 * (high - low) / height
    below = min(share * teacher.value, teacher.value - apart)
    for y, words in ((teacher.value, f"teacher {teacher.value:.3f}"), (below, f"{100 * share:g} % of it")):
        axes.annotate(
            words, (1, y), xycoords=("axes fraction", "data"), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=8, color=colour,
        )  # fmt: skip
    axes.set_ylim(low, high)


def _draw_key(sheet: Axes, strokes: Sequence[Stroke], x: float, y: float) -> None:
    for stroke in strokes:
        sheet.plot([x, x + 0.34], [y, y], stroke.dashes, color=stroke.colour, linewidth=1.5)
        sheet.plot(
            x + 0.17, y, stroke.marker, color=stroke.colour, markersize=6, markeredgecolor="white", markeredgewidth=0.6
        )
        write(sheet, x + 0.42, y, stroke.words, 8)
        x += 0.42 + text_width(stroke.words, 8) + 0.28


def spaced(rung: str) -> str:
    """A rung's name with room around its plus signs, so that it may be broken there."""
    return " + ".join(part.strip() for part in rung.split("+"))


@dataclass(frozen=True)
class _Cell:
    """One cell of a heat map: its place on the colour scale (None: not known), its number, and what is small below."""

    place: float | None
    words: str
    small: str = ""
    bold: bool = False


def class_retention_picture(ladder: Ladder, method: Method = "progressive", share: float = ENOUGH) -> bytes:
    """Classes x rungs: the share of the teacher's F1 that one method's students keep, most lost on the last rung first.

    A number is bold where the lower end of its interval is at least ``share``.
    """
    rungs = {name: rung.methods[method] for name, rung in ladder.rungs.items() if method in rung.methods}
    last = list(rungs.values())[-1].class_retention if rungs else {}
    known = {name: kept.value for name, kept in last.items() if kept}
    classes = sorted(ladder.support, key=lambda name: known.get(name, np.inf))
    rows = [[_kept_cell(outcome.retention, share) for outcome in rungs.values()]]
    rows += [[_kept_cell(outcome.class_retention[name], share) for outcome in rungs.values()] for name in classes]
    names = ["macro-F1", *(f"{shorten(name)} ({ladder.support[name]:,})" for name in classes)]
    note = f"Students: {STROKES[method].words}. In brackets: test cells. Bold: at least {share:g} for certain."
    if any(kept is None for outcome in rungs.values() for kept in outcome.class_retention.values()):
        note += " –: the teacher itself may not know it."  # noqa: RUF001
    table = _Table(rows, names, [spaced(name) for name in rungs])
    return _heat_map(table, _KEPT, (1.25, 0.36), RETENTION_TITLE, note, upright=False)


def _kept_cell(kept: Estimate | None, share: float) -> _Cell:
    if kept is None:
        return _Cell(None, "–")  # noqa: RUF001
    return _Cell(kept.value, f"{kept.value:.2f}", f"{kept.low:.2f} to {kept.high:.2f}", bold=kept.low >= share)


def attention_picture(attention: NDArray[np.float64], class_names: Sequence[str], modalities: Sequence[str]) -> bytes:
    """Modalities x classes: per cent of the teacher's attention, the modality that gets most on average first.

    Parameters
    ----------
    attention : (classes, modalities) as `outcrop.learning.evaluation.attention_by_class` gives it; classes whose row is
        NaN are left out
    """
    seen = [c for c in range(len(class_names)) if np.isfinite(attention[c]).all()]
    shares = attention[seen].T
    mean = shares.mean(axis=1)
    order = np.argsort(-mean, kind="stable")
    rows = [[_Cell(value / shares.max(), f"{100 * value:.0f}") for value in (mean[m], *shares[m])] for m in order]
    columns = ["mean", *(class_names[c] for c in seen)]
    note = "Each column sums to 100. What a modality contributes past the attention is not counted."
    names = [modalities[m] for m in order]
    return _heat_map(_Table(rows, names, columns), _HEEDED, (0.5, 0.4), ATTENTION_TITLE, note, upright=True)


@dataclass(frozen=True)
class _Table:
    """Cells of a heat map with the names of its rows and columns."""

    rows: Sequence[Sequence[_Cell]]
    row_names: Sequence[str]
    column_names: Sequence[str]


def _heat_map(
    table: _Table, colours: Colormap, cell: tuple[float, float], title: str, note: str, *, upright: bool
) -> bytes:
    """Cells with their numbers; the first row stands apart, or the first column where names of columns run ``upright``.

    Parameters
    ----------
    cell : width and height in inches
    """
    across, down = cell
    heads = [[shorten(name)] if upright else wrap(name, across - 0.05, 8, 3) for name in table.column_names]
    tall = max((text_width(head[0], 8) if upright else 0.14 * len(head) for head in heads), default=0.0)
    left, top = 0.2 + max(text_width(name, 8) for name in table.row_names), 0.42 + tall
    right, bottom = left + across * len(heads) + APART, top + down * len(table.rows) + APART
    width = max(right + 0.1, text_width(title, 9) + 0.2, text_width(note, 7) + 0.2)
    figure = Figure(figsize=(width, bottom + 0.32), dpi=DPI)
    sheet = inches(figure, 0, 0, width, bottom + 0.32)
    write(sheet, 0.08, 0.12, title, 9)
    write(sheet, 0.08, bottom + 0.16, note, 7)
    for c, head in enumerate(heads):
        x = left + across * (c + 0.5) + (APART if upright and c else 0)
        sheet.text(
            x, top - 0.06, "\n".join(head), ha="center", va="bottom", fontsize=8, color=INK, parse_math=False,
            rotation=90 if upright else 0,
        )  # fmt: skip
    for r, (name, row) in enumerate(zip(table.row_names, table.rows, strict=True)):
        y = top + down * r + (APART if r and not upright else 0)
        sheet.text(left - 0.08, y + down / 2, name, ha="right", va="center", fontsize=8, color=INK, parse_math=False)
        for c, drawn in enumerate(row):
            _draw_cell(sheet, left + across * c + (APART if upright and c else 0), y, cell, drawn, colours)
    return png(figure)


def _draw_cell(sheet: Axes, x: float, y: float, size: tuple[float, float], cell: _Cell, colours: Colormap) -> None:
    red, green, blue = colours(cell.place)[:3] if cell.place is not None else to_rgb(_UNKNOWN)
    ink = "white" if _luminance((red, green, blue)) < 0.22 else PAPER.ink
    sheet.add_patch(Rectangle((x, y), *size, facecolor=(red, green, blue), edgecolor="white", linewidth=0.8))
    middle, weight = y + size[1] / 2, "bold" if cell.bold else "normal"
    centre = x + size[0] / 2
    if cell.small:
        sheet.text(centre, middle + 0.085, cell.small, ha="center", va="center", fontsize=6.5, color=ink)
        middle -= 0.065
    sheet.text(centre, middle, cell.words, ha="center", va="center", fontsize=8.5, color=ink, weight=weight)


def _luminance(colour: tuple[float, float, float]) -> float:
    """Relative luminance of sRGB, as WCAG 2 defines it: below 0.22 white is read more easily than the dark ink."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
