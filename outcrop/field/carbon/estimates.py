"""Estimates with intervals: P5, P50 and P95, the share of the variance of each input, and the naive estimate."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError, ParamsError
from outcrop.field.carbon.fractions import Confusion, draw_fractions
from outcrop.field.carbon.profiles import Profile
from outcrop.field.carbon.uptake import PARTS, Given, Rocks, draw_inputs, gross, net, rock_per_m2, rocks_of

Array = NDArray[np.float64]
#: Stands in every output.
SCREENING = "Screening: an estimate from images of what rock could take up, not a creditable removal."
DRAWS = 1000
#: What else a rate needs.
RATE_NEEDS = ("grain", "temperature", "ph")


@dataclass(frozen=True)
class Range:
    """P5, P50 and P95; the first is what may be claimed."""

    p5: float
    p50: float
    p95: float

    @classmethod
    def of(cls, values: Array) -> "Range":
        """Of draws."""
        return cls(*(float(value) for value in np.percentile(values, [5, 50, 95])))


@dataclass(frozen=True)
class Estimate:
    """What a region is estimated to bind.

    Parameters
    ----------
    area_m2 : that is mapped; None of an index
    gross : t CO2, or t CO2 a year, or an index without unit
    net : of losses and emissions; None where they were not given
    naive : with the mapped areas as they are, and every other input at its value
    rock : t of rock that counts; None of an index
    areas : share of the area by class, corrected; ``mapped`` as the map has it
    variance : share of the variance of the total that each input alone causes
    """

    area_m2: float | None
    gross: Range
    net: Range | None
    naive: float
    rock: Range | None
    areas: dict[str, Range]
    mapped: dict[str, float]
    variance: dict[str, float]

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def check_given(profile: Profile, given: Given) -> None:
    """Whether the user gave what the profile needs.

    Raises
    ------
    ParamsError : something is missing, or contradicts something else.
    """
    if profile.quantity == "index":
        if given.quantities:
            raise ParamsError(
                f"an index knows no {next(iter(given.quantities))}", where=profile.profile, remedy="leave it out"
            )
        return
    if (given.depth is None) == (given.application is None):
        what = "neither depth nor application rate is" if given.depth is None else "both depth and application rate are"
        raise ParamsError(
            f"{what} given", remedy="give --depth for rock in place, or --application-rate for spread rock"
        )
    if given.application is not None and not given.feedstock:
        raise ParamsError("it is not said which classes were spread", remedy="name them with --feedstock")
    if given.application is not None and given.porosity is not None:
        raise ParamsError("spread rock is given by its mass", where="--porosity", remedy="leave it out")
    if (given.losses is None) != (given.emissions is None):
        raise ParamsError("losses and emissions belong together", remedy="give both --losses and --emissions, or none")
    if profile.quantity == "rate":
        for name in RATE_NEEDS:
            if getattr(given, name) is None:
                raise ParamsError(f"a rate needs the {name}", remedy=f"give --{name}")
    elif unused := [name for name in RATE_NEEDS if getattr(given, name) is not None]:
        raise ParamsError(f"a capacity knows no {unused[0]}", remedy=f"leave --{unused[0]} out, or take --profile rate")


def estimate(
    profile: Profile,
    given: Given,
    confusion: Confusion,
    mapped: NDArray[np.integer],
    cell_m2: float | None,
    seed: int,
    draws: int = DRAWS,
) -> Estimate:
    """Estimate what the mapped cells of a region bind.

    Parameters
    ----------
    mapped : (K,) cells of each class of the confusion
    cell_m2 : area of a cell; only an index does without

    Raises
    ------
    ParamsError : `check_given`.
    DataError : no cell is mapped, no class has a potential, or the area is not known.
    """
    check_given(profile, given)
    rng = np.random.default_rng([seed, draws])
    naive_areas = mapped / max(int(mapped.sum()), 1)
    areas = [draw_fractions(mapped, confusion, rng, draws) for _ in range(2)]
    told: dict[str, Any] = {
        "areas": {name: Range.of(areas[0][:, k]) for k, name in enumerate(confusion.classes)},
        "mapped": dict(zip(confusion.classes, naive_areas.tolist(), strict=True)),
    }
    if profile.quantity == "index":
        weights = _index(profile, confusion.classes)
        values = areas[0] @ weights
        share = {"areas": 1.0} if values.std() else {}
        return Estimate(None, Range.of(values), None, float(naive_areas @ weights), None, variance=share, **told)
    if cell_m2 is None:
        raise DataError("the size of the map's cells is not known", remedy="give it in metres with --cell-m")
    rocks = rocks_of(profile, confusion.classes, given.feedstock)
    area_m2 = float(mapped.sum()) * cell_m2
    first, second = ({**draw_inputs(profile, rocks, given, rng, draws), "areas": drawn} for drawn in areas)

    def total(inputs: Any) -> Array:
        return (net if given.losses else gross)(profile, rocks, given, inputs, area_m2)

    return Estimate(
        area_m2,
        Range.of(gross(profile, rocks, given, first, area_m2)),
        Range.of(net(profile, rocks, given, first, area_m2)) if given.losses else None,
        _naive(profile, rocks, given, naive_areas, area_m2),
        Range.of(area_m2 * (rock_per_m2(rocks, first) * first["areas"]).sum(axis=1)),
        variance=variance_shares(total, first, second),
        **told,
    )


def draw_total(
    profile: Profile,
    given: Given,
    confusion: Confusion,
    mapped: NDArray[np.integer],
    cell_m2: float,
    seed: int,
    draws: int = DRAWS,
) -> Array:
    """Draws (draws,) of what the mapped cells bind: net where losses and emissions are given, else gross.

    Raises
    ------
    ParamsError, DataError : as `estimate`, of a profile that is no index.
    """
    check_given(profile, given)
    rng = np.random.default_rng([seed, draws])
    areas, rocks = draw_fractions(mapped, confusion, rng, draws), rocks_of(profile, confusion.classes, given.feedstock)
    inputs = {**draw_inputs(profile, rocks, given, rng, draws), "areas": areas}
    return (net if given.losses else gross)(profile, rocks, given, inputs, float(mapped.sum()) * cell_m2)


def _index(profile: Profile, classes: Sequence[str]) -> Array:
    assert profile.index is not None
    weights = np.array([profile.index[name].value if name in profile.index else 0.0 for name in classes])
    if not weights.any():
        raise DataError(
            "no class of the map has a potential in this profile",
            where=", ".join(classes),
            remedy="choose another profile",
        )
    return weights


def _naive(profile: Profile, rocks: Rocks, given: Given, areas: Array, area_m2: float) -> float:
    """Every input at its value, and the areas as mapped."""
    exact = {name: one.model_copy(update={"sd": 0.0}) for name, one in given.quantities.items()}
    fixed = Given(given.pathway, feedstock=given.feedstock, years=given.years, **exact)
    certain = _certain(profile)
    inputs = draw_inputs(certain, rocks, fixed, np.random.default_rng(0), 1)
    inputs |= {"composition": rocks.shares[None], "areas": areas[None]}
    return float(gross(certain, rocks, fixed, inputs, area_m2)[0])


def _certain(profile: Profile) -> Profile:
    """A profile without any uncertainty."""

    def sure(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: 0.0 if key == "sd" else sure(inner) for key, inner in value.items()}
        return value

    told = profile.model_dump()
    told["more_minerals"] = {name: mineral.model_dump() for name, mineral in profile.minerals.items()}
    return Profile.model_validate(sure(told))


def variance_shares(
    total: Callable[[Any], Array], first: dict[str, Array], second: dict[str, Array]
) -> dict[str, float]:
    """Share of the variance that each input alone causes: first-order Sobol indices by Janon et al. (2014).

    Each compares the total of the ``first`` draws with that of the ``second`` ones in which only this input is that of
    the first. What is left to 1 is caused by inputs together.
    """
    whole, groups = total(first), {"areas": ("areas",), **PARTS}
    groups |= {name: (name,) for name in first if not any(name in parts for parts in groups.values())}
    shares = {}
    for group, parts in groups.items():
        kept = {name: first[name] for name in parts if name in first}
        if not kept or all(np.ptp(values, axis=0).max() == 0 for values in kept.values()):
            continue
        other = total({**second, **kept})
        both = (whole + other) / 2
        variance = (whole**2 + other**2).mean() / 2 - both.mean() ** 2
        shares[group] = float(np.clip(((whole * other).mean() - both.mean() ** 2) / max(variance, 1e-300), 0, 1))
    return shares
