"""Modalities computed from others: what another sensor would see, some of the bands, or a measure of the terrain."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.windows import Window
from scipy.special import ndtr

from outcrop.errors import SurveyError
from outcrop.survey.declarations import choose, declare
from outcrop.survey.geotiffs import open_geotiff
from outcrop.survey.grids import Grid
from outcrop.survey.rasters import Piece, pieces, read_window
from outcrop.survey.raw.layers import Layer
from outcrop.survey.sites import Band, Raster
from outcrop.survey.surveys import DerivedEntry, Survey

#: Full width at half maximum of a Gaussian, in standard deviations.
FWHM = float(np.sqrt(8 * np.log(2)))
#: A band stands for the wavelengths around its centre, at most as far as this many of its widths.
REACH = 0.75
#: Least share of a band's response that must lie in what the parent's bands stand for.
LEAST_COVERAGE = 0.5
#: Below this share, a note says so.
FULL_COVERAGE = 0.95
METRES = {"m", "metre", "metres", "meter", "meters"}
Floats = NDArray[np.float64]


def lay_derived(parent: Raster, modality: str, survey: Survey, target: Path) -> Layer:
    """How ``modality`` will look, checked before ``parent`` is written; its contents can be read once it is.

    Chosen bands keep the stored numbers of the parent; all else is float32, NaN where the parent has no data.

    Raises
    ------
    SurveyError : the parent lacks a band, the wavelengths, or the metres that the computation needs.
    """
    entry = survey.modalities[modality]
    assert isinstance(entry, DerivedEntry)
    unit = declare(survey, modality).unit
    raster = replace(parent, modality=modality, path=target, unit=unit, derived_from=parent.modality, notes=())
    if entry.srf is None and entry.bands is not None:
        owner = f"`{parent.modality}`, which `{modality}` is derived from,"
        raster = replace(raster, bands=choose(parent.bands, entry.bands, owner))
        return Layer(raster, partial(_copy, parent, raster))
    raster = replace(raster, dtype="float32", nodata=float("nan"), scale=1.0, offset=0.0)
    if entry.srf is not None:
        seen = _view(parent, entry.srf, declare(survey, modality).bands or (), modality)
        notes = tuple(
            f"{band.name} rests on {share:.0%} of its response: the bands of {parent.modality} hold no more"
            for band, share in zip(seen.bands, seen.coverage, strict=True)
            if share < FULL_COVERAGE
        )
        raster = replace(raster, bands=seen.bands, notes=notes)
        return Layer(raster, lambda: pieces(parent.grid, partial(_read_view, parent, seen.weights)))
    raster = replace(raster, bands=(Band(str(entry.measure)),))
    measure = roughness if entry.measure == "roughness" else partial(slope, cell=_cell(parent, modality))
    return Layer(raster, lambda: pieces(parent.grid, partial(_read_measure, parent, measure)))


def _copy(parent: Raster, raster: Raster) -> Iterator[Piece]:
    names = [band.name for band in parent.bands]
    numbers = [names.index(band.name) + 1 for band in raster.bands]
    with open_geotiff(parent.path) as dataset:

        def read(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            values: NDArray[Any] = dataset.read(numbers, window=Window(col, row, width, height))
            return values

        yield from pieces(parent.grid, read)


@dataclass(frozen=True)
class View:
    """How a sensor sees what other bands measured.

    ``weights`` (bands of the sensor, bands of the other), each row sums to 1; ``coverage`` is the share of each band's
    response that lies in what the other's bands stand for.
    """

    bands: tuple[Band, ...]
    weights: Floats
    coverage: Floats


def view(bands: tuple[Band, ...], through: tuple[Band, ...]) -> View:
    """The weights by which values of the bands ``through`` give those of ``bands``.

    Responses are Gaussians of the bands' centres and widths. A band of ``through`` stands for the wavelengths up to
    halfway to its neighbours, but for no more than `REACH` widths, so that none stands for a gap beside it. Its weight
    is the share of the response that lies there. As the other bands have widths of their own, theirs are taken off
    (variances subtract): otherwise the sensor would appear too broad.

    Parameters
    ----------
    bands, through : with centre wavelengths; a band without a width takes the distance to the next one
    """
    centres, widths = _wavelengths(through)
    order = np.argsort(centres, kind="stable")
    halfway = (centres[order][1:] + centres[order][:-1]) / 2
    lower, upper = np.empty_like(centres), np.empty_like(centres)
    lower[order], upper[order] = np.append(-np.inf, halfway), np.append(halfway, np.inf)
    lower, upper = np.maximum(lower, centres - REACH * widths), np.minimum(upper, centres + REACH * widths)
    middle, breadth = (column[:, None] for column in _wavelengths(bands))

    def shares(deviation: Floats) -> Floats:
        within: Floats = ndtr((upper - middle) / deviation) - ndtr((lower - middle) / deviation)
        return within

    sigma = breadth / FWHM
    seen = shares(sigma)
    coverage = seen.sum(axis=1, keepdims=True)
    own = (widths / FWHM) ** 2 + (upper - lower) ** 2 / 12
    blur = (seen * own).sum(axis=1, keepdims=True) / np.maximum(coverage, np.finfo(float).tiny)
    weights = shares(np.sqrt(np.maximum(sigma**2 - blur, (sigma / 4) ** 2)))
    total = np.maximum(weights.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    return View(bands, weights / total, coverage[:, 0])


def _wavelengths(bands: tuple[Band, ...]) -> tuple[Floats, Floats]:
    """Centres and widths in micrometres."""
    centres = np.array([band.centre_um for band in bands], dtype=float)
    widths = np.array([band.fwhm_um for band in bands], dtype=float)
    apart = np.abs(centres[:, None] - centres)
    apart[apart == 0] = np.inf
    spacing = apart.min(axis=1)
    return centres, np.where(np.isnan(widths), np.where(np.isinf(spacing), 0, spacing), widths)


def _view(parent: Raster, sensor: str, bands: tuple[Band, ...], modality: str) -> View:
    where = f"modality `{modality}`"
    if any(band.centre_um is None for band in parent.bands):
        raise SurveyError(
            f"the bands of `{parent.modality}` have no wavelengths, `{sensor}` cannot be computed from them",
            where=where,
            remedy="declare its `sensor` or `wavelengths`, or derive from another modality",
        )
    seen = view(bands, parent.bands)
    unseen = [band.name for band, share in zip(seen.bands, seen.coverage, strict=True) if share < LEAST_COVERAGE]
    if unseen:
        names = ", ".join(unseen[:15]) + (", ..." if len(unseen) > 15 else "")
        raise SurveyError(
            f"the wavelengths of `{parent.modality}` do not cover {names} of `{sensor}`",
            where=where,
            remedy="name the others under `bands`",
        )
    return seen


def _read_view(parent: Raster, weights: Floats, row: int, col: int, height: int, width: int) -> NDArray[np.float32]:
    values = read_window(parent, row, col, height, width)
    return np.tensordot(weights.astype(np.float32), values, axes=1)


def _read_measure(
    parent: Raster, measure: Callable[[Floats], Floats], row: int, col: int, height: int, width: int
) -> NDArray[np.float32]:
    heights = read_window(parent, row - 1, col - 1, height + 2, width + 2)[0]
    return measure(heights.astype(np.float64)).astype(np.float32)[None]


def _cell(parent: Raster, modality: str) -> tuple[float, float]:
    """Width and height of a pixel in metres; in pixels, 1, where there is no CRS."""
    grid: Grid = parent.grid
    width, height = abs(grid.transform.a), abs(grid.transform.e)
    if grid.crs is None:
        return width, height
    crs, where = CRS.from_user_input(grid.crs), f"modality `{modality}`"
    if crs.is_geographic:
        raise SurveyError(
            f"`{parent.modality}` lies on a grid in degrees, a slope needs metres",
            where=where,
            remedy="reproject the scene to a projected CRS, such as its UTM zone",
        )
    if parent.unit.split(" ")[0] not in METRES:
        raise SurveyError(
            f"`{parent.modality}` is in `{parent.unit}`, a slope needs metres",
            where=where,
            remedy="declare the unit m, with the `scale` that makes metres of it",
        )
    _, metres = crs.linear_units_factor
    return width * metres, height * metres


def slope(heights: Floats, cell: tuple[float, float]) -> Floats:
    """Slope in degrees, by the method of Horn (1981, doi:10.1109/PROC.1981.11918), as ``gdaldem slope`` has it.

    A neighbour without height continues the line of two cells beside it: along its column, along its row, or through
    the cell itself, whichever is known first; else it takes the cell's own height. A plane keeps its slope to its edge.

    Parameters
    ----------
    heights : (H + 2, W + 2) with a margin of one pixel, NaN where there is none
    cell : width and height of a pixel, in the unit of ``heights``

    Returns
    -------
    (H, W), NaN where the cell itself has no height
    """
    centre = heights[1:-1, 1:-1]

    def at(row: int, col: int) -> Floats:
        return _neighbour(heights, row, col)

    def beside(row: int, col: int) -> Floats:
        near = at(row, col)
        column, line = 2 * at(0, col) - at(-row, col), 2 * at(row, 0) - at(row, -col)
        for guess in (column, line, 2 * centre - at(-row, -col), centre):
            near = np.where(np.isnan(near), guess, near)
        return near

    across = sum(weight * (beside(row, 1) - beside(row, -1)) for row, weight in ((-1, 1), (0, 2), (1, 1)))
    along = sum(weight * (beside(1, col) - beside(-1, col)) for col, weight in ((-1, 1), (0, 2), (1, 1)))
    degrees = np.degrees(np.arctan(np.hypot(across / (8 * cell[0]), along / (8 * cell[1]))))
    return np.where(np.isnan(centre), np.nan, degrees)


def roughness(heights: Floats) -> Floats:
    """Highest minus lowest of a cell and its 8 neighbours, as ``gdaldem roughness`` (Wilson et al. 2007).

    Parameters
    ----------
    heights : (H + 2, W + 2) with a margin of one pixel, NaN where there is none

    Returns
    -------
    (H, W), NaN where the cell itself has no height
    """
    around = np.stack([_neighbour(heights, row, col) for row in (-1, 0, 1) for col in (-1, 0, 1)])
    spread = np.fmax.reduce(around) - np.fmin.reduce(around)
    return np.where(np.isnan(heights[1:-1, 1:-1]), np.nan, spread)


def _neighbour(heights: Floats, row: int, col: int) -> Floats:
    height, width = heights.shape
    return heights[1 + row : height - 1 + row, 1 + col : width - 1 + col]
