"""Pictures of an onboarding, as PNG bytes: what labels buy, and the site before and after with the points to label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from numpy.typing import NDArray

from outcrop.field.charts import MODEL_COLOURS
from outcrop.field.drawing import DPI, INK, draw_key, dress, inches, key_columns, placed, png
from outcrop.field.pictures import UNSCORED

#: Labels, median, 5th and 95th percentile.
CurvePoint = tuple[int, float, float, float]
#: Inches along the longer side of a map.
MAP_SIDE = 3.1


def curve_picture(curves: Mapping[str, Sequence[CurvePoint]], start: Mapping[str, float], used: int) -> bytes:
    """A panel a metric: the median over the draws as a line, 5-95 % as a band, from the unadapted model on.

    Parameters
    ----------
    curves : by metric
    start : by metric, that of the unadapted model
    used : labels that the model was adapted with
    """
    figure = Figure(figsize=(9.6, 3.2), dpi=DPI)
    plots = figure.subplots(1, len(curves), squeeze=False)[0]
    figure.subplots_adjust(left=0.06, right=0.99, top=0.88, bottom=0.17, wspace=0.16)
    for axes, (metric, points) in zip(plots, curves.items(), strict=True):
        dress(axes, f"{metric} on the test blocks")
        _draw_curve(axes, [(0, start[metric], start[metric], start[metric]), *points], start[metric])
        axes.axvline(np.sqrt(used), color=INK, linewidth=0.8, linestyle=(0, (2, 3)))
        axes.set_xlabel("labels", color=INK, fontsize=8)
    return png(figure)


def _draw_curve(axes: Axes, points: Sequence[CurvePoint], start: float) -> None:
    labels, middle, low, high = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    places = np.sqrt(labels)  # few labels are told apart, many do not crowd them out
    axes.fill_between(places, low, high, color=MODEL_COLOURS["student"], alpha=0.22, linewidth=0)
    axes.plot(places, middle, "o-", color=MODEL_COLOURS["student"], linewidth=1.8, markersize=4)
    axes.axhline(start, color=MODEL_COLOURS["control"], linewidth=1, linestyle=(0, (4, 3)))
    axes.set_xticks(places, [f"{label:g}" for label in labels])


@dataclass(frozen=True)
class Marks:
    """Points on a map: rows and columns in cells, and the words beside them, if any."""

    rows: Sequence[float]
    cols: Sequence[float]
    words: Sequence[str] = ()


NO_MARKS = Marks((), ())


def before_after_picture(
    maps: Mapping[str, NDArray[np.uint8]],
    names: Sequence[str],
    colours: Sequence[str],
    stride: int,
    labelled: Marks = NO_MARKS,
    proposed: Marks = NO_MARKS,
    differing: str = "changed, and where to label next",
) -> bytes:
    """A map, or two and where they differ (``differing``); with labels (rings) and places to label next, if any.

    Parameters
    ----------
    maps : one or two of (rows, columns), class or 255, by title
    stride : cells that an element of a map stands for along either axis
    """
    table = np.tile(to_rgba_array(UNSCORED), (256, 1))
    table[: len(colours)] = to_rgba_array(list(colours))
    panels = [(title, table[codes]) for title, codes in maps.items()]
    if len(maps) > 1:
        panels.append((differing, _changes(*maps.values())))
    rows, cols = next(iter(maps.values())).shape
    height, width = (MAP_SIDE * side / max(rows, cols) for side in (rows, cols))
    present = sorted(set(np.unique(np.stack(list(maps.values()))).tolist()) - {255})
    key = [(names[value], colours[value]) for value in present]
    across = 3 * width + 0.3
    lines = -(-len(key) // key_columns(key, across)) if key else 0
    figure = Figure(figsize=(across, height + 0.35 + 0.16 * lines), dpi=DPI)
    for index, (title, pixels) in enumerate(panels):
        axes = figure.add_axes(placed(figure, index * (width + 0.15), 0.22, width, height))
        axes.set_axis_off()
        axes.imshow(pixels, interpolation="nearest", extent=(0, cols * stride, rows * stride, 0), aspect="auto")
        axes.set_title(title, fontsize=8, color=INK, loc="left", pad=3, parse_math=False)
        if index < len(maps):
            axes.plot(labelled.cols, labelled.rows, "o", ms=4, mfc="none", mec="white", mew=1.4)
            axes.plot(labelled.cols, labelled.rows, "o", ms=4, mfc="none", mec="black", mew=0.5)
        else:
            _number(axes, proposed)
    draw_key(inches(figure, 0, height + 0.3, across, 0.1 + 0.16 * lines), key)
    return png(figure)


def _changes(before: NDArray[np.uint8], after: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(rows, columns, 4): dark where two maps differ."""
    pixels = np.tile(to_rgba_array(UNSCORED), (*before.shape, 1)).reshape(*before.shape, 4)
    pixels[(before != 255) & (after != 255)] = to_rgba_array("#e4e1da")[0]
    pixels[(before != after) & (before != 255) & (after != 255)] = to_rgba_array("#5ba0b5")[0]
    return pixels


def _number(axes: Axes, marks: Marks) -> None:
    axes.plot(marks.cols, marks.rows, "o", ms=8, mfc="#c2402a", mec="white", mew=0.8)
    for row, col, word in zip(marks.rows, marks.cols, marks.words, strict=True):
        axes.text(col, row, word, ha="center", va="center", fontsize=5, color="white", parse_math=False)
