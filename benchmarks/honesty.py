"""Whether the simulated task is an honest one: what colours alone tell, what trivial cues do, and what shadow hides.

Forests see one cell at a time and learn from every labelled cell of the training blocks, thinned as always; they are
scored on the test blocks of the same sites.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.simulated import SEED, TRAINING, Ground, simulated
from outcrop.learning.evaluation import cells_to_score, scene_maps
from outcrop.learning.forest import cell_features, fit_forest, score_forest
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored, measure
from outcrop.learning.recipes import SWEEP_BATCH
from outcrop.survey.cells import CellSet, labelled_cells, thinned
from outcrop.survey.patches import BlockPool, sweep
from outcrop.survey.simulation.landscapes import Landscape
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.places import load_places
from outcrop.survey.simulation.surfaces import MARGIN

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier

Result = dict[str, Any]
#: Sensors of each rung; none: all.
RUNGS = {"rgb": ("rgb",), "multispectral": ("rgb", "multispectral"), "all": ()}
#: Features of a cell's RGB that are a cue by themselves: the means of its pixels, and their deviations.
CUES = {"colour": slice(0, 3), "texture": slice(6, 9)}
BRIGHT = ("plagioclase", "wollastonite", "calcite", "magnesite", "clay")
DARK = ("basalt", "olivine", "pyroxene", "serpentine", "iron_oxide")
#: A cell with less direct sunlight than this, on flat open ground 1, lies in shadow or turns from the sun.
DIM = 0.5


@dataclass(frozen=True)
class Table:
    """Features (N, F) of cells, their labels (N,) and blocks (N,)."""

    features: NDArray[np.float32]
    labels: NDArray[np.int64]
    blocks: NDArray[np.int64]


def measure_honesty(size: int) -> Result:
    """Macro-F1 of forests by rung and of trivial cues, pooled over the sites and by site; what shadow does to colours.

    Parameters
    ----------
    size : base cells along one side of each site
    """
    with simulated(size, TRAINING) as ground:
        material = by_cell(ground, TRAINING)
        rungs, scored = _rungs(material)
        apart = {site: _rungs(by_cell(ground, [site]))[0] for site in TRAINING}
        return {
            "size": size,
            "rungs": rungs,
            "ratio": _ratios(rungs),
            "sites": apart,
            "sites_ratio": {rung: mean(_ratios(each)[rung] for each in apart.values()) for rung in RUNGS},
            "cues": {name: _cue(material, columns, rungs["rgb"]) for name, columns in CUES.items()},
            "shadow": _shadow(material, scored["rgb"]),
        }


def score(scored: Scored, material: Material) -> Result:
    """Macro-F1 with its interval, and F1 by class."""
    evaluate = material.params.evaluate
    names = material.census.class_names
    found = measure(scored, names, bins=evaluate.bins, draws=evaluate.bootstrap, seed=SEED)
    return {
        "macro_f1": found["macro_f1"],
        "interval": found["interval"]["macro_f1"],
        "classes": {name: entry["f1"] for name, entry in found["per_class"].items()},
        "cells": found["cells"],
        "blocks": found["blocks"],
    }


def by_cell(ground: Ground, sites: Sequence[str]) -> Material:
    """Single cells, all labels."""
    return ground.material(sites, sites, {"footprint": 1, "labels": {"per_class": "all"}})


def _rungs(material: Material) -> tuple[Result, dict[str, Scored]]:
    """The scores of one forest a rung, and what each said."""
    scored = {}
    for rung, listed in RUNGS.items():
        sensors = listed or material.top.modalities
        scored[rung] = ask(grow(material, sensors), material, sensors)
    return {rung: score(each, material) for rung, each in scored.items()}, scored


def grow(material: Material, sensors: Sequence[str]) -> "RandomForestClassifier":
    """A forest that has learnt from the training blocks."""
    seen = _seen(material, sensors)
    return fit_forest(seen.features, seen.labels, material.params.forest, material.params.seed)


def ask(forest: "RandomForestClassifier", material: Material, sensors: Sequence[str]) -> Scored:
    """What a forest says of the test blocks."""
    asked = _table(material, sensors, cells_to_score(material))
    probabilities = score_forest(forest, asked.features, len(material.census.class_names))
    return Scored(asked.labels, probabilities, asked.blocks)


def _ratios(rungs: Result) -> dict[str, float]:
    return {rung: each["macro_f1"] / rungs["all"]["macro_f1"] for rung, each in rungs.items()}


def _cue(material: Material, columns: slice, forest: Result) -> Result:
    """The class whose mean of a few features is nearest, also as a share of what the RGB forest reaches."""
    seen, asked = _seen(material, ("rgb",)), _table(material, ("rgb",), cells_to_score(material))
    classes = np.unique(seen.labels)
    means = np.stack([seen.features[seen.labels == label, columns].mean(axis=0) for label in classes])
    distances = np.linalg.norm(asked.features[:, None, columns] - means, axis=2)
    probabilities = np.zeros((len(asked.labels), len(material.census.class_names)), dtype=np.float32)
    probabilities[np.arange(len(asked.labels)), classes[distances.argmin(axis=1)]] = 1
    found = score(Scored(asked.labels, probabilities, asked.blocks), material)
    return {**found, "ratio": found["macro_f1"] / forest["macro_f1"]}


def _shadow(material: Material, scored: Scored) -> Result:
    """What share of the dim test cells of bright units is called a dark one, and of lit cells.

    Lit cells are weighted by how many dim ones their unit has at their site: light alone tells the two apart.
    """
    names = material.census.class_names
    bright, dark = ([names.index(name) for name in group] for group in (BRIGHT, DARK))
    cells, dim_wrong, lit_wrong = 0, 0.0, 0.0
    for found in scene_maps(material, scored):
        dim = direct_light(found.site, len(found.labels)) < DIM
        called_dark = np.isin(found.predicted, dark)
        for unit in bright:
            here, lit = (found.labels == unit) & dim, (found.labels == unit) & ~dim
            if here.any() and lit.any():
                cells += int(here.sum())
                dim_wrong += float(called_dark[here].sum())
                lit_wrong += float(called_dark[lit].mean() * here.sum())
    out, lit_share = dim_wrong / max(cells, 1), lit_wrong / max(cells, 1)
    return {"cells": cells, "dim": out, "lit": lit_share, "difference": out - lit_share}


def direct_light(site: str, size: int) -> NDArray[np.float32]:
    """Direct sunlight (size, size) on every cell of a simulated site, 1 on flat open ground."""
    landscape = Landscape(load_places()[site], size, SEED, load_library())
    return landscape.light.cells(MARGIN, MARGIN, size, size).direct


def _seen(material: Material, sensors: Sequence[str]) -> Table:
    """What forests learn from."""
    params, reader = material.params, material.reader
    labelled = labelled_cells(reader, "train", params.labels.per_class, params.seed)
    return _table(material, sensors, thinned(reader, labelled, params.forest.samples, params.seed))


def _table(material: Material, sensors: Sequence[str], cells: CellSet) -> Table:
    pool = BlockPool(material.reader, sensors, material.params.patches.pool_mb)
    rows = [
        (cell_features(batch, material.census.footprint), batch.labels, batch.blocks)
        for batch in sweep(pool, cells, SWEEP_BATCH)
    ]
    return Table(*(np.concatenate(column) for column in zip(*rows, strict=True)))
