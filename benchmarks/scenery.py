"""Rasters of noise with texture, as large as one likes: what a map takes does not depend on what they show."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from benchmarks.untrained import SENSORS
from outcrop.survey.grids import Grid, Nesting

NORTH, CRS = 7_100_000.0, "EPSG:32627"
#: Side of a GeoTIFF's tiles, and how many different ones there are.
TILE, DIFFERENT = 512, 7


def write_mosaic(path: Path, side: int) -> None:
    """A deflated, tiled RGB mosaic of ``side`` pixels a side, each 0.25 m."""
    tiles = [_texture(index, 3, TILE, TILE, 110, 30).clip(1, 255).astype(np.uint8) for index in range(DIFFERENT)]
    with rasterio.open(path, "w", **_layout(side, side, 3, "uint8", 0.25), compress="deflate", zlevel=1) as dataset:
        dataset.descriptions = tuple(f"rgb{band}" for band in range(3))
        for row in range(0, side, TILE):
            for col in range(0, side, TILE):
                height, width = min(TILE, side - row), min(TILE, side - col)
                pixels = tiles[(row // TILE * 3 + col // TILE) % DIFFERENT]
                dataset.write(pixels[:, :height, :width], window=Window(col, row, width, height))


def write_scene(folder: Path, cells: int) -> None:
    """A STAC item, and a raster of every modality, of ``cells`` cells of 1 m a side."""
    base = Grid(cells, cells, Affine(1, 0, 500_000.0, 0, -1, NORTH), CRS)
    assets = {}
    for index, (name, (bands, nesting, mean, std)) in enumerate(SENSORS.items()):
        grid = nesting.grid(base)
        pixels = _texture(index, bands, grid.height, grid.width, mean, std)
        dtype = "uint8" if name == "rgb" else "float32"
        layout = _layout(grid.height, grid.width, bands, dtype, nesting.coarse / nesting.fine)
        with rasterio.open(folder / f"{name}.tif", "w", **layout) as dataset:
            dataset.write(pixels.clip(0, 255).astype(dtype) if name == "rgb" else pixels)
        assets[name] = _asset(name, bands, grid, nesting, dtype)
    when = "2024-07-01T00:00:00Z"
    properties = {"start_datetime": when, "end_datetime": when, "proj:code": CRS}
    item = {"type": "Feature", "id": "scene", "properties": properties, "assets": assets}
    (folder / "scene.json").write_text(json.dumps(item))


def _asset(name: str, bands: int, grid: Grid, nesting: Nesting, dtype: str) -> dict[str, Any]:
    return {
        "href": f"./{name}.tif",
        "roles": ["data"],
        "proj:shape": [grid.height, grid.width],
        "proj:transform": list(grid.transform)[:6],
        "bands": [{"name": f"{name}{band}"} for band in range(bands)],
        "data_type": dtype,
        "unit": "1",
    }


def _texture(seed: int, bands: int, height: int, width: int, mean: float, std: float) -> NDArray[np.float32]:
    """Noise that goes on over 4 x 4 pixels, beside finer noise."""
    rng = np.random.default_rng(seed)
    coarse = rng.standard_normal((bands, -(-height // 4), -(-width // 4)), dtype=np.float32)
    coarse = coarse.repeat(4, 1).repeat(4, 2)[:, :height, :width]
    fine = rng.standard_normal((bands, height, width), dtype=np.float32)
    return np.asarray(np.maximum(mean + std * (0.9 * coarse + 0.3 * fine), 0), np.float32)


def _layout(height: int, width: int, bands: int, dtype: str, pixel: float) -> dict[str, Any]:
    return {
        "driver": "GTiff",
        "height": height,
        "width": width,
        "count": bands,
        "dtype": dtype,
        "crs": CRS,
        "transform": Affine(pixel, 0, 500_000.0, 0, -pixel, NORTH),
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "BIGTIFF": "IF_SAFER",
    }
