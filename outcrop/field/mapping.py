"""Mapping a scene: window by window from its rasters to finished blocks, in bounded memory.

Three sizes are at work. A *tile* is what the predictor computes at once; its side is fixed by the model, so that the map
does not depend on anything else. A *block* is what is kept at once: `BLOCK` cells a side. A *window* is what is read at
once: as many blocks of a row as the memory allows. The next window is read by a thread while the tiles of this one are
computed by others, each on one thread.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.errors import RasterioError

from outcrop.errors import DataError
from outcrop.field.journals import Journal, Layers
from outcrop.field.predictors import Predictor
from outcrop.field.scenes import MapScene
from outcrop.survey.blocks import Tile, Window, complete_patches, native_window
from outcrop.survey.rasters import read_window

#: Base cells along one side of a block.
BLOCK = 256
NODATA = 255
#: Probabilities are kept as whole numbers of 1 / `STEPS`.
STEPS = 250
FloatArray = NDArray[np.float32]
#: Told how many cells are done.
Progress = Callable[[int], None]


@dataclass(frozen=True)
class Seen:
    """The native pixels of one modality that the patches of a tile cover."""

    window: Window
    pixels: FloatArray


def blocks_of(scene: MapScene) -> list[Tile]:
    """The blocks of a scene, row by row."""
    grid = scene.grid
    return [
        Tile(row, col, min(BLOCK, grid.height - row), min(BLOCK, grid.width - col))
        for row in range(0, grid.height, BLOCK)
        for col in range(0, grid.width, BLOCK)
    ]


def map_scene(
    predictor: Predictor,
    scene: MapScene,
    journal: Journal,
    *,
    threads: int,
    progress: Progress = lambda cells: None,
) -> None:
    """Map what is not in the journal yet."""
    left = [block for block in blocks_of(scene) if (block.row, block.col) not in journal.records]
    with ThreadPoolExecutor(threads) as workers, ThreadPoolExecutor(1) as reader:
        for block, seen in _read_ahead(scene, predictor, left, reader):
            parts = [
                (tile, workers.submit(_say, predictor, _cut(seen, scene, predictor, block, tile)))
                for tile in _tiles(block, predictor.profile.tile)
            ]
            layers = np.full((len(predictor.profile.classes) + 3, block.height, block.width), NODATA, dtype=np.uint8)
            for tile, part in parts:
                rows, cols = tile.row - block.row, tile.col - block.col
                layers[:, rows : rows + tile.height, cols : cols + tile.width] = part.result()
                progress(tile.height * tile.width)
            journal.append(block.row, block.col, layers)


def _read_ahead(
    scene: MapScene, predictor: Predictor, blocks: list[Tile], reader: ThreadPoolExecutor
) -> Iterator[tuple[Tile, dict[str, Seen]]]:
    ahead: Future[dict[str, Seen]] | None = None
    for index, block in enumerate(blocks):
        seen = (ahead or reader.submit(_read, scene, predictor, block)).result()
        ahead = reader.submit(_read, scene, predictor, blocks[index + 1]) if index + 1 < len(blocks) else None
        yield block, seen


def _read(scene: MapScene, predictor: Predictor, tile: Tile) -> dict[str, Seen]:
    seen = {}
    for entry in predictor.profile.inputs:
        raster, (row, col) = scene.rasters[entry.name], scene.origins[entry.name]
        window = native_window(raster.nesting, tile, predictor.profile.footprint)
        try:
            pixels = read_window(raster, window.row + row, window.col + col, window.height, window.width)
        except RasterioError as cause:
            raise DataError("the raster cannot be read", where=raster.path) from cause
        seen[entry.name] = Seen(window, pixels)
    return seen


def _tiles(block: Tile, side: int) -> Iterator[Tile]:
    for row in range(block.row, block.row + block.height, side):
        for col in range(block.col, block.col + block.width, side):
            bottom, right = min(row + side, block.row + block.height), min(col + side, block.col + block.width)
            yield Tile(row, col, bottom - row, right - col)


def _cut(seen: dict[str, Seen], scene: MapScene, predictor: Predictor, block: Tile, tile: Tile) -> dict[str, Seen]:
    cut = {}
    for name, whole in seen.items():
        window = native_window(scene.rasters[name].nesting, tile, predictor.profile.footprint)
        row, col = window.row - whole.window.row, window.col - whole.window.col
        cut[name] = Seen(window, whole.pixels[:, row : row + window.height, col : col + window.width])
    return cut


def _say(predictor: Predictor, seen: dict[str, Seen]) -> Layers:
    """The layers of a tile: class, confidence, unfamiliar, then the probability of every class."""
    windows: dict[str, NDArray[np.float32] | NDArray[np.int64]] = {}
    whole: NDArray[np.bool_] | None = None
    for entry in predictor.profile.inputs:
        window, pixels = seen[entry.name].window, seen[entry.name].pixels
        if not np.isfinite(pixels).all():
            complete = complete_patches(pixels, window)
            whole = complete if whole is None else whole & complete
            pixels = np.nan_to_num(pixels)
        windows[entry.name] = np.ascontiguousarray(pixels)[None]
        if entry.coarse > 1:
            windows[f"{entry.name}_rows"], windows[f"{entry.name}_cols"] = window.row_starts, window.col_starts
    shape = len(window.row_starts), len(window.col_starts)
    said = predictor.predict(windows)
    probabilities = np.rint(said.probabilities * STEPS).astype(np.uint8)
    layers = np.empty((probabilities.shape[1] + 3, *shape), dtype=np.uint8)
    layers[0] = said.probabilities.argmax(axis=1).reshape(shape)
    layers[1] = probabilities.max(axis=1).reshape(shape)
    layers[2] = NODATA if said.strangeness is None else (said.strangeness > 1).reshape(shape)
    layers[3:] = probabilities.T.reshape(-1, *shape)
    if whole is not None:
        layers[:, ~whole] = NODATA
    return layers
