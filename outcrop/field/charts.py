"""Charts for people, as PNG bytes: learning curves, confusion matrices, scores with their intervals."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from numpy.typing import NDArray

from outcrop.field.drawing import DPI, INK, draw_key, dress, inches, placed, png, shorten

if TYPE_CHECKING:
    from outcrop.learning.contenders import Arm, Contender, Result

MODEL_COLOURS = {"teacher": "#8f74c4", "student": "#1f93a8", "control": "#d0882a"}
OTHER_COLOURS = ("#6d9a3f", "#c25b78", "#5f7fc9", "#8a8f96")
SEARCH_COLOURS = {"defaults": "#c25b78", "evolved": "#1f93a8", "random": "#d0882a"}
#: A confusion matrix writes its counts up to this many classes.
COUNTED_CLASSES = 12

_AGREEMENT = LinearSegmentedColormap.from_list("agreement", ["#e6eef1", "#5ba0b5", "#0d4f66"])
_CONFUSION = LinearSegmentedColormap.from_list("confusion", ["#f1efec", "#eda268", "#a8430f"])


def learning_curves(histories: Mapping[str, Sequence[Mapping[str, float]]]) -> bytes:
    """Training loss and validation macro-F1 per epoch, a line a model; a dot marks each model's best epoch.

    Parameters
    ----------
    histories : of each model, one entry an epoch with ``epoch``, ``loss`` and ``val_macro_f1``; a value that is missing
        leaves a gap
    """
    figure = Figure(figsize=(9.6, 3.4), dpi=DPI)
    plots = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.06, right=0.99, top=0.8, bottom=0.14, wspace=0.16)
    for axes, title in zip(plots, ("training loss", "validation macro-F1"), strict=True):
        dress(axes, title)
        axes.set_xlabel("epoch", color=INK, fontsize=8)
    entries = []
    for index, (name, history) in enumerate(histories.items()):
        colour = _model_colour(name, index)
        epochs, losses, scores = (_series(history, key) for key in ("epoch", "loss", "val_macro_f1"))
        plots[0].plot(epochs, losses, color=colour, linewidth=1.6)
        plots[1].plot(epochs, scores, color=colour, linewidth=1.6)
        entries.append((name, colour))
        if np.isfinite(scores).any():
            best = int(np.nanargmax(scores))
            entries[-1] = (f"{name}, best {scores[best]:.3f} in epoch {epochs[best]:g}", colour)
            plots[1].plot(epochs[best], scores[best], "o", color=colour, markersize=6, markeredgecolor="white")
            plots[1].axvline(epochs[best], color=colour, linewidth=0.8, linestyle=(0, (2, 3)), alpha=0.7)
    draw_key(inches(figure, 0.58, 0.02, 9.0, 0.4), entries, font=8)
    return png(figure)


def confusion_picture(matrix: NDArray[np.integer | np.floating], class_names: Sequence[str]) -> bytes:
    """A confusion matrix, coloured by the share of each row; counts are written where the classes are few.

    Parameters
    ----------
    matrix : (classes, classes) cells, by true class (row) and predicted class (column)
    """
    counts = np.asarray(matrix, dtype=np.float64)
    size, support = len(class_names), counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, support, out=np.zeros_like(counts), where=support > 0)
    pixels = np.where(np.eye(size, dtype=bool)[..., None], _AGREEMENT(shares), _CONFUSION(shares))
    cell = 0.46 if size <= COUNTED_CLASSES else max(0.16, 5.5 / size)
    names = [shorten(name) for name in class_names]
    margin = 0.38 + 0.057 * max(map(len, names))
    side = cell * size
    figure = Figure(figsize=(margin + side + 0.1, margin + side + 0.1), dpi=DPI)
    axes = figure.add_axes(placed(figure, margin, 0.1, side, side))
    axes.imshow(pixels, interpolation="nearest")
    dress(axes)
    axes.set_xticks(range(size), names, rotation=90, parse_math=False)
    axes.set_yticks(range(size), names, parse_math=False)
    axes.set_xticks(np.arange(size - 1) + 0.5, minor=True)
    axes.set_yticks(np.arange(size - 1) + 0.5, minor=True)
    axes.tick_params(which="both", length=0)
    axes.grid(False)
    axes.grid(which="minor", color="white", linewidth=0.8)
    axes.set_xlabel("predicted", color=INK, fontsize=8)
    axes.set_ylabel("true", color=INK, fontsize=8)
    if size <= COUNTED_CLASSES:
        for row, column in np.ndindex(size, size):
            shade = "white" if shares[row, column] > 0.45 else "#4c545b"
            text = f"{counts[row, column]:,.0f}" if counts[row, column] else "·"
            axes.text(column, row, text, ha="center", va="center", fontsize=6, color=shade)
    return png(figure)


def macro_f1_picture(rows: Sequence[tuple[str, float, float, float]]) -> bytes:
    """Macro-F1 of each model as a dot with its interval.

    Parameters
    ----------
    rows : name, macro-F1, lower and upper end of its interval (NaN: none)
    """
    names = [shorten(row[0], 40) for row in rows]
    margin, height = 0.15 + 0.063 * max(map(len, names)), 0.34 * len(rows)
    figure = Figure(figsize=(8.4, height + 0.6), dpi=DPI)
    axes = figure.add_axes(placed(figure, margin, 0.1, 8.4 - margin - 0.6, height))
    dress(axes)
    for place, (name, value, low, high) in enumerate(rows):
        colour = _model_colour(name, place)
        axes.plot([low, high], [place, place], color=colour, linewidth=5, alpha=0.35, solid_capstyle="round")
        axes.plot(value, place, "o", color=colour, markersize=7, markeredgecolor="white")
        axes.annotate(
            f"{value:.3f}", (1, place), xycoords=("axes fraction", "data"), xytext=(8, 0), textcoords="offset points",
            va="center", fontsize=8, color=INK,
        )  # fmt: skip
    axes.set_yticks(range(len(rows)), names, parse_math=False, fontsize=8)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("macro-F1 on the test blocks, with its 95 % interval", color=INK, fontsize=8)
    return png(figure)


def search_picture(result: "Result") -> bytes:
    """What a search found: the best candidate so far after each short training, and how short and full ones agree.

    Left, differential evolution, each random search, and the defaults as a broken line. Right, all candidates that were
    trained in full: a dot at the mean of the new seeds, a bar from the lowest to the highest, a ring around the winner.
    """
    figure = Figure(figsize=(9.6, 3.7), dpi=DPI)
    plots = figure.subplots(1, 2)
    figure.subplots_adjust(left=0.06, right=0.99, top=0.81, bottom=0.13, wspace=0.16)
    share, seeds = f"{result.fidelity:.0%}".replace("%", " %") + " of the epochs", len(result.new_seeds)
    agreement = result.rank_correlation
    ranks = "" if agreement is None else f", rank correlation {agreement:.2f}"
    dress(plots[0], "lowest loss (1 - macro-F1) so far, validation blocks")
    dress(plots[1], f"validation macro-F1 in full, {seeds} new seed{'s' * (seeds > 1)}{ranks}")
    plots[0].set_xlabel(f"short trainings ({share})", color=INK, fontsize=8)
    plots[1].set_xlabel(f"validation macro-F1 after {share}", color=INK, fontsize=8)
    plots[0].axhline(result.defaults.low.loss, color=SEARCH_COLOURS["defaults"], linewidth=1.2, linestyle=(0, (4, 3)))
    for arm in (*result.random, result.evolved):
        _draw_arm(plots, arm, SEARCH_COLOURS["evolved" if arm is result.evolved else "random"])
    _draw_contender(plots[1], result.defaults, SEARCH_COLOURS["defaults"])
    won = result.winner
    plots[1].plot(won.low.macro_f1, won.macro_f1, "o", markersize=11, markerfacecolor="none", markeredgecolor=INK)
    entries = [(f"defaults, {result.defaults.macro_f1:.3f} in full", SEARCH_COLOURS["defaults"])]
    if result.evolved.promoted:
        best = result.evolved.best.macro_f1
        entries.append((f"{result.evolved.name}, best {best:.3f}", SEARCH_COLOURS["evolved"]))
    if reached := sorted({f"{arm.best.macro_f1:.3f}" for arm in result.random if arm.promoted}):
        ends = reached[0] if len(reached) == 1 else f"{reached[0]}-{reached[-1]}"
        entries.append((f"random search, {len(result.random)} x, best {ends}", SEARCH_COLOURS["random"]))
    draw_key(inches(figure, 0.58, 0.02, 9.0, 0.3), entries, font=8)
    return png(figure)


def _draw_arm(plots: Sequence[Axes], arm: "Arm", colour: str) -> None:
    plots[0].step(range(1, len(arm.curve) + 1), arm.curve, where="post", color=colour, linewidth=1.6, alpha=0.85)
    for contender in arm.promoted:
        _draw_contender(plots[1], contender, colour)


def _draw_contender(axes: Axes, contender: "Contender", colour: str) -> None:
    scores = [outcome.macro_f1 for outcome in contender.full]
    place = contender.low.macro_f1
    axes.plot([place, place], [min(scores), max(scores)], color=colour, linewidth=3, alpha=0.35, solid_capstyle="round")
    axes.plot(place, contender.macro_f1, "o", color=colour, markersize=6, markeredgecolor="white")


def _model_colour(name: str, index: int) -> str:
    """The colour of a model's role, read off the first word of its name; another one a model without a role."""
    role = name.split(maxsplit=1)[0].strip(":,").lower() if name.strip() else ""
    return MODEL_COLOURS.get(role, OTHER_COLOURS[index % len(OTHER_COLOURS)])


def _series(history: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    return np.array([entry.get(key, np.nan) for entry in history], dtype=np.float64)
