"""What a site holds, in numbers: every band's values, and the cells of every class by split.

One streaming pass over the native pixels, without a footprint: what training may use of it, the census says.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.grids import Nesting
from outcrop.survey.ground import CellSize, cell_size
from outcrop.survey.rasters import MANY_BANDS, read_labels, read_split, read_window, windows
from outcrop.survey.sites import NO_LABEL, SPLITS, Band, LabelClass, Raster, Scene, Site
from outcrop.survey.statistics import Moments

#: Columns of a table of cells: the splits, then the cells that none of them uses.
COLUMNS = (*SPLITS, "none")
#: Side of the windows by which rasters of many bands are read.
SMALL_PIECE = 128


@dataclass(frozen=True)
class BandSummary:
    """What one band holds, in the raster's unit; all None where it holds nothing."""

    minimum: float | None
    mean: float | None
    maximum: float | None
    std: float | None


@dataclass(frozen=True)
class ModalitySummary:
    """One modality over all scenes of a site. Scenes whose bands, unit or resolution differ are summarised apart.

    Parameters
    ----------
    raster : of the first scene; ``bands`` follow its bands
    scenes : ids of those that hold it
    pixel : size of the native pixels of the first scene; None without a CRS
    nodata_share : of its pixels; one number, for a pixel is empty in all bands or in none
    notes : said of the raster of at least one scene
    """

    raster: Raster
    scenes: tuple[str, ...]
    pixel: CellSize | None
    bands: tuple[BandSummary, ...]
    nodata_share: float
    notes: tuple[str, ...]

    @property
    def wavelengths(self) -> tuple[float, float] | None:
        """Shortest and longest centre wavelength in micrometres; None where no band has one."""
        return wavelength_range(self.raster.bands)


@dataclass(frozen=True)
class SiteStatistics:
    """All that `summarise` found.

    Parameters
    ----------
    cells : (classes + 1, 4) base cells by class and `COLUMNS`; the last row holds the cells without a label
    areas : the same in square metres; None where a scene has no CRS
    """

    site: Site
    modalities: tuple[ModalitySummary, ...]
    cells: NDArray[np.int64]
    areas: NDArray[np.float64] | None


def summarise(site: Site, advance: Callable[[int], None] = lambda _: None) -> SiteStatistics:
    """Read every raster of a site once, in constant memory.

    Parameters
    ----------
    advance : told how many windows were read, of `windows_of`
    """
    groups: dict[tuple[object, ...], list[tuple[Scene, Raster]]] = {}
    for scene in site.scenes:
        for raster in scene.rasters.values():
            nesting = raster.nesting
            kind = (raster.modality, raster.bands, raster.unit, raster.dtype, nesting.fine, nesting.coarse)
            groups.setdefault(kind, []).append((scene, raster))
    modalities = tuple(_summarise_modality(members, advance) for members in groups.values())
    cells = np.zeros((len(site.classes) + 1, len(COLUMNS)), dtype=np.int64)
    areas: NDArray[np.float64] | None = np.zeros(cells.shape)
    for scene in site.scenes:
        counted = count_cells(scene, site.classes)
        cells += counted
        size = cell_size(scene.grid)
        areas = None if areas is None or size is None else areas + counted * size.area
        advance(1)
    return SiteStatistics(site, modalities, cells, areas)


def windows_of(site: Site) -> int:
    """How many windows `summarise` reads."""
    rasters = [raster for scene in site.scenes for raster in scene.rasters.values()]
    return len(site.scenes) + sum(1 for raster in rasters for _ in _pieces(raster))


def count_cells(scene: Scene, classes: Sequence[LabelClass]) -> NDArray[np.int64]:
    """(classes + 1, 4) base cells by class and `COLUMNS`; the last row holds the cells without a label."""
    found = np.zeros((256, 256), dtype=np.int64)
    for window in windows(scene.grid):
        pairs = read_labels(scene, *window).astype(np.intp) * 256 + read_split(scene, *window)
        found += np.bincount(pairs.ravel(), minlength=found.size).reshape(found.shape)
    rows = [*(entry.value for entry in classes), NO_LABEL]
    return found[np.ix_(rows, [*SPLITS.values(), 0])]


def most_labelled(cells: Sequence[NDArray[np.int64]], most: int) -> list[int]:
    """Places of the ``most`` scenes with the largest number of labelled cells, in ascending order.

    Parameters
    ----------
    cells : what `count_cells` gives of every scene
    """
    labelled = [int(counted[:-1].sum()) for counted in cells]
    return sorted(sorted(range(len(cells)), key=lambda place: (-labelled[place], place))[:most])


def wavelength_range(bands: Sequence[Band]) -> tuple[float, float] | None:
    """Shortest and longest centre wavelength in micrometres; None where no band has one."""
    known = [band.centre_um for band in bands if band.centre_um is not None]
    return (min(known), max(known)) if known else None


def resolution(nesting: Nesting) -> str:
    """How the pixels of a modality lie on the base cells, in words."""
    if nesting.fine > 1:
        return f"{nesting.fine} x {nesting.fine} pixels in a base cell"
    if nesting.coarse > 1:
        return f"a pixel covers {nesting.coarse} x {nesting.coarse} base cells"
    return "one pixel a base cell"


def _summarise_modality(members: Sequence[tuple[Scene, Raster]], advance: Callable[[int], None]) -> ModalitySummary:
    _, first = members[0]
    moments, pixels = Moments.of(first), 0
    for _, raster in members:
        for window in _pieces(raster):
            moments.add(read_window(raster, *window))
            pixels += window[2] * window[3]
            advance(1)
    columns = zip(moments.count, moments.lowest, moments.mean, moments.highest, moments.std, strict=True)
    bands = tuple(
        BandSummary(*map(float, values)) if count else BandSummary(None, None, None, None) for count, *values in columns
    )
    notes = dict.fromkeys(note for _, raster in members for note in raster.notes)
    scenes = tuple(scene.id for scene, _ in members)
    return ModalitySummary(
        first, scenes, cell_size(first.grid), bands, float(1 - moments.count.max() / pixels), tuple(notes)
    )


def _pieces(raster: Raster) -> Iterator[tuple[int, int, int, int]]:
    """The windows of a raster, smaller where it has many bands: memory must not grow with their number."""
    if len(raster.bands) <= MANY_BANDS:
        yield from windows(raster.grid)
        return
    grid = raster.grid
    for row in range(0, grid.height, SMALL_PIECE):
        for col in range(0, grid.width, SMALL_PIECE):
            yield row, col, min(SMALL_PIECE, grid.height - row), min(SMALL_PIECE, grid.width - col)
