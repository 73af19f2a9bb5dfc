"""Do the stated intervals hold the truth? One independent realisation of the carbonation site after the other."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.realisations import (
    SENSORS,
    Scene,
    as_shares,
    classify,
    learn_composition,
    make_scene,
    profile_with,
    site,
)
from outcrop.field.carbon.estimates import estimate
from outcrop.field.carbon.fractions import Confusion, draw_fractions
from outcrop.field.carbon.potentials import Pathway
from outcrop.field.carbon.profiles import Composition, Profile, load_profile
from outcrop.field.carbon.quantities import Quantity
from outcrop.field.carbon.uptake import Given, Rocks, draw_inputs, gross, rocks_of
from outcrop.survey.simulation.units import UNITS

QUANTITIES = ("capacity", "rate")
#: Seeds of the scenes from which composition is learnt: none of them is estimated.
LEARNT_FROM = range(10_000, 10_040)
#: Of an estimate; fewer than the command's, for there are many estimates.
DRAWS = 400
CARBONATES = ("calcite", "magnesite")
Result = dict[str, Any]


def learn() -> Composition:
    """What is known of the rocks of such sites before one of them is mapped."""
    return learn_composition([make_scene(seed, sensors=()) for seed in LEARNT_FROM])


def realise(seed: int, composition: Composition) -> Result:
    """Estimates and truth of one realisation."""
    scene = make_scene(seed)
    result: Result = {"seed": seed}
    for sensor in SENSORS:
        mapped, confusion = classify(scene, sensor, seed)
        counts = np.bincount(mapped.ravel(), minlength=len(UNITS))
        found: Result = {"accuracy": float((mapped == scene.labels).mean())}
        for quantity in QUANTITIES:
            profile = profile_with(quantity, composition)
            told = estimate(profile, site(quantity), confusion, counts, scene.cell_m**2, seed, DRAWS)
            ends = {"p5": told.gross.p5, "p50": told.gross.p50, "p95": told.gross.p95, "naive": told.naive}
            found[quantity] = {**ends, "truth": true_uptake(scene, profile, quantity, seed)}
        found["extent"] = _extent(scene, profile_with("capacity", composition), counts, confusion, seed)
        result[sensor] = found
    return result


def true_uptake(scene: Scene, profile: Profile, quantity: str, seed: int) -> float:
    """Uptake of the ground as it is, with coefficients and conditions drawn from what the profile states."""
    rng = np.random.default_rng([seed, 3])
    names = tuple(profile.minerals)
    known = Rocks(names, as_shares(dict(zip(scene.minerals, scene.fractions, strict=True)), names)[None])
    inputs = draw_inputs(profile, known, site(quantity), rng, 1)
    inputs |= {"composition": known.shares[None], "areas": np.ones((1, 1))}
    area = scene.labels.size * scene.cell_m**2
    return float(gross(profile, known, site(quantity), inputs, area)[0])


def _extent(
    scene: Scene, profile: Profile, counts: NDArray[np.integer], confusion: Confusion, seed: int
) -> dict[str, float]:
    """Carbonation extent: the share of carbonates in the mass of carbonates and of what can carbonate."""
    rng = np.random.default_rng([seed, 4])
    rocks = rocks_of(profile, UNITS, ())
    inputs = draw_inputs(profile, rocks, site("capacity"), rng, DRAWS)
    density = np.array([profile.minerals[name].density.value for name in rocks.names])
    fractions = draw_fractions(counts, confusion, rng, DRAWS)
    masses = np.einsum("dk,dkm,dm->dm", fractions, inputs["composition"], inputs["density"])
    naive = counts / counts.sum() @ rocks.shares * density
    truth = as_shares(dict(zip(scene.minerals, scene.fractions, strict=True)), rocks.names) * density
    low, middle, high = (float(end) for end in np.percentile(_carbonated(masses, rocks, profile), [5, 50, 95]))
    alone = {"naive": naive, "truth": truth}
    return {"p5": low, "p50": middle, "p95": high} | {
        name: float(_carbonated(masses[None], rocks, profile)[0]) for name, masses in alone.items()
    }


def _carbonated(masses: NDArray[np.float64], rocks: Rocks, profile: Profile) -> NDArray[np.float64]:
    carbonate = masses[:, [name in CARBONATES for name in rocks.names]].sum(axis=1)
    silicate = masses[:, [bool(profile.minerals[name].rates) for name in rocks.names]].sum(axis=1)
    return np.asarray(carbonate / (carbonate + silicate))


def summarise(results: Sequence[Result]) -> list[Result]:
    """A row for each sensor and quantity: coverage of the 90 % interval, its width, and errors."""
    return list(_rows(results))


def _rows(results: Sequence[Result]) -> Iterator[Result]:
    for sensor in SENSORS:
        for quantity in (*QUANTITIES, "extent"):
            columns = {
                key: np.array([result[sensor][quantity][key] for result in results])
                for key in ("p5", "p50", "p95", "naive", "truth")
            }
            truth = columns["truth"]
            yield {
                "sensor": sensor,
                "quantity": quantity,
                "coverage": float(((columns["p5"] <= truth) & (truth <= columns["p95"])).mean()),
                "below": float((truth < columns["p5"]).mean()),
                "width": float(np.median((columns["p95"] - columns["p5"]) / columns["p50"])),
                "error": float(np.median(np.abs(columns["p50"] / truth - 1))),
                "naive": float(np.median(np.abs(columns["naive"] / truth - 1))),
                "bias": float(np.median(columns["p50"] / truth) - 1),
                "naive_bias": float(np.median(columns["naive"] / truth) - 1),
                "accuracy": float(np.mean([result[sensor]["accuracy"] for result in results])),
            }


def field_check() -> Result:
    """What the rate profile says of a published field trial: 50 t/ha of basalt, 235 days; grain and pH are assumed."""
    numbers = {"application": (50.0, 0.0), "grain": (30.0, 10.0), "temperature": (22.0, 2.0), "ph": (5.5, 0.5)}
    told = {name: Quantity(value=value, sd=sd, unit="1", source="assumed") for name, (value, sd) in numbers.items()}
    trial = Given(Pathway.weathering, feedstock=("basalt",), years=235 / 365.25, **told)
    certain = Confusion(("basalt", "soil"), np.eye(2) * 1e6, 2e6)
    found = estimate(load_profile("rate"), trial, certain, np.array([100, 0]), 100.0, 1)
    whole = {name: value * trial.years for name, value in vars(found.gross).items()}
    return whole | {"words": "grains of 30 +- 10 um at 22 +- 2 C and pH 5.5 +- 0.5 (assumed)"}


def inputs_told() -> dict[str, str]:
    """What the estimates know of the site, in words."""
    given = site("rate").quantities
    return {
        name: f"{one.value:g} +- {one.sd:g} {one.unit if one.unit != '1' else ''}".strip()
        for name, one in given.items()
    }
