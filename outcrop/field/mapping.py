"""Mapping a scene: window by window from its rasters to finished blocks, in bounded memory.

Three sizes are at work. A *tile* is what the predictor computes at once; its side is fixed by the model, and each is
computed on one thread, so that the map does not depend on anything else. A *block* is what is kept at once, a *window*
what is read at once (`outcrop.field.windows`). The next window is read by a thread of its own while the tiles of this
one are computed.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.field.journals import Journal, Layers
from outcrop.field.predictors import Predictor, Said
from outcrop.field.scenes import MapScene
from outcrop.field.windows import BLOCK, SceneWindow, covering, plan_windows
from outcrop.survey.blocks import FloatArray, Tile, Window, complete_patches, with_data

NODATA = 255
#: Probabilities are kept as whole numbers of 1 / `STEPS`.
STEPS = 250
#: Layers of a block before the probabilities of the classes.
CLASS, CONFIDENCE, UNFAMILIAR, PROBABILITIES = 0, 1, 2, 3
#: Told how many more cells are done.
Progress = Callable[[int], None]
#: Takes a finished block: row and column of its first cell, its layers.
Keep = Callable[[int, int, Layers], None]


def blocks_of(scene: MapScene) -> list[Tile]:
    """The blocks of a scene, row by row."""
    return list(_squares(Tile(0, 0, scene.grid.height, scene.grid.width), BLOCK))


def blocks_left(scene: MapScene, journal: Journal) -> list[Tile]:
    """The blocks of a scene that a journal does not hold yet, row by row."""
    return [block for block in blocks_of(scene) if (block.row, block.col) not in journal.records]


def _squares(area: Tile, side: int) -> Iterator[Tile]:
    for row in range(area.row, area.row + area.height, side):
        for col in range(area.col, area.col + area.width, side):
            height, width = area.row + area.height - row, area.col + area.width - col
            yield Tile(row, col, min(side, height), min(side, width))


def map_scene(
    predictor: Predictor,
    scene: MapScene,
    journal: Journal,
    *,
    probabilities: bool,
    threads: int,
    megabytes: int,
    progress: Progress,
) -> None:
    """Map the blocks of a scene that are not in the journal yet.

    Parameters
    ----------
    probabilities : also keep those of every class
    threads : that compute tiles; others read and write
    megabytes : of memory that the process may take

    Raises
    ------
    DataError : a raster cannot be read.
    ParamsError : the memory is not enough.
    WorkspaceError : the journal cannot be written.
    """
    left = blocks_left(scene, journal)
    windows = plan_windows(left, scene, predictor.profile, megabytes, threads)
    map_windows(
        predictor, scene, windows, journal.append, probabilities=probabilities, threads=threads, progress=progress
    )


def map_windows(
    predictor: Predictor,
    scene: MapScene,
    windows: Sequence[list[Tile]],
    keep: Keep,
    *,
    probabilities: bool,
    threads: int,
    progress: Progress,
) -> None:
    """Map windows of a scene, each given by its blocks, as `map_scene` does, which tells of errors and the rest.

    Parameters
    ----------
    keep : called by one thread at a time, for one block after the other
    """
    count = PROBABILITIES + probabilities * len(predictor.profile.classes)
    with ThreadPoolExecutor(threads) as workers, ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for blocks, window in _read_ahead(scene, predictor.profile.footprint, windows, reader):
            for block in blocks:
                layers = _map_block(predictor, window, block, count, workers, progress)
                if writing is not None:
                    writing.result()
                writing = writer.submit(keep, block.row, block.col, layers)
        if writing is not None:
            writing.result()


def _read_ahead(
    scene: MapScene, footprint: int, windows: Sequence[list[Tile]], reader: ThreadPoolExecutor
) -> Iterator[tuple[list[Tile], SceneWindow]]:
    def read(index: int) -> Future[SceneWindow]:
        return reader.submit(SceneWindow, scene, footprint, covering(windows[index]))

    ahead = read(0) if windows else None
    for index, blocks in enumerate(windows):
        assert ahead is not None
        window = ahead.result()
        ahead = read(index + 1) if index + 1 < len(windows) else None
        yield blocks, window


def _map_block(
    predictor: Predictor, window: SceneWindow, block: Tile, count: int, workers: ThreadPoolExecutor, progress: Progress
) -> Layers:
    layers = np.full((count, block.height, block.width), NODATA, np.uint8)

    def work(tile: Tile) -> None:
        rows, cols = tile.row - block.row, tile.col - block.col
        _map_tile(predictor, window.tile(tile), layers[:, rows : rows + tile.height, cols : cols + tile.width])
        progress(tile.height * tile.width)

    for _ in workers.map(work, _squares(block, predictor.profile.tile)):
        pass
    return layers


def _map_tile(predictor: Predictor, seen: dict[str, tuple[Window, FloatArray]], layers: Layers) -> None:
    """Fill the layers (layers, height, width) of a tile; cells whose patches have gaps stay `NODATA`."""
    inputs: dict[str, NDArray[Any]] = {}
    whole = np.ones(layers.shape[1:], dtype=bool)
    for entry in predictor.profile.inputs:
        window, pixels = seen[entry.name]
        finite = with_data(pixels)
        if not finite.all():
            whole &= complete_patches(finite, window)
            pixels = np.nan_to_num(pixels)
        inputs[entry.name] = pixels[None]
        if entry.coarse > 1:
            inputs[f"{entry.name}_rows"], inputs[f"{entry.name}_cols"] = window.row_starts, window.col_starts
    if whole.any():
        said = _layers(predictor.predict(inputs), layers.shape)
        layers[:, whole] = said[:, whole]


def _layers(said: Said, shape: tuple[int, ...]) -> Layers:
    layers = np.full(shape, NODATA, dtype=np.uint8)
    layers[CLASS] = said.probabilities.argmax(axis=1).reshape(shape[1:])
    layers[CONFIDENCE] = np.rint(said.probabilities.max(axis=1) * STEPS).reshape(shape[1:])
    if said.strangeness is not None:
        layers[UNFAMILIAR] = (said.strangeness > 1).reshape(shape[1:])
    if len(layers) > PROBABILITIES:
        layers[PROBABILITIES:] = np.rint(said.probabilities * STEPS).T.reshape(-1, *shape[1:])
    return layers
