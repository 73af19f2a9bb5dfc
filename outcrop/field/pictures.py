"""Pictures for people: quicklooks, maps, curves and matrices as PNG bytes.

Use them in a report. They are drawn on a transparent ground in mid-tone ink, so that one picture reads on a light and
on a dark page; equal input gives equal bytes. Nothing here touches pyplot or any other global state, and every text is
drawn literally (a ``$`` in a class name is a dollar sign, not a formula).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import rasterio
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from rasterio.enums import Resampling

from outcrop.errors import DataError
from outcrop.survey.sites import NO_LABEL, SPLITS, LabelClass, Raster, Scene

Codes = NDArray[np.uint8]
Rgba = NDArray[np.float64]

#: Pixels per inch. Twice a screen's, so that a picture shown at half its pixel size is sharp.
DPI = 200
#: Ink that reads on white and on near-black.
INK = "#7a8087"
FAINT = "#a3a9b038"
#: Right and wrong differ in hue and in lightness: they stay apart for every kind of colour vision, and in grey print.
RIGHT, WRONG, UNSCORED = "#0b7a66", "#f0793a", "#a9aeb455"
SPLIT_COLOURS = {"train": "#3b7ea1", "val": "#e0b13c", "test": "#a2597f"}
MODEL_COLOURS = {"teacher": "#8f74c4", "student": "#1f93a8", "control": "#d0882a"}
OTHER_COLOURS = ("#6d9a3f", "#c25b78", "#5f7fc9", "#8a8f96")
#: Centre wavelengths, in micrometres, of what an eye sees as red, green and blue.
RED_GREEN_BLUE = (0.66, 0.56, 0.48)
#: A confusion matrix writes its counts up to this many classes.
COUNTED_CLASSES = 12

_AGREEMENT = LinearSegmentedColormap.from_list("agreement", ["#e6eef1", "#5ba0b5", "#0d4f66"])
_CONFUSION = LinearSegmentedColormap.from_list("confusion", ["#f1efec", "#eda268", "#a8430f"])


@dataclass(frozen=True)
class _Panel:
    """One map: (H, W, 4) colours, 0-1, and the words above it."""

    pixels: Rgba
    title: str = ""


def quicklook(raster: Raster, max_side: int = 512) -> bytes:
    """One modality at a glance, each band stretched between its 2nd and 98th percentile.

    Three bands or more are shown as colour: natural colour where the wavelengths allow it, else three bands spread over
    the spectrum, or the first three where no wavelength is known. Fewer are shown as one band with a colour bar in the
    raster's unit. Pixels without data show the hatched ground.

    Parameters
    ----------
    raster : it is read decimated, from its overviews where it has them
    max_side : longer side of the map, in pixels of the picture and, at most, of what is read
    """
    bands = _shown_bands(raster)
    values = _read_decimated(raster.path, bands, max_side, Resampling.average) * raster.scale + raster.offset
    names = ", ".join(raster.bands[band].name for band in bands)
    limits = [_stretch(band) for band in values]
    shares = [np.clip((band - low) / (high - low), 0, 1) for band, (low, high) in zip(values, limits, strict=True)]
    hollow = ~np.isfinite(values).all(axis=0)
    if len(bands) == 1:
        pixels = np.asarray(colormaps["viridis"](np.nan_to_num(shares[0])))
    else:
        pixels = np.dstack([*(np.nan_to_num(share) for share in shares), np.ones(hollow.shape)])
    pixels[hollow] = 0
    figure, footer = _lay_out([_Panel(pixels)], max_side, footer=0.42 if len(bands) == 1 else 0.2)
    if len(bands) == 1:
        _draw_bar(footer, *limits[0], label=f"{names}  [{raster.unit}]" if raster.unit else names)
    else:
        _write(footer, 0, 0.13, f"red, green, blue: {names}")
    return _png(figure)


def label_map(scene: Scene, classes: Sequence[LabelClass], max_side: int = 512) -> bytes:
    """The labels of a scene in the colours of the vocabulary, with a key to the classes that occur."""
    codes = _read_codes(scene.labels, max_side)
    return _categorical(codes, {**_vocabulary(classes), NO_LABEL: ("no label", UNSCORED)}, max_side)


def split_map(scene: Scene, max_side: int = 512) -> bytes:
    """The training, validation and test blocks of a scene, and the buffer between them."""
    names = {value: (name, SPLIT_COLOURS[name]) for name, value in SPLITS.items()}
    codes = _read_codes(scene.split, max_side)
    return _categorical(codes, {**names, 0: ("buffer or unused", UNSCORED)}, max_side)


def correctness_map(
    prediction: Codes, labels: Codes, classes: Sequence[LabelClass], max_side: int = 660, where: object = None
) -> bytes:
    """Where a model was right and where it was wrong, beside what the labels say and what it said.

    A cell is scored if it has both a prediction and a label. The map is cropped to the scored cells; of a large scene,
    each drawn cell is the most frequent of those it stands for.

    Parameters
    ----------
    prediction, labels : (H, W) class value, 255: none
    where : named in the error

    Raises
    ------
    DataError : no cell is scored.
    """
    scored = (prediction != NO_LABEL) & (labels != NO_LABEL)
    if not scored.any():
        raise DataError("no cell has both a prediction and a label", where=where, remedy="leave out this scene's map")
    crop = _bounds(scored)
    verdict = np.where(scored, prediction == labels, NO_LABEL).astype(np.uint8)[crop]
    maps = [np.where(scored, codes, NO_LABEL).astype(np.uint8)[crop] for codes in (labels, prediction)]
    step = -(-max(verdict.shape) // max_side)
    names = _vocabulary(classes)
    truth, said, judged = (_most_frequent(codes, step) for codes in (*maps, verdict))
    judgement = {1: ("right", RIGHT), 0: ("wrong", WRONG)}
    panels = [
        _Panel(_colours(truth, names), "labels"),
        _Panel(_colours(said, names), "model"),
        _Panel(_colours(judged, judgement), f"right in {np.mean(verdict[verdict != NO_LABEL]):.1%} of the cells"),
    ]
    present = set(np.unique(np.stack([truth, said]))) - {NO_LABEL}
    key = [entry for value, entry in names.items() if value in present]
    return _map_with_key(panels, [*judgement.values(), ("not scored", UNSCORED), *key], max_side)


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
        _dress(axes, title)
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
    _draw_key(_inches(figure, 0.58, 0.02, 9.0, 0.4), entries, font=8)
    return _png(figure)


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
    names = [_shorten(name) for name in class_names]
    margin = 0.38 + 0.057 * max(map(len, names))
    side = cell * size
    figure = Figure(figsize=(margin + side + 0.1, margin + side + 0.1), dpi=DPI)
    axes = figure.add_axes(_placed(figure, margin, 0.1, side, side))
    axes.imshow(pixels, interpolation="nearest")
    _dress(axes)
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
    return _png(figure)


def macro_f1_picture(rows: Sequence[tuple[str, float, float, float]]) -> bytes:
    """Macro-F1 of each model as a dot with its interval.

    Parameters
    ----------
    rows : name, macro-F1, lower and upper end of its interval (NaN: none)
    """
    names = [_shorten(row[0], 40) for row in rows]
    margin, height = 0.15 + 0.063 * max(map(len, names)), 0.34 * len(rows)
    figure = Figure(figsize=(8.4, height + 0.6), dpi=DPI)
    axes = figure.add_axes(_placed(figure, margin, 0.1, 8.4 - margin - 0.6, height))
    _dress(axes)
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
    return _png(figure)


def _shown_bands(raster: Raster) -> tuple[int, ...]:
    """Indices of the three bands to show as red, green and blue, or of the one to show alone."""
    centres = [band.centre_um for band in raster.bands]
    if len(centres) < 3:
        return (0,)
    known = [(index, centre) for index, centre in enumerate(centres) if centre is not None]
    if len(known) < 3:
        return (0, 1, 2)
    nearest = tuple(min(known, key=lambda entry: abs(entry[1] - wanted))[0] for wanted in RED_GREEN_BLUE)
    if len(set(nearest)) == 3:
        return nearest
    spread = sorted(known, key=lambda entry: entry[1])
    return spread[-1][0], spread[len(spread) // 2][0], spread[0][0]


def _read_decimated(path: Path, bands: Sequence[int], max_side: int, resampling: Resampling) -> NDArray[np.float64]:
    """(bands, H, W) stored numbers, neither side longer than ``max_side``; NaN without data."""
    with rasterio.open(path) as source:
        shape = _decimated(source.height, source.width, max_side)
        indexes = [band + 1 for band in bands]
        stored = source.read(indexes, out_shape=(len(bands), *shape), resampling=resampling, masked=True)
    return np.asarray(np.ma.filled(stored.astype(np.float64), np.nan))


def _read_codes(path: Path, max_side: int) -> Codes:
    with rasterio.open(path) as source:
        shape = _decimated(source.height, source.width, max_side)
        return np.asarray(source.read(1, out_shape=shape, resampling=Resampling.mode), dtype=np.uint8)


def _decimated(height: int, width: int, max_side: int) -> tuple[int, int]:
    ratio = min(1.0, max_side / max(height, width))
    return max(1, round(height * ratio)), max(1, round(width * ratio))


def _stretch(values: NDArray[np.float64]) -> tuple[float, float]:
    """2nd and 98th percentile; of a band that does not vary, its value and one unit more."""
    valid = values[np.isfinite(values)]
    if not valid.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(valid, (2, 98)))
    return low, high if high > low else low + 1


def _bounds(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The smallest window that holds every True cell."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def _most_frequent(codes: Codes, step: int) -> Codes:
    """The most frequent code of each ``step`` x ``step`` square, ignoring 255; of equals the lowest, so wrong wins."""
    if step == 1:
        return codes
    height, width = (-(-side // step) for side in codes.shape)
    whole = np.full((height * step, width * step), NO_LABEL, dtype=np.uint8)
    whole[: codes.shape[0], : codes.shape[1]] = codes
    squares = whole.reshape(height, step, width, step)
    winner = np.full((height, width), NO_LABEL, dtype=np.uint8)
    most = np.zeros((height, width), dtype=np.int64)
    for code in np.unique(codes[codes != NO_LABEL]):
        count = (squares == code).sum(axis=(1, 3))
        winner[count > most] = code
        most = np.maximum(most, count)
    return winner


def _vocabulary(classes: Sequence[LabelClass]) -> dict[int, tuple[str, str]]:
    """Name and colour of each class by its value."""
    return {entry.value: (entry.name, entry.colour) for entry in classes}


def _categorical(codes: Codes, names: Mapping[int, tuple[str, str]], max_side: int) -> bytes:
    """A map of codes with a key to those that occur."""
    present = set(np.unique(codes).tolist())
    key = [entry for value, entry in names.items() if value in present]
    return _map_with_key([_Panel(_colours(codes, names))], key, max_side)


def _colours(codes: Codes, names: Mapping[int, tuple[str, str]]) -> Rgba:
    """(H, W, 4) colours of codes; those without a name are drawn as not scored."""
    table = np.tile(to_rgba_array(UNSCORED), (256, 1))
    for value, (_, colour) in names.items():
        table[value] = to_rgba_array(colour)[0]
    return np.asarray(table[codes])


def _map_with_key(panels: Sequence[_Panel], key: Sequence[tuple[str, str]], max_side: int) -> bytes:
    across, _ = _arrange(panels, max_side)
    rows = -(-len(key) // _key_columns(key, across)) if key else 0
    figure, footer = _lay_out(panels, max_side, footer=0.1 + 0.16 * rows)
    _draw_key(footer, key)
    return _png(figure)


def _arrange(panels: Sequence[_Panel], max_side: int) -> tuple[float, bool]:
    """Width of the maps together, in inches, and whether they stand above one another (as wide ones do)."""
    height, width = panels[0].pixels.shape[:2]
    stacked = len(panels) > 1 and width > 2 * height
    one = max_side / DPI * width / max(height, width)
    return max(1.6, one if stacked else len(panels) * one + (len(panels) - 1) * 0.15), stacked


def _lay_out(panels: Sequence[_Panel], max_side: int, footer: float) -> tuple[Figure, Axes]:
    """Draw the maps side by side or stacked, over a footer of that many inches whose axes count in inches."""
    across, stacked = _arrange(panels, max_side)
    rows, columns = panels[0].pixels.shape[:2]
    height, width = (max_side / DPI * side / max(rows, columns) for side in (rows, columns))
    title = 0.2 if any(panel.title for panel in panels) else 0.0
    down = (len(panels) if stacked else 1) * (height + title)
    figure = Figure(figsize=(across, down + footer), dpi=DPI)
    for index, panel in enumerate(panels):
        x, y = (0.0, index * (height + title)) if stacked else (index * (width + 0.15), 0.0)
        axes = figure.add_axes(_placed(figure, x, y + title, width, height))
        axes.set_axis_off()
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=FAINT, edgecolor=INK, hatch="////",
                                 linewidth=0, alpha=0.2))  # fmt: skip
        axes.imshow(panel.pixels, interpolation="nearest", aspect="auto", zorder=2)
        axes.set_title(panel.title, fontsize=8, color=INK, loc="left", pad=3, parse_math=False)
    return figure, _inches(figure, 0, down, across, footer)


def _placed(figure: Figure, x: float, y: float, width: float, height: float) -> tuple[float, float, float, float]:
    """Inches from the upper left corner, as matplotlib's shares from the lower left."""
    whole_width, whole_height = figure.get_size_inches()
    return x / whole_width, 1 - (y + height) / whole_height, width / whole_width, height / whole_height


def _inches(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Invisible axes whose units are inches, x to the right and y down."""
    axes = figure.add_axes(_placed(figure, x, y, width, height))
    axes.set_axis_off()
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    return axes


def _key_columns(entries: Sequence[tuple[str, str]], width: float, font: float = 7.5) -> int:
    """How many entries of a key fit beside one another: a glyph is about 0.6 of its size wide."""
    longest = max(len(_shorten(name, 48)) for name, _ in entries)
    return max(1, min(len(entries), int(width / (0.25 + longest * font * 0.6 / 72))))


def _draw_key(axes: Axes, entries: Sequence[tuple[str, str]], font: float = 7.5) -> None:
    if not entries:
        return
    width = axes.get_xlim()[1]
    columns = _key_columns(entries, width, font)
    for index, (name, colour) in enumerate(entries):
        x, y = index % columns * width / columns, 0.1 + index // columns * 0.16
        axes.add_patch(Rectangle((x, y), 0.1, 0.1, facecolor=colour, linewidth=0))
        _write(axes, x + 0.15, y + 0.055, _shorten(name, 48), font)


def _draw_bar(axes: Axes, low: float, high: float, label: str) -> None:
    """A colour bar as wide as the map, its ends in the unit of the data."""
    width = axes.get_xlim()[1]
    ramp = np.linspace(0, 1, 256)[None]
    axes.imshow(ramp, cmap="viridis", extent=(0, width, 0.17, 0.08), aspect="auto", interpolation="nearest")
    axes.set_ylim(0.42, 0)
    axes.set_xlim(0, width)
    _write(axes, 0, 0.27, f"{low:.4g}")
    axes.text(width, 0.27, f"{high:.4g}", ha="right", va="center", fontsize=7.5, color=INK)
    axes.text(width / 2, 0.27, label, ha="center", va="center", fontsize=7.5, color=INK, parse_math=False)


def _write(axes: Axes, x: float, y: float, text: str, font: float = 7.5) -> None:
    axes.text(x, y, text, ha="left", va="center", fontsize=font, color=INK, parse_math=False)


def _dress(axes: Axes, title: str = "") -> None:
    """The plain look that all plots share: no box, faint grid, mid-tone ink."""
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=INK, labelsize=7, length=0)
    axes.set_title(title, fontsize=9, color=INK, loc="left", pad=6)


def _model_colour(name: str, index: int) -> str:
    """The colour of a model's role, read off the first word of its name; another one a model without a role."""
    role = name.split(maxsplit=1)[0].strip(":,").lower() if name.strip() else ""
    return MODEL_COLOURS.get(role, OTHER_COLOURS[index % len(OTHER_COLOURS)])


def _series(history: Sequence[Mapping[str, float]], key: str) -> NDArray[np.float64]:
    return np.array([entry.get(key, np.nan) for entry in history], dtype=np.float64)


def _shorten(name: str, longest: int = 28) -> str:
    return name if len(name) <= longest else f"{name[: longest - 1]}…"


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, facecolor="none", metadata={"Software": None})
    return buffer.getvalue()
