"""Maps of properties of the ground: a student's heads at every base cell of a site's scene, with their intervals."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from outcrop.field.dense import densify
from outcrop.learning.heads import STUDENT, Taught
from outcrop.learning.models import Model
from outcrop.learning.observations import joined
from outcrop.survey.blocks import Tile, complete_patches, read_tile, with_data
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import Piece, windows, write_cog
from outcrop.survey.sites import Band, Raster, Scene

Floats = NDArray[np.float32]
#: Base cells along one side of what is computed at once.
SIDE = 128
#: Bands of a property: the estimate, and the two ends of its interval.
ENDS = ("", "_low", "_high")


def write_sensed(
    student: Model,
    taught: Sequence[Taught],
    scene: Scene,
    first: Scene,
    path: Path,
    advance: Callable[[int], None] = lambda cells: None,
) -> Raster:
    """Write a GeoTIFF with three bands a property: estimate, low and high end; NaN where patches have gaps.

    Parameters
    ----------
    taught : the properties to map
    first : the site's first scene, which changes are told against
    advance : told how many more cells are done

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    bands = tuple(Band(each.of.name + end) for each in taught for end in ENDS)
    raster = Raster("properties", path, scene.grid, Nesting(), bands, "see the bands", "float32", float("nan"))
    fine = {entry.modality: scene.rasters[entry.modality].nesting.fine for entry in student.config.inputs}
    network = densify(student.network.cpu(), student.config.inputs, fine)

    def contents() -> Iterator[Piece]:
        for row, col, height, width in windows(scene.grid, side=SIDE):
            tile = Tile(row, col, height, width)
            yield row, col, _sense(network, student, taught, (scene, first), tile)
            advance(height * width)

    write_cog(raster, contents())
    return raster


def _sense(
    network: nn.Module, student: Model, taught: Sequence[Taught], scenes: tuple[Scene, Scene], tile: Tile
) -> Floats:
    """Bands (3 a property, height, width) of a tile."""
    now, whole = _features(network, student, scenes[0], tile)
    then, also = now, whole
    if any(each.of.changes for each in taught):
        then, also = _features(network, student, scenes[1], tile)
    bands = []
    for each in taught:
        features = joined(np.stack([then, now])) if each.of.changes else now.astype(np.float64)
        there = whole & also if each.of.changes else whole
        for values in each.heads.says(STUDENT, features):
            bands.append(np.where(there, values.reshape(there.shape), np.nan))
    return np.stack(bands).astype(np.float32)


@torch.inference_mode()
def _features(network: nn.Module, student: Model, scene: Scene, tile: Tile) -> tuple[Floats, NDArray[np.bool_]]:
    """Features (cells, d) of a tile, and which cells (height, width) have whole patches."""
    seen: dict[str, torch.Tensor] = {}
    whole = np.ones((tile.height, tile.width), dtype=bool)
    for entry in student.config.inputs:
        window, pixels = read_tile(scene.rasters[entry.modality], tile, student.config.footprint)
        whole &= complete_patches(with_data(pixels), window)
        seen[entry.modality] = torch.from_numpy(np.nan_to_num(pixels)[None])
        if scene.rasters[entry.modality].nesting.coarse > 1:
            for name, starts in (("rows", window.row_starts), ("cols", window.col_starts)):
                seen[f"{entry.modality}_{name}"] = torch.from_numpy(np.asarray(starts, dtype=np.int64))
    return network(seen).features.numpy(), whole
