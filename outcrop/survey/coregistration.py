"""Co-registration: do the modalities of a scene lie on top of each other?

Two sensors see different values but many of the same edges. In windows spread over the scene, the edge strengths of
both, on a common grid, are shifted against each other until they fit best (phase correlation, Kuglin and Hines 1975; to
fractions of a pixel, Guizar-Sicairos et al. 2008). One window says little, so the windows are dealt to a few groups and
pooled in each; a shift is believed when nearly all groups give the same one, which unrelated images do not.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window
from scipy import ndimage

from outcrop.survey.geotiffs import open_geotiff
from outcrop.survey.rasters import to_unit
from outcrop.survey.sites import Raster, Scene

#: Side of a window and step from one to the next, in common pixels: the first that gives plenty, else the last.
LAYOUTS, PLENTY = ((128, 64), (64, 32), (32, 16), (32, 8)), 24
#: Windows of which at most so many are read, and so many with data in both modalities are used.
TRIED, USED = 288, 96
#: Groups of windows, and how many of them must give a shift within a pixel of their median.
GROUPS, AGREEING = 6, 5
#: Bands of a modality that are looked at, spread evenly.
BANDS = 5
#: Steps of a pixel in which shifts are told.
STEPS = 10

Spectrum = NDArray[np.complex128]


@dataclass(frozen=True)
class Shift:
    """How far ``second`` must move to lie on ``first``: ``down`` and ``right`` in base cells, NaN if not measurable.

    ``pixel`` is the side in base cells of the coarser of the two, at least 1; ``windows`` is how many were used, and
    ``agreeing`` how many of the groups of them agree.
    """

    first: str
    second: str
    pixel: int
    windows: int
    agreeing: int
    down: float
    right: float


@dataclass
class _Pooled:
    """Cross spectra (groups, side, side) of two modalities, summed over the windows of each group."""

    spectra: NDArray[np.complex128]
    windows: int = field(default=0)

    def add(self, first: Spectrum, second: Spectrum) -> None:
        cross = first * second.conj()
        self.spectra[self.windows % GROUPS] += cross / np.maximum(np.abs(cross), np.finfo(float).tiny)
        self.windows += 1


def measure_shifts(scene: Scene) -> list[Shift]:
    """The shift between every two measured modalities of a scene; one computed from another lies where that lies.

    A bounded number of windows is read, however large the scene is.
    """
    measured = [name for name, raster in scene.rasters.items() if raster.derived_from is None]
    by_pixel: dict[int, list[tuple[str, str]]] = {}
    for pair in combinations(measured, 2):
        by_pixel.setdefault(max(scene.rasters[name].nesting.coarse for name in pair), []).append(pair)
    return [shift for pixel, pairs in by_pixel.items() for shift in _measure(scene, pixel, pairs)]


def _measure(scene: Scene, pixel: int, pairs: Sequence[tuple[str, str]]) -> Iterator[Shift]:
    """The shifts of pairs whose coarser modality has pixels of ``pixel`` base cells."""
    names = sorted({name for pair in pairs for name in pair})
    coarsest = next(scene.rasters[name] for name in names if scene.rasters[name].nesting.coarse == pixel)
    side, places = _windows(scene, coarsest)
    pooled = {pair: _Pooled(np.zeros((GROUPS, side, side), dtype=np.complex128)) for pair in pairs}
    with ExitStack() as held:  # windows overlap, and GDAL forgets what it has decoded of a file that is closed
        opened = {name: held.enter_context(open_geotiff(scene.rasters[name].path)) for name in names}
        for row, col in islice(places, TRIED):
            if all(entry.windows >= USED for entry in pooled.values()):
                break
            spectra = {
                name: _spectrum(_read(dataset, scene.rasters[name], row, col, side, pixel))
                for name, dataset in opened.items()
            }
            for (first, second), entry in pooled.items():
                one, other = spectra[first], spectra[second]
                if one is not None and other is not None and entry.windows < USED:
                    entry.add(one, other)
    for (first, second), entry in pooled.items():
        agreeing, (down, right) = _agreed_shift(entry)
        yield Shift(first, second, pixel, entry.windows, agreeing, down * pixel, right * pixel)


def _windows(scene: Scene, coarsest: Raster) -> tuple[int, Iterator[tuple[int, int]]]:
    """Side in pixels, and first row and column in base cells, of windows on whole pixels, in mixed order."""
    nesting = coarsest.nesting
    for side, step in LAYOUTS:
        extent, every = side * nesting.coarse, step * nesting.coarse
        rows = range(-nesting.row % nesting.coarse, scene.grid.height - extent + 1, every)
        cols = range(-nesting.col % nesting.coarse, scene.grid.width - extent + 1, every)
        if len(rows) * len(cols) >= PLENTY:
            break
    order = np.random.default_rng(0).permutation(len(rows) * len(cols))
    return side, ((rows[place // len(cols)], cols[place % len(cols)]) for place in order)


def _read(dataset: Any, raster: Raster, row: int, col: int, side: int, pixel: int) -> NDArray[np.float32]:
    """Some bands (bands, side, side) of a window that begins at a base cell, on pixels of ``pixel`` base cells."""
    nesting = raster.nesting
    scale = nesting.fine / nesting.coarse
    chosen = np.unique(np.linspace(1, len(raster.bands), BANDS).round().astype(int)).tolist()
    extent = side * pixel * scale
    stored = dataset.read(
        chosen,
        window=Window((col + nesting.col) * scale, (row + nesting.row) * scale, extent, extent),
        out_shape=(len(chosen), side, side),
        resampling=Resampling.average if extent > side else Resampling.bilinear,
    )
    return to_unit(stored, raster)


def _spectrum(values: NDArray[np.float32]) -> Spectrum | None:
    """Spectrum (side, side) of the edge strength over all bands, each in units of its spread; None without data."""
    spread = values.std(axis=(1, 2))
    if not np.isfinite(values).all() or not spread.any():
        return None
    bands = values[spread > 0].astype(np.float64) / spread[spread > 0, None, None]
    strength = np.sqrt(sum(ndimage.gaussian_gradient_magnitude(band, sigma=1) ** 2 for band in bands))
    taper = np.hanning(len(strength))
    return np.asarray(np.fft.fft2((strength - strength.mean()) * taper[:, None] * taper))


def _agreed_shift(pooled: _Pooled) -> tuple[int, tuple[float, float]]:
    """How many groups agree, and the rows and columns in pixels by which they say the second must move."""
    if pooled.windows < GROUPS:
        return 0, (float("nan"), float("nan"))
    shifts = np.array([_shift_of(spectrum) for spectrum in pooled.spectra])
    agree = (np.abs(shifts - np.median(shifts, axis=0)) <= 1).all(axis=1)
    count = int(agree.sum())
    if count < AGREEING:
        return count, (float("nan"), float("nan"))
    down, right = np.median(shifts[agree], axis=0)
    return count, (float(down), float(right))


def _shift_of(spectrum: Spectrum) -> NDArray[np.float64]:
    """Rows and columns (2,) at which the correlation that belongs to a cross spectrum is highest."""
    from skimage.registration import phase_cross_correlation  # slow to import

    one = np.ones_like(spectrum)
    found = phase_cross_correlation(  # type: ignore[no-untyped-call]
        spectrum, one, space="fourier", normalization=None, upsample_factor=STEPS
    )
    return np.asarray(found[0])
