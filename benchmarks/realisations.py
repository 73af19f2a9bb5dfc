"""Cheap realisations of the simulated carbonation site: the ground, what a classifier makes of it, its true uptake.

A realisation draws all that an estimate does not know: the ground and its minerals by the survey's generator, and the
coefficients, densities, grain size and pH from the priors that the profiles state. The classifier is a linear
discriminant on simulated reflectance, trained on a quarter of the blocks; its confusion is that of another quarter.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from outcrop.field.carbon.fractions import Confusion, confusion_of
from outcrop.field.carbon.potentials import Pathway
from outcrop.field.carbon.profiles import Composition, Profile, load_profile
from outcrop.field.carbon.quantities import Quantity
from outcrop.field.carbon.uptake import Given
from outcrop.learning.metrics import Scored, measure
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.landscapes import Landscape
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.places import load_places
from outcrop.survey.simulation.units import UNITS

#: Base cells along one side of a scene and of a block; years since the rock was spread; labelled cells a class.
SIZE, BLOCK, YEARS, PER_CLASS = 48, 6, 1.0, 30
#: Centres (um) of what each sensor sees, and the standard deviation of its noise in reflectance.
SENSORS = {"rgb": (0.49, 0.56, 0.665), "12 bands": (0.443, 0.49, 0.56, 0.665, 0.705, 0.74, 0.783, 0.842, 0.865, 0.945,
           1.61, 2.19)}  # fmt: skip
NOISE = 0.01
#: The generator's endmembers as the mineral table calls them.
MINERALS = {"orthopyroxene": "enstatite", "clinopyroxene": "augite", "plagioclase": "labradorite",
            "serpentine": "lizardite", "montmorillonite": "smectite", "green_vegetation": "plants",
            "dry_vegetation": "plants"}  # fmt: skip
#: What an operator would say of the site. The estimates know no more, and the truth is drawn from it.
SITE = {"depth": (0.003, 0.0003, "m"), "porosity": (0.4, 0.05, "1")}
CONDITIONS = {"grain": (60.0, 15.0, "um"), "temperature": (16.0, 2.0, "C"), "ph": (6.0, 0.4, "1")}
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scene:
    """One ground: mean fractions (M,) of the table's minerals, those (units, M) by label, and what sensors see."""

    labels: NDArray[np.uint8]
    minerals: tuple[str, ...]
    fractions: Array
    by_label: Array
    seen: dict[str, NDArray[np.float32]]
    cell_m: float


@cache
def _generator() -> tuple[Any, Any]:
    return load_places()["illinois"], load_library(None)


def make_scene(seed: int, years: float = YEARS, *, sensors: Sequence[str] = tuple(SENSORS)) -> Scene:
    """Draw a ground, at a date."""
    place, library = _generator()
    landscape = Landscape(place, SIZE, seed, library, years)
    window = (0, 0, SIZE, SIZE)
    labels = landscape.ground.cover(*window).labels.astype(np.uint8)
    minerals = tuple(dict.fromkeys(MINERALS.get(name, name) for name in ENDMEMBERS))
    cells = np.zeros((len(minerals), SIZE, SIZE))
    for name, share in zip(ENDMEMBERS, landscape.fractions(window), strict=True):
        cells[minerals.index(MINERALS.get(name, name))] += share
    by_label = np.full((len(UNITS), len(minerals)), np.nan)
    for value in np.unique(labels):
        by_label[value] = cells[:, labels == value].mean(axis=1)
    rng = np.random.default_rng([seed, round(100 * years), 1])
    seen = {}
    for sensor in sensors:
        bands = landscape.reflectance(*window, np.array(SENSORS[sensor], dtype=np.float32))
        seen[sensor] = (bands + rng.normal(0, NOISE, bands.shape)).astype(np.float32)
    return Scene(labels, minerals, cells.mean(axis=(1, 2)), by_label, seen, landscape.cell_m)


def classify(scene: Scene, sensor: str, seed: int) -> tuple[NDArray[np.int64], Confusion]:
    """The map (H, W) of a classifier, and its confusion on test blocks."""
    features = scene.seen[sensor].reshape(len(SENSORS[sensor]), -1).T
    truth = scene.labels.ravel().astype(np.int64)
    rows, cols = np.divmod(np.arange(SIZE * SIZE), SIZE)
    block = rows // BLOCK * (SIZE // BLOCK) + cols // BLOCK
    rng = np.random.default_rng([seed, 2])
    role = rng.permutation(int(block.max()) + 1)[block] * 4 // (int(block.max()) + 1)
    train = np.concatenate(
        [rng.permutation(np.flatnonzero((role == 0) & (truth == value)))[:PER_CLASS] for value in range(len(UNITS))]
    )
    classifier = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=0.1).fit(features[train], truth[train])
    probabilities = np.zeros((len(truth), len(UNITS)), dtype=np.float32)
    probabilities[:, classifier.classes_] = classifier.predict_proba(features)
    test = role == 1
    scored = Scored(truth[test], probabilities[test], block[test])
    found = measure(scored, UNITS, bins=5, draws=200, seed=seed)
    return probabilities.argmax(axis=1).reshape(SIZE, SIZE), confusion_of(found, UNITS)


def site(quantity: str) -> Given:
    """What an operator says of the site."""
    told = SITE | (CONDITIONS if quantity == "rate" else {})
    numbers = {
        name: Quantity(value=value, sd=sd, unit=unit, source="the study") for name, (value, sd, unit) in told.items()
    }
    return Given(Pathway.weathering, years=1.0, **numbers)


def learn_composition(scenes: Sequence[Scene]) -> Composition:
    """What the labelled ground is made of, and how much that differs from place to place: from scenes of their own."""
    minerals = scenes[0].minerals
    rocks, means, spreads = {}, 0.0, 0.0
    for value, name in enumerate(UNITS):
        found = np.array([scene.by_label[value] for scene in scenes if np.isfinite(scene.by_label[value]).all()])
        if len(found) < 3:
            rocks[name] = {}
            continue
        mean = found.mean(axis=0) / found.mean(axis=0).sum()
        rocks[name] = {mineral: float(share) for mineral, share in zip(minerals, mean, strict=True) if share > 0}
        means, spreads = means + float((mean * (1 - mean)).sum()), spreads + float(found.var(axis=0, ddof=1).sum())
    # Of a Dirichlet variate, the variance of a share f is f (1 - f) / (concentration + 1).
    return Composition(
        unit="share of the volume", concentration=means / spreads - 1, source="realisations of their own", rocks=rocks
    )


def profile_with(quantity: str, composition: Composition) -> Profile:
    """A profile that comes with Outcrop, of the rocks as they lie on this site."""
    return load_profile(quantity).model_copy(update={"composition": composition})


def as_shares(told: Mapping[str, float], names: Sequence[str]) -> Array:
    """(M,) shares in the order of ``names``."""
    return np.array([told.get(name, 0.0) for name in names])
