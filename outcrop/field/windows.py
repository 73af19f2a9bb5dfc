"""Windows of a scene: what is read at once, and what of it each tile sees.

A window is a row of whole blocks, as many as the memory allows: a wide one reads a raster that is stored in strips, as
many drone mosaics are, without decoding each strip again for every block. It keeps stored values; only a tile's are
turned into the modality's unit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError
from rasterio.windows import Window as Area

from outcrop.errors import DataError, ParamsError
from outcrop.field.profiles import ModalityProfile, ModelProfile
from outcrop.field.scenes import Layer, MapScene
from outcrop.survey.blocks import FloatArray, Tile, Window, native_window
from outcrop.survey.geotiffs import CACHE_MB
from outcrop.survey.rasters import to_unit
from outcrop.survey.sites import Raster

#: Base cells along one side of a block.
BLOCK = 256
MEGABYTE = 2**20
#: What a process needs before it reads a scene: Python, the libraries, the model, GDAL's cache.
BASE_MB = 190 + CACHE_MB
#: Windows in memory at a time: the one that is mapped, and the one that is read meanwhile.
WINDOWS = 2
#: Results of convolution and activation of the widest layer, both in memory at a time.
MAPS = 2


@dataclass(frozen=True)
class Stored:
    """Stored values (bands, height, width) of a part of a layer, from its native row and column ``row``, ``col`` on.

    ``void`` (height, width) says where the file's alpha band has no data; None without one.
    """

    raster: Raster
    row: int
    col: int
    values: NDArray[Any]
    void: NDArray[np.bool_] | None

    def cut(self, row: int, col: int, height: int, width: int) -> FloatArray:
        """Native pixels in the raster's unit (bands, height, width), NaN where there is no data or no raster."""
        top, left = max(row, self.row), max(col, self.col)
        bottom = min(row + height, self.row + self.values.shape[1])
        right = min(col + width, self.col + self.values.shape[2])
        cut = np.full((len(self.values), height, width), np.nan, dtype=np.float32)
        if bottom > top and right > left:
            rows, cols = slice(top - self.row, bottom - self.row), slice(left - self.col, right - self.col)
            values = to_unit(self.values[:, rows, cols], self.raster)
            if self.void is not None:
                values[:, self.void[rows, cols]] = np.nan
            cut[:, top - row : bottom - row, left - col : right - col] = values
        return cut


class SceneWindow:
    """What was read of a scene for a row of blocks."""

    def __init__(self, scene: MapScene, footprint: int, area: Tile) -> None:
        self._layers, self._footprint = scene.layers, footprint
        self._stored = {name: _read(layer, self._window(layer, area)) for name, layer in scene.layers.items()}

    def _window(self, layer: Layer, tile: Tile) -> Window:
        """A tile's window of one modality, in pixels of its raster."""
        window = native_window(layer.raster.nesting, tile, self._footprint)
        return replace(window, row=window.row + layer.row, col=window.col + layer.col)

    def tile(self, tile: Tile) -> dict[str, tuple[Window, FloatArray]]:
        """By modality, a tile's window and its native pixels in the modality's unit."""
        windows = {name: self._window(layer, tile) for name, layer in self._layers.items()}
        return {
            name: (window, self._stored[name].cut(window.row, window.col, window.height, window.width))
            for name, window in windows.items()
        }


def _read(layer: Layer, window: Window) -> Stored:
    grid = layer.raster.grid
    top, left = max(window.row, 0), max(window.col, 0)
    bottom, right = min(window.row + window.height, grid.height), min(window.col + window.width, grid.width)
    if bottom <= top or right <= left:
        return Stored(layer.raster, top, left, np.empty((len(layer.indexes), 0, 0), layer.raster.dtype), None)
    area = Area(left, top, right - left, bottom - top)
    try:
        with layer.open() as dataset:
            values = dataset.read(list(layer.indexes), window=area)
            void = None if layer.alpha is None else dataset.read(layer.alpha, window=area) == 0
    except RasterioError as cause:
        place = f"{layer.raster.path}, rows {top} to {bottom}, columns {left} to {right}"
        raise DataError("the raster cannot be read", where=place, remedy="restore the file") from cause
    return Stored(layer.raster, top, left, values, void)


def plan_windows(
    blocks: Sequence[Tile], scene: MapScene, profile: ModelProfile, megabytes: int, threads: int, parts: int = 1
) -> list[list[Tile]]:
    """Share blocks out over windows: neighbours of one row, as many as ``megabytes`` allow.

    Parameters
    ----------
    parts : windows at least, as far as there are blocks

    Raises
    ------
    ParamsError : not even one block fits.
    """
    free = (megabytes - BASE_MB) * MEGABYTE - threads * _tile_bytes(profile)
    count, most = 0, min(ceil(scene.grid.width / BLOCK), max(1, len(blocks) // parts))
    while count < most and WINDOWS * _window_bytes(count + 1, scene, profile) <= free:
        count += 1
    if not count:
        needed = megabytes + (WINDOWS * _window_bytes(1, scene, profile) - free) // MEGABYTE + 1
        raise ParamsError(
            f"{megabytes} MB are not enough to map with {threads} threads",
            where="--memory",
            remedy=f"give at least {needed}MB, or fewer threads",
        )
    return list(_rows_of(blocks, count))


def _rows_of(blocks: Sequence[Tile], count: int) -> Iterator[list[Tile]]:
    row: list[Tile] = []
    for block in blocks:
        if row and (len(row) == count or block.row != row[-1].row or block.col != row[-1].col + row[-1].width):
            yield row
            row = []
        row.append(block)
    if row:
        yield row


def covering(blocks: Sequence[Tile]) -> Tile:
    """The cells of neighbouring blocks of one row."""
    first, last = blocks[0], blocks[-1]
    return Tile(first.row, first.col, first.height, last.col + last.width - first.col)


def _window_bytes(blocks: int, scene: MapScene, profile: ModelProfile) -> int:
    total = 0
    for entry in profile.inputs:
        height, width = (_pixels(entry, cells) for cells in (BLOCK, BLOCK * blocks))
        total += len(entry.bands) * height * width * np.dtype(scene.layers[entry.name].raster.dtype).itemsize
    return total


def _tile_bytes(profile: ModelProfile) -> int:
    """What computing a tile takes: its pixels, and the widest layer's maps."""
    return sum(
        4 * _pixels(entry, profile.tile) ** 2 * (2 * len(entry.bands) + MAPS * profile.channels)
        for entry in profile.inputs
    )


def _pixels(entry: ModalityProfile, cells: int) -> int:
    """Native pixels along one side of the window of so many cells, about."""
    return cells * entry.fine // entry.coarse + entry.side
