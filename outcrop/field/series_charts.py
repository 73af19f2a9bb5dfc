"""The time series of a site as a chart, in PNG bytes. No meaning hangs on colour alone: marks differ in shape."""

from collections.abc import Sequence

import numpy as np
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure

from outcrop.field.charts import MODEL_COLOURS
from outcrop.field.drawing import DPI, INK, dress, png
from outcrop.field.series import Moment

CHANGE, DRIFT = "#c2402a", "#8a5a00"


def series_picture(moments: Sequence[Moment]) -> bytes:
    """P50 as a line, P5 to P95 as a band, against the date; above it a triangle for change and a cross for drift.

    Parameters
    ----------
    moments : of one profile and unit, in the order of their dates
    """
    figure = Figure(figsize=(9.6, 3.4), dpi=DPI)
    axes = figure.subplots()
    figure.subplots_adjust(left=0.08, right=0.99, top=0.8, bottom=0.1)
    dress(axes)
    days = date2num([each.acquired for each in moments])
    low, middle, high = (np.array([getattr(each.uptake, name) for each in moments]) for name in ("p5", "p50", "p95"))
    colour = MODEL_COLOURS["student"]
    axes.fill_between(days, low, high, color=colour, alpha=0.18, linewidth=0)
    axes.vlines(days, low, high, color=colour, linewidth=3, alpha=0.35, label="P5 to P95")
    axes.plot(days, middle, "o-", color=colour, linewidth=1.8, markersize=5, label="P50")
    bottom = min(float(low.min()), 0.0)
    axes.set_ylim(bottom, max(float(high.max()) * 1.08, bottom + 1e-9))
    signs = {
        "change": ([each.acquired for each in moments if each.changed], "^", CHANGE),
        "drift": ([each.acquired for each in moments if each.drift != "none"], "X", DRIFT),
    }
    for place, (name, (dates, marker, ink)) in enumerate(signs.items()):
        if not dates:
            continue
        for day in date2num(dates):
            axes.axvline(day, color=ink, linewidth=0.9, linestyle=(0, (2, 3)), alpha=0.8)
        heights = np.full(len(dates), 1.04 + 0.07 * place)
        axes.plot(
            date2num(dates), heights, marker, color=ink, markersize=7, markeredgecolor="white", clip_on=False,
            transform=axes.get_xaxis_transform(), label=name, linestyle="none",
        )  # fmt: skip
    locator = AutoDateLocator(minticks=2, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    reach = max(float(np.ptp(days)), 60.0)
    axes.set_xlim(days[0] - 0.05 * reach, days[-1] + 0.05 * reach)
    axes.set_ylabel(moments[-1].unit, color=INK, fontsize=8)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.0, 1.14), ncols=4, frameon=False, fontsize=8, labelcolor=INK,
        handletextpad=0.5, borderaxespad=0,
    )  # fmt: skip
    return png(figure)
