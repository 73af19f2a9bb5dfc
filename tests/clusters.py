"""A site that knows its answer: elevation tells the class outright, RGB tells it to whoever has seen enough colours.

Every patch of ground shows one of many colours; each colour belongs to one class, without any order among them. A few
labels show few colours, the unlabelled pairs show all of them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from torch import Tensor, nn

from outcrop.learning.material import Material
from outcrop.learning.models import Model
from outcrop.learning.networks import Prediction
from outcrop.params import Params
from outcrop.settings import merge
from outcrop.survey.cells import CellReader
from outcrop.survey.census import Census, take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.ingest import ingest_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import load_survey

SIDE, COLOURS, CLASSES = 84, 27, 3
PARAMS: dict[str, Any] = {
    "footprint": 3,
    "labels": {"per_class": 4},
    "split": {"block": 8, "buffer": 3, "fractions": {"train": 0.6, "val": 0.2, "test": 0.2}},
    "patches": {"batch": 64, "pool_mb": 8},
    "augment": {"flips": True, "default": {"gain": 0.0, "noise": 0.0}, "rgb": {"gain": 0.0, "offset": 0.0}},
    "train": {
        "epochs": {"teacher": 4, "assistant": 4, "student": 4},
        "samples": 256,
        "warmup": 0.1,
        "patience": 20,
        "lr": {"teacher": 0.01, "student": 0.01},
    },
    "teacher": {"stages": [8], "features": {"rgb": 8, "hyperspectral": 8, "default": 8}, "token": 8, "heads": 2},
    "student": {"stages": [24, 24], "features": 24},
    "evaluate": {"stride": 1, "bootstrap": 50, "latency_runs": 3},
    "forest": {"trees": 20},
}


@dataclass(frozen=True)
class Clusters:
    """The site and its census; `material` makes what a training starts from."""

    folder: Path
    site: Site
    census: Census
    params: Params
    labels: np.ndarray

    def material(self, work: Path, **sections: dict[str, Any]) -> Material:
        """With some parameters changed, by section."""
        params = Params.model_validate(merge(self.params.dump(), sections))
        return Material.gather("clusters", [self.site], self.census, params, work, accelerator="cpu")

    @property
    def reader(self) -> CellReader:
        return CellReader([self.site], self.census)


def make_clusters(folder: Path, params_path: Path, write_geotiff: Any) -> Clusters:
    """Write the raw files, ingest them, take the census."""
    rng = np.random.default_rng(11)
    ground = np.concatenate([rng.permutation(COLOURS) for _ in range(SIDE * SIDE // 16 // COLOURS + 1)])
    ground = ground[: (SIDE // 4) ** 2].reshape(SIDE // 4, SIDE // 4).repeat(4, 0).repeat(4, 1)
    labels = rng.permutation(np.arange(COLOURS) % CLASSES)[ground].astype(np.uint8)
    palette = np.stack(np.meshgrid(*[[40, 120, 200]] * 3), axis=-1).reshape(COLOURS, 3)
    rgb = palette[ground].transpose(2, 0, 1) + rng.normal(0, 4, (3, SIDE, SIDE))
    raw = folder / "raw"
    write_geotiff(raw / "rgb.tif", rgb.astype(np.float32))
    write_geotiff(raw / "elevation.tif", labels.astype(np.float32))
    write_geotiff(raw / "labels.tif", labels)
    entries = {
        "survey": "clusters",
        "classes": [{"name": f"class{c}", "value": c, "colour": f"#{c}{c}{c}{c}{c}{c}"} for c in range(CLASSES)],
        "modalities": {
            "rgb": {"bands": ["red", "green", "blue"], "unit": "1", "range": [-99, 999]},
            "elevation": {"bands": ["elevation"], "unit": "m", "range": [-9, 9]},
        },
        "sites": {
            "plain": {
                "scenes": {
                    "one": {
                        "acquired": "2024-07-01",
                        "rasters": {"rgb": "rgb.tif", "elevation": "elevation.tif"},
                        "labels": "labels.tif",
                    }
                }
            }
        },
        "params": PARAMS,
    }
    path = folder / "survey.yaml"
    path.write_text(yaml.safe_dump(entries), encoding="utf-8")
    survey, params = load_survey(path, params_path)
    site = ingest_site(survey, "plain", params, raw, folder / "sites", print)
    ranges = declared_ranges(survey)
    return Clusters(folder, site, take_census([site], params.footprint, ranges, folder / "census"), params, labels)


class Oracle(nn.Module):
    """A teacher that knows: the centre of the elevation patch is the class, and the features encode the patch."""

    modalities = ("elevation",)

    def forward(self, patches: dict[str, Tensor]) -> Prediction:
        centre = patches["elevation"][:, 0, 1, 1]
        known = nn.functional.one_hot(centre.long(), CLASSES).float()
        return Prediction(8 * known, torch.cat([known, patches["elevation"].flatten(1)], dim=1))


def oracle(material: Material) -> Model:
    """The knowing teacher as a model that sees elevation alone."""
    config = material.config(material.top)
    inputs = tuple(entry for entry in config.inputs if entry.modality == "elevation")
    return Model(Oracle(), config.model_copy(update={"inputs": inputs}))
