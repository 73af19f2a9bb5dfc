"""Maps for people, as PNG bytes: quicklooks of rasters, labels, splits, and where a model was right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba_array
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from rasterio.enums import Resampling

from outcrop.errors import DataError
from outcrop.field.drawing import DPI, FAINT, INK, draw_key, inches, key_columns, placed, png, write
from outcrop.survey.sites import NO_LABEL, SPLITS, LabelClass, Raster, Scene

Codes = NDArray[np.uint8]
Rgba = NDArray[np.float64]

#: Right and wrong differ in hue and in lightness: they stay apart for every kind of colour vision, and in grey print.
RIGHT, WRONG, UNSCORED = "#0b7a66", "#f0793a", "#a9aeb455"
SPLIT_COLOURS = {"train": "#3b7ea1", "val": "#e0b13c", "test": "#a2597f"}
#: Centre wavelengths, in micrometres, of what an eye sees as red, green and blue.
RED_GREEN_BLUE = (0.66, 0.56, 0.48)


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
        write(footer, 0, 0.13, f"red, green, blue: {names}")
    return png(figure)


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
    rows = -(-len(key) // key_columns(key, across)) if key else 0
    figure, footer = _lay_out(panels, max_side, footer=0.1 + 0.16 * rows)
    draw_key(footer, key)
    return png(figure)


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
        axes = figure.add_axes(placed(figure, x, y + title, width, height))
        axes.set_axis_off()
        axes.add_patch(Rectangle((0, 0), 1, 1, transform=axes.transAxes, facecolor=FAINT, edgecolor=INK, hatch="////",
                                 linewidth=0, alpha=0.2))  # fmt: skip
        axes.imshow(panel.pixels, interpolation="nearest", aspect="auto", zorder=2)
        axes.set_title(panel.title, fontsize=8, color=INK, loc="left", pad=3, parse_math=False)
    return figure, inches(figure, 0, down, across, footer)


def _draw_bar(axes: Axes, low: float, high: float, label: str) -> None:
    """A colour bar as wide as the map, its ends in the unit of the data."""
    width = axes.get_xlim()[1]
    ramp = np.linspace(0, 1, 256)[None]
    axes.imshow(ramp, cmap="viridis", extent=(0, width, 0.17, 0.08), aspect="auto", interpolation="nearest")
    axes.set_ylim(0.42, 0)
    axes.set_xlim(0, width)
    write(axes, 0, 0.27, f"{low:.4g}")
    axes.text(width, 0.27, f"{high:.4g}", ha="right", va="center", fontsize=7.5, color=INK)
    axes.text(width / 2, 0.27, label, ha="center", va="center", fontsize=7.5, color=INK, parse_math=False)
