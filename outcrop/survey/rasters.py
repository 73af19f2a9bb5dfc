"""Reading and writing windows of a site's rasters: what the stored numbers mean is decided here and nowhere else."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.windows import Window

from outcrop.errors import WorkspaceError
from outcrop.survey.geotiffs import ALONE, open_geotiff
from outcrop.survey.grids import Grid, Nesting
from outcrop.survey.sites import NO_LABEL, SPLITS, Band, Raster, Scene

Array = NDArray[Any]
#: First row and column in the raster, and the pixels (bands, height, width) that go there.
Piece = tuple[int, int, Array]
#: Side of the windows by which whole rasters are read and written, in native pixels.
PIECE = 256
#: The unit of labels and of the split.
CLASS = "class"
#: Rasters with more bands get smaller tiles, so that a block is read without decoding much around it.
MANY_BANDS = 16


def read_window(raster: Raster, row: int, col: int, height: int, width: int) -> NDArray[np.float32]:
    """Read native pixels in the raster's unit.

    Parameters
    ----------
    row, col, height, width : the window in native pixels; it may reach outside the raster

    Returns
    -------
    (bands, height, width) float32, NaN where there is no data, no finite value, or no raster
    """
    values = np.full((len(raster.bands), height, width), np.nan, dtype=np.float32)
    inside = _clip(raster.grid, row, col, height, width)
    if inside is not None:
        with open_geotiff(raster.path) as dataset:
            values[:, *_within(inside, row, col)] = to_unit(dataset.read(window=inside), raster)
    return values


def to_unit(stored: Array, raster: Raster) -> NDArray[np.float32]:
    """Stored numbers (bands, ...) as values in the raster's unit, NaN in all bands of a pixel without data."""
    with np.errstate(over="ignore"):
        values = stored.astype(np.float32)
    empty = ~np.isfinite(values).all(axis=0)
    if raster.nodata is not None and not np.isnan(raster.nodata):
        void = stored == raster.nodata
        # A dark pixel of a camera holds a 0 in some band: it is empty only when all its bands are.
        dark = raster.nodata == 0 and np.issubdtype(stored.dtype, np.integer)
        empty |= void.all(axis=0) if dark else void.any(axis=0)
    if (raster.scale, raster.offset) != (1.0, 0.0):
        values = values * np.float32(raster.scale) + np.float32(raster.offset)
    values[:, empty] = np.nan
    return values


def read_labels(scene: Scene, row: int, col: int, height: int, width: int) -> NDArray[np.uint8]:
    """Labels (height, width) of base cells, 255 where there is none or no scene."""
    return _read_classes(scene.labels, scene.grid, row, col, height, width, NO_LABEL)


def read_split(scene: Scene, row: int, col: int, height: int, width: int) -> NDArray[np.uint8]:
    """Values of `SPLITS` (height, width) of base cells, 0 where no split may use the cell.

    All blocks of a scene that serves only the test are test blocks.
    """
    written = _read_classes(scene.split, scene.grid, row, col, height, width, 0)
    if scene.serves == ("test",):
        return np.where(written > 0, SPLITS["test"], 0).astype(np.uint8)
    return np.where(np.isin(written, [SPLITS[split] for split in scene.serves]), written, 0).astype(np.uint8)


def _read_classes(path: Path, grid: Grid, row: int, col: int, height: int, width: int, fill: int) -> NDArray[np.uint8]:
    values = np.full((height, width), fill, dtype=np.uint8)
    inside = _clip(grid, row, col, height, width)
    if inside is not None:
        with open_geotiff(path) as dataset:
            values[_within(inside, row, col)] = dataset.read(1, window=inside)
    return values


def _clip(grid: Grid, row: int, col: int, height: int, width: int) -> Window | None:
    top, left = max(row, 0), max(col, 0)
    bottom, right = min(row + height, grid.height), min(col + width, grid.width)
    return Window(left, top, right - left, bottom - top) if bottom > top and right > left else None


def _within(inside: Window, row: int, col: int) -> tuple[slice, slice]:
    top, left = inside.row_off - row, inside.col_off - col
    return slice(top, top + inside.height), slice(left, left + inside.width)


def covered_cells(raster: Raster, base: Grid) -> NDArray[np.bool_]:
    """Base cells (H, W) whose native pixels all have data."""
    fine, nesting = raster.nesting.fine, raster.nesting
    grid = raster.grid
    cells = np.zeros((grid.height // fine, grid.width // fine), dtype=bool)
    for row, col, height, width in windows(grid, fine):
        filled = np.isfinite(read_window(raster, row, col, height, width)).all(axis=0)
        filled = filled.reshape(height // fine, fine, width // fine, fine).all(axis=(1, 3))
        cells[row // fine : (row + height) // fine, col // fine : (col + width) // fine] = filled
    rows, cols = native_pixels(nesting, base)
    return cells[np.ix_(rows, cols)] if nesting.coarse > 1 else cells


def native_pixels(nesting: Nesting, base: Grid) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Row (H,) and column (W,) of the coarse native pixels that hold the base cells."""
    rows = (np.arange(base.height) + nesting.row) // nesting.coarse
    cols = (np.arange(base.width) + nesting.col) // nesting.coarse
    return rows, cols


def windows(grid: Grid, multiple: int = 1, side: int = PIECE) -> Iterator[tuple[int, int, int, int]]:
    """Row, column, height and width of the windows that tile a grid; their sides are multiples of ``multiple``."""
    side = multiple * max(1, side // multiple)
    for row in range(0, grid.height, side):
        for col in range(0, grid.width, side):
            yield row, col, min(side, grid.height - row), min(side, grid.width - col)


def pieces(grid: Grid, read: Callable[[int, int, int, int], Array], side: int = PIECE) -> Iterator[Piece]:
    """Whatever ``read`` gives for each window of a grid, ready for `write_cog`."""
    for row, col, height, width in windows(grid, side=side):
        yield row, col, read(row, col, height, width)


def class_raster(name: str, path: Path, grid: Grid, nodata: int) -> Raster:
    """The layout of a raster of classes on the base grid: labels, or the split."""
    return Raster(name, path, grid, Nesting(), (Band(name),), unit=CLASS, dtype="uint8", nodata=float(nodata))


def write_cog(raster: Raster, contents: Iterable[Piece]) -> None:
    """Write a Cloud-Optimized GeoTIFF to ``raster.path``, piece by piece; the same pixels give the same bytes.

    Overviews hold the nearest pixel where the raster holds classes, else the average.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    write_cogs([(raster, contents)])


def write_cogs(rasters: Sequence[tuple[Raster, Iterable[Piece]]]) -> None:
    """Write several as `write_cog` does, all in step: the first piece of each, then the second of each.

    What the pieces of one window have in common then need not be made, or kept, for the whole of every raster.
    They must have the same number of pieces.
    """
    try:
        with rasterio.Env(**ALONE):
            with ExitStack() as held:
                opened = [held.enter_context(_new_tiles(raster)) for raster, _ in rasters]
                for together in zip(*(contents for _, contents in rasters), strict=True):
                    for (raster, _), dataset, (row, col, values) in zip(rasters, opened, together, strict=True):
                        with _telling(raster):
                            dataset.write(values, window=Window(col, row, values.shape[2], values.shape[1]))
            for raster, _ in rasters:
                with _telling(raster):
                    _finish(raster)
    finally:
        for raster, _ in rasters:
            _tiles(raster).unlink(missing_ok=True)


@contextmanager
def _telling(raster: Raster) -> Iterator[None]:
    try:
        yield
    except (RasterioError, CPLE_BaseError, OSError) as cause:
        raise WorkspaceError(
            "the raster cannot be written", where=raster.path, remedy="check free space and write permission"
        ) from cause


def _tiles(raster: Raster) -> Path:
    return raster.path.with_name(f".{raster.path.name}.tiles")


@contextmanager
def _new_tiles(raster: Raster) -> Iterator[Any]:
    profile = {
        "driver": "GTiff",
        "height": raster.grid.height,
        "width": raster.grid.width,
        "count": len(raster.bands),
        "dtype": raster.dtype,
        "nodata": raster.nodata,
        "crs": raster.grid.crs,
        "transform": raster.grid.transform,
        "tiled": True,
        "blockxsize": _fitting(PIECE, raster.grid),
        "blockysize": _fitting(PIECE, raster.grid),
        "interleave": "band",  # the copy reads band by band: of 224 interleaved ones it would decode all for each
        "BIGTIFF": "IF_SAFER",
    }
    with _telling(raster), rasterio.open(_tiles(raster), "w", **profile) as dataset:
        dataset.descriptions = [band.name for band in raster.bands]
        dataset.units = [raster.unit] * dataset.count
        dataset.scales, dataset.offsets = [raster.scale] * dataset.count, [raster.offset] * dataset.count
        if raster.legend:
            dataset.write_colormap(1, {entry.value: tuple(bytes.fromhex(entry.colour[1:])) for entry in raster.legend})
            dataset.update_tags(1, **{f"CLASS_{entry.value}": entry.name for entry in raster.legend})
        yield dataset


def _finish(raster: Raster) -> None:
    _add_overviews(raster)
    # GDAL writes a COG only as a copy of a finished raster, for its overviews come first in the file.
    # It makes the tiles of a small raster, but would warn of each that they are smaller than it expects.
    with rasterio.Env(GDAL_VALIDATE_CREATION_OPTIONS=False):
        rasterio.shutil.copy(_tiles(raster), raster.path, driver="COG", **_cog_options(raster))


def _add_overviews(raster: Raster) -> None:
    """The overviews that a COG of these tiles has. Made by its driver, each would be rewritten whole for every band."""
    factors, side = [2], max(raster.grid.height, raster.grid.width)
    while side // factors[-1] > _tile(raster):
        factors.append(2 * factors[-1])
    if side > _tile(raster):
        with rasterio.open(_tiles(raster), "r+") as dataset:
            dataset.build_overviews(factors, Resampling.nearest if raster.unit == CLASS else Resampling.average)


def _tile(raster: Raster) -> int:
    return _fitting(PIECE if len(raster.bands) <= MANY_BANDS else PIECE // 2, raster.grid)


def _fitting(tile: int, grid: Grid) -> int:
    """A tile no larger than a small raster needs; TIFF wants a multiple of 16."""
    return min(tile, 16 * ceil(max(grid.height, grid.width) / 16))


def _cog_options(raster: Raster) -> dict[str, object]:
    return {
        "COMPRESS": "DEFLATE",
        "PREDICTOR": "YES",
        "BLOCKSIZE": _tile(raster),
        "BIGTIFF": "IF_SAFER",
        "NUM_THREADS": 1,
    }
