"""How a raster looks: the bands that are shown, their stretch, their colours. Arrays of colours come out, no pictures.

A modality is drawn by what it is. Three bands or more become a composite: natural colour where the wavelengths or the
names allow it; the longest, middle and shortest wavelength where none is visible; the first three bands as a ternary
image (potassium, thorium, uranium) where there are few and no wavelengths. A single band gets a colour map, elevation
a hillshade as well. Every band is stretched between its 2nd and 98th percentile; the bands of ``rgb`` together, which
keeps the balance of the camera's colours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LightSource, LinearSegmentedColormap, to_rgba_array
from numpy.typing import NDArray
from rasterio.enums import Resampling
from scipy import ndimage

from outcrop.survey.geotiffs import open_geotiff
from outcrop.survey.rasters import read_labels, read_split, to_unit, windows
from outcrop.survey.sites import NO_LABEL, SPLITS, LabelClass, Raster, Scene

Rgba = NDArray[np.float64]
Values = NDArray[np.float32]
Codes = NDArray[np.uint8]

SPLIT_COLOURS = {"train": "#3b7ea1", "val": "#e0b13c", "test": "#a2597f"}
#: Cells without a label, and cells that no split uses.
UNUSED = "#a9aeb455"
#: Centre wavelengths, in micrometres, of what an eye sees as red, green and blue, and how far a band may lie from them.
RED_GREEN_BLUE, NEAR = (0.66, 0.56, 0.48), 0.05
#: Up to so many bands without wavelengths are shown by their first three; of more, three that lie far apart.
FEW_BANDS = 8
#: Where less than this share of the drawn cells is labelled, they are drawn as points of this radius in pixels.
SPARSE, POINT = 0.02, 5

#: From low to high ground; lightness grows all the way, so that it reads in grey as well.
TERRAIN = LinearSegmentedColormap.from_list("terrain", ["#1f4a47", "#4a7d5f", "#9fae74", "#d8c48d", "#f1e4c6"])
SINGLE_BAND = {"elevation": TERRAIN, "thermal": colormaps["inferno"]}


@dataclass(frozen=True)
class Scale:
    """The values at the two ends of a colour map, and what they are of."""

    low: float
    high: float
    colours: Colormap
    label: str


@dataclass(frozen=True)
class Rendering:
    """A raster as colours.

    Parameters
    ----------
    pixels : (H, W, 4) red, green, blue and alpha, 0-1; alpha is 0 where there is no data
    extent : left, right, bottom and top in base cells
    words : which bands are shown and how, where the colour bar does not say it
    classes : neighbouring pixels must not be mixed
    """

    pixels: Rgba
    extent: tuple[float, float, float, float]
    words: str = ""
    scale: Scale | None = None
    classes: bool = False


@dataclass(frozen=True)
class Composite:
    """The three bands that are shown as red, green and blue, or the one that is shown alone, and why these."""

    bands: tuple[int, ...]
    words: str


def choose_bands(raster: Raster) -> Composite:
    """Which bands of a raster are shown."""
    names, count = [band.name for band in raster.bands], len(raster.bands)
    if count < 3 or raster.modality == "elevation":
        return Composite((0,), "" if count == 1 else f"{names[0]}, the first of {count} bands")
    centres = {index: band.centre_um for index, band in enumerate(raster.bands) if band.centre_um is not None}
    if len(centres) >= 3:
        nearest = tuple(min(centres, key=lambda index: abs(centres[index] - wanted)) for wanted in RED_GREEN_BLUE)
        off = max(abs(centres[index] - wanted) for index, wanted in zip(nearest, RED_GREEN_BLUE, strict=True))
        if len(set(nearest)) == 3 and off <= NEAR:
            return Composite(nearest, _as_colours(raster, nearest, ""))
        order = sorted(centres, key=lambda index: -centres[index])
        spread = (order[0], order[len(order) // 2], order[-1])
        return Composite(spread, _as_colours(raster, spread, "longest, middle and shortest wavelength "))
    places = {name.lower(): index for index, name in enumerate(names)}
    if {"red", "green", "blue"} <= set(places):
        named = (places["red"], places["green"], places["blue"])
        return Composite(named, "" if count == 3 else f"red, green and blue of {count} bands")
    if count <= FEW_BANDS:
        return Composite((0, 1, 2), _as_colours(raster, (0, 1, 2), ""))
    spread = (count - 1, count // 2, 0)
    return Composite(spread, _as_colours(raster, spread, "last, middle and first band "))


def _as_colours(raster: Raster, bands: tuple[int, ...], kind: str) -> str:
    names = ", ".join(raster.bands[band].name for band in bands)
    centres = [raster.bands[band].centre_um for band in bands]
    known = ", ".join(f"{centre:.3g}" for centre in centres if centre is not None)
    return f"as red, green, blue: {kind}{names}" + (f" ({known} µm)" if known else "")


def render(raster: Raster, max_side: int) -> Rendering:
    """A modality as colours; it is read decimated, from its overviews where it has them.

    Parameters
    ----------
    max_side : longest side of what is read, in pixels
    """
    chosen = choose_bands(raster)
    values = _read_decimated(raster, chosen.bands, max_side)
    extent = _extent(raster)
    if len(chosen.bands) == 1:
        return _single(raster, values[0], extent, chosen.words)
    together = raster.modality == "rgb"
    whole = _stretch(values) if together else (0.0, 1.0)
    limits = [whole if together else _stretch(band) for band in values]
    shares = [np.clip((band - low) / (high - low), 0, 1) for band, (low, high) in zip(values, limits, strict=True)]
    return Rendering(_with_alpha(np.dstack(shares)), extent, chosen.words)


def render_labels(scene: Scene, classes: tuple[LabelClass, ...], max_side: int) -> Rendering:
    """The labels in the colours of the vocabulary. Where they are few and far between, each is drawn larger."""
    step = _step(scene, max_side)
    codes = _thin_out(scene, read_labels, step, [entry.value for entry in classes], NO_LABEL)
    reach, words = round(POINT * max(codes.shape) / max_side), ""
    if reach and 0 < np.mean(codes != NO_LABEL) < SPARSE:
        codes, words = _enlarge(codes, reach), "labelled cells are drawn larger"
    return _render_codes(codes, {entry.value: entry.colour for entry in classes}, scene, step, words)


def render_split(scene: Scene, max_side: int) -> Rendering:
    """The blocks of every split, in `SPLIT_COLOURS`."""
    step = _step(scene, max_side)
    codes = _thin_out(scene, read_split, step, [0, *SPLITS.values()], 0)
    return _render_codes(codes, {value: SPLIT_COLOURS[name] for name, value in SPLITS.items()}, scene, step, "")


def _single(raster: Raster, band: Values, extent: tuple[float, float, float, float], words: str) -> Rendering:
    low, high = _stretch(band)
    colours = SINGLE_BAND.get(raster.modality, colormaps["viridis"])
    pixels = np.asarray(colours(np.nan_to_num(np.clip((band - low) / (high - low), 0, 1))))
    if raster.modality == "elevation" and min(band.shape) > 2:
        pixels[..., :3] = np.clip(pixels[..., :3] * (0.3 + 0.98 * _hillshade(band)[..., None]), 0, 1)
        words = f"{words}, shaded" if words else "shaded relief"
    pixels[..., 3] = np.isfinite(band)
    name = raster.bands[0].name
    return Rendering(
        pixels, extent, words, Scale(low, high, colours, f"{name} [{raster.unit}]" if raster.unit else name)
    )


def _hillshade(band: Values) -> NDArray[np.float64]:
    """Light from the north-west, 0-1. The relief is exaggerated until its steep tenth lies at 40 degrees."""
    empty = ~np.isfinite(band)
    if empty.all():
        return np.ones(band.shape)
    nearest = ndimage.distance_transform_edt(empty, return_distances=False, return_indices=True)
    ground = band[tuple(nearest)].astype(np.float64)
    steep = float(np.percentile(np.hypot(*np.gradient(ground)), 90))
    exaggeration = np.tan(np.radians(40)) / steep if steep > 0 else 1.0
    return np.asarray(LightSource(315, 45).hillshade(ground, vert_exag=exaggeration))


def _with_alpha(colours: NDArray[np.floating]) -> Rgba:
    """(H, W, 4) of (H, W, 3) colours, NaN where there is no data: mid-grey there, lest smoothing draws a dark rim."""
    alpha = np.isfinite(colours).all(axis=2)
    return np.dstack([np.where(alpha[..., None], colours, 0.6), alpha]).astype(np.float64)


def _read_decimated(raster: Raster, bands: tuple[int, ...], max_side: int) -> Values:
    """(bands, height, width) in the raster's unit, no side longer than ``max_side``; NaN without data."""
    ratio = min(1.0, max_side / max(raster.grid.height, raster.grid.width))
    shape = (max(1, round(raster.grid.height * ratio)), max(1, round(raster.grid.width * ratio)))
    with open_geotiff(raster.path) as dataset:
        indexes = [band + 1 for band in bands]
        stored = dataset.read(indexes, out_shape=(len(bands), *shape), resampling=Resampling.average)
    return to_unit(stored, raster)


def _extent(raster: Raster) -> tuple[float, float, float, float]:
    nesting, grid = raster.nesting, raster.grid
    ratio = nesting.coarse / nesting.fine
    return -nesting.col, grid.width * ratio - nesting.col, grid.height * ratio - nesting.row, -nesting.row


def _stretch(values: Values) -> tuple[float, float]:
    """2nd and 98th percentile; of values that do not vary, the value and one unit more."""
    valid = values[np.isfinite(values)]
    if not valid.size:
        return 0.0, 1.0
    low, high = (float(limit) for limit in np.percentile(valid, (2, 98)))
    return low, high if high > low else low + 1


def _step(scene: Scene, max_side: int) -> int:
    return -(-max(scene.grid.height, scene.grid.width) // max_side)


def _thin_out(
    scene: Scene, read: Callable[[Scene, int, int, int, int], Codes], step: int, codes: list[int], nothing: int
) -> Codes:
    """The most frequent of ``codes`` in each ``step`` x ``step`` cells of a scene, read window by window."""
    grid, known = scene.grid, np.array(codes, dtype=np.uint8)
    thin = np.full((-(-grid.height // step), -(-grid.width // step)), nothing, dtype=np.uint8)
    for row, col, height, width in windows(grid, step):
        height, width = -(-height // step), -(-width // step)
        found = read(scene, row, col, height * step, width * step).reshape(height, step, width, step)
        present = known[np.bincount(found.ravel(), minlength=256)[known] > 0]
        if present.size:
            counts = np.stack([(found == code).sum(axis=1, dtype=np.uint16).sum(axis=2) for code in present])
            winner = np.where(counts.any(axis=0), present[counts.argmax(axis=0)], nothing)
            thin[row // step : row // step + height, col // step : col // step + width] = winner
    return thin


def _enlarge(codes: Codes, reach: int) -> Codes:
    """Labels that reach ``reach`` cells further; the nearest wins."""
    distance, nearest = ndimage.distance_transform_edt(codes == NO_LABEL, return_indices=True)
    return np.where(distance <= reach, codes[tuple(nearest)], NO_LABEL).astype(np.uint8)


def _render_codes(codes: Codes, colours: dict[int, str], scene: Scene, step: int, words: str) -> Rendering:
    table = np.tile(to_rgba_array(UNUSED), (256, 1))
    for value, colour in colours.items():
        table[value] = to_rgba_array(colour)[0]
    extent = (0.0, codes.shape[1] * step, codes.shape[0] * step, 0.0)
    return Rendering(np.asarray(table[codes]), extent, words, classes=True)
