"""A scene at a glance, as two models map it: cells on a lattice, whatever split they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from torch import nn

from outcrop.learning.models import Model
from outcrop.learning.recipes import SWEEP_BATCH
from outcrop.survey.blocks import Tile, complete_patches, read_tile, tiles, with_data
from outcrop.survey.sites import NO_LABEL, Scene, Site

#: Cells along the longer side of an overview, at most.
SIDE = 160


@dataclass(frozen=True)
class Overview:
    """What models say of every ``stride``-th cell of a scene: by name, (rows, columns), `NO_LABEL` without data."""

    scene: int
    stride: int
    maps: Mapping[str, NDArray[np.uint8]]


def overview(site: Site, scene: int, models: Mapping[str, Model], device: torch.device) -> Overview:
    """Map a scene with models that see the same inputs."""
    chosen = site.scenes[scene]
    stride = -(-max(chosen.grid.height, chosen.grid.width) // SIDE)
    shape = (-(-chosen.grid.height // stride), -(-chosen.grid.width // stride))
    maps = {name: np.full(shape, NO_LABEL, dtype=np.uint8) for name in models}
    first = next(iter(models.values()))
    networks = {name: model.network.to(device).eval() for name, model in models.items()}
    for tile in tiles(chosen, site.block):
        rows, cols, patches = _patches(chosen, tile, first, stride)
        if not len(rows):
            continue
        for name, network in networks.items():
            maps[name][(rows + tile.row) // stride, (cols + tile.col) // stride] = _said(network, patches, device)
    return Overview(scene, stride, maps)


def _patches(
    scene: Scene, tile: Tile, model: Model, stride: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], dict[str, NDArray[np.float32]]]:
    """Rows and columns (n,) of a tile's cells on the lattice that have data, and their patches."""
    read = {
        entry.modality: read_tile(scene.rasters[entry.modality], tile, model.config.footprint)
        for entry in model.config.inputs
    }
    whole = np.logical_and.reduce([complete_patches(with_data(pixels), window) for window, pixels in read.values()])
    rows, cols = np.nonzero(whole)
    on = ((rows + tile.row) % stride == 0) & ((cols + tile.col) % stride == 0)
    rows, cols = rows[on], cols[on]
    patches = {}
    for name, (window, pixels) in read.items():
        views = sliding_window_view(pixels, (window.side, window.side), axis=(1, 2))
        patches[name] = views[:, window.row_starts[rows], window.col_starts[cols]].swapaxes(0, 1)
    return rows, cols, patches


@torch.inference_mode()
def _said(network: nn.Module, patches: dict[str, NDArray[np.float32]], device: torch.device) -> NDArray[np.uint8]:
    number, said = len(next(iter(patches.values()))), []
    for first in range(0, number, SWEEP_BATCH):
        piece = {
            name: torch.from_numpy(np.ascontiguousarray(values[first : first + SWEEP_BATCH])).to(device)
            for name, values in patches.items()
        }
        said.append(network(piece).logits.argmax(dim=1).cpu().numpy())
    return np.concatenate(said).astype(np.uint8)
