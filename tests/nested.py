"""Two sites whose modalities nest in every way, and the brute force that says what their patches must be.

``rgb`` is four times finer than the base grid, ``elevation`` equal to it, ``thermal`` three times coarser and begins
before it. Sides are no multiples of the block, values are random, and each raster has holes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from outcrop.params import Params
from outcrop.survey.cells import CellReader
from outcrop.survey.census import Ranges, take_census
from outcrop.survey.grids import Nesting
from outcrop.survey.ingest import ingest_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey, load_survey

FOOTPRINT, BLOCK = 5, 11
RANGES: Ranges = {"rgb": (-2.0, 2.0), "elevation": (-9.0, 9.0), "thermal": (-9.0, 9.0)}
MODALITIES = tuple(RANGES)
CLASSES = ("basalt", "olivine", "calcite")
#: By site: rows and columns of the base grid, and how far into its first pixel thermal begins.
SITES = {"east": (58, 50, (1, 2)), "west": (47, 61, (0, 1))}
PARAMS = {
    "footprint": FOOTPRINT,
    "labels": {"per_class": 40},
    "split": {"block": BLOCK, "buffer": FOOTPRINT, "fractions": {"train": 0.5, "val": 0.25, "test": 0.25}},
}


@dataclass(frozen=True)
class Truth:
    """What was written of one site: rasters (bands, height, width) by modality, and labels (H, W), 255: none."""

    rasters: dict[str, np.ndarray]
    nestings: dict[str, Nesting]
    labels: np.ndarray

    def patch(self, modality: str, row: int, col: int) -> np.ndarray:
        """(bands, side, side) of a cell, spelled out; NaN where there is no raster."""
        raster, nesting = self.rasters[modality], self.nestings[modality]
        if nesting.coarse == 1:
            rows, cols = (
                np.arange((first - FOOTPRINT // 2) * nesting.fine, (first + FOOTPRINT // 2 + 1) * nesting.fine)
                for first in (row, col)
            )
        else:
            middle = (row + nesting.row) // nesting.coarse, (col + nesting.col) // nesting.coarse
            rows, cols = (np.arange(m - 1, m + 2) for m in middle)  # 5 cells are 2 pixels of 3, made odd
        cut = np.full((len(raster), len(rows), len(cols)), np.nan, dtype=np.float32)
        for i, r in enumerate(rows):
            for j, c in enumerate(cols):
                if 0 <= r < raster.shape[1] and 0 <= c < raster.shape[2]:
                    cut[:, i, j] = raster[:, r, c]
        return cut

    def whole(self, row: int, col: int) -> bool:
        """Whether a cell's patch has data in every modality."""
        return all(np.isfinite(self.patch(name, row, col)).all() for name in self.rasters)


@dataclass(frozen=True)
class Nested:
    """The survey of both sites, ingested, with its census in ``folder`` and what was written."""

    folder: Path
    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    reader: CellReader
    truths: tuple[Truth, ...]

    def cell(self, block: int, position: int) -> tuple[Truth, int, int]:
        """The truth, row and column of a cell."""
        entry = self.reader.census.blocks[block]
        row, col = divmod(int(position), entry.tile.width)
        return self.truths[entry.site], entry.tile.row + row, entry.tile.col + col


def make_nested(folder: Path, params_path: Path, write_geotiff: Any) -> Nested:
    """Write raw files, ingest both sites, take the census."""
    truths = {name: _write(folder / "raw", name, write_geotiff) for name in SITES}
    entries = {
        "survey": "nested",
        "classes": [{"name": name, "value": i + 1, "colour": f"#{i}{i}0000"} for i, name in enumerate(CLASSES)],
        "modalities": {
            "rgb": {"bands": ["red", "green", "blue"], "unit": "1", "range": list(RANGES["rgb"])},
            "elevation": {"bands": ["elevation"], "unit": "m", "range": list(RANGES["elevation"])},
            "thermal": {"bands": ["day", "night"], "unit": "K", "range": list(RANGES["thermal"])},
        },
        "sites": {
            name: {
                "scenes": {
                    "one": {
                        "acquired": "2024-07-01",
                        "rasters": {modality: f"{name}/{modality}.tif" for modality in RANGES},
                        "labels": f"{name}/labels.tif",
                    }
                }
            }
            for name in SITES
        },
        "params": PARAMS,
    }
    path = folder / "survey.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    survey, params = load_survey(path, params_path)
    sites = tuple(ingest_site(survey, name, params, folder / "raw", folder / "sites", print) for name in SITES)
    census = take_census(sites, FOOTPRINT, RANGES, folder / "census")
    return Nested(folder, survey, params, sites, CellReader(sites, census), tuple(truths.values()))


def _write(raw: Path, name: str, write_geotiff: Any) -> Truth:
    height, width, (row, col) = SITES[name]
    rng = np.random.default_rng([height, width])
    coarse = Nesting(coarse=3, row=row, col=col)
    rasters = {
        "rgb": rng.normal(0, 1, (3, 4 * height, 4 * width)),
        "elevation": rng.normal(5, 2, (1, height, width)),
        "thermal": rng.normal([[[-1]], [[3]]], 0.5, (2, -(-(height + row) // 3), -(-(width + col) // 3))),
    }
    rasters["rgb"][:, 30, 70:73] = np.nan
    rasters["elevation"][:, height - 9, 20:24] = np.nan
    rasters["thermal"][0, 4, 9] = np.nan  # one band suffices
    rasters["thermal"][1, 4, 9] = np.nan
    rasters = {modality: values.astype(np.float32) for modality, values in rasters.items()}
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (height, width), p=[0.5, 0.25, 0.05, 0.2])
    cells = {"rgb": 2.5, "elevation": 10.0, "thermal": 30.0}
    for modality, values in rasters.items():
        shift = (-col * 10, row * 10) if modality == "thermal" else (0, 0)
        origin = (500_000.0 + shift[0], 7_100_000.0 + shift[1])
        write_geotiff(raw / name / f"{modality}.tif", values, cell=cells[modality], origin=origin)
    stored = np.where(labels == 255, 0, labels + 1).astype(np.uint8)
    write_geotiff(raw / name / "labels.tif", stored, origin=(500_000.0, 7_100_000.0), nodata=0)
    return Truth(rasters, {"rgb": Nesting(fine=4), "elevation": Nesting(), "thermal": coarse}, labels)
