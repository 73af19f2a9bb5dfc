"""What a square metre of each class binds: a deterministic function of inputs, each of which can be drawn.

Inputs are arrays whose first axis is draws. `draw_inputs` draws them all; `gross` and `net` are their functions, so
that the share of each in the variance follows from drawing some anew and keeping the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.field.carbon.potentials import Pathway, capacity, molar_mass
from outcrop.field.carbon.profiles import Profile
from outcrop.field.carbon.quantities import Quantity
from outcrop.field.carbon.rates import Mechanism, dissolution_rate, reacted_share

Array = NDArray[np.float64]
Inputs = Mapping[str, Array]
M2_PER_HA = 1e4


@dataclass(frozen=True)
class Given:
    """What the user says of a site.

    Parameters
    ----------
    depth : m of rock in place, with ``porosity``; or
    application : t of rock spread on a hectare of the ``feedstock``
    feedstock : the classes that count; empty: all
    grain, temperature, ph : um, C, 1: for rates
    years : over which the yearly uptake is the mean
    losses : share of the gross uptake that is lost again; ``emissions`` : t CO2 a t of rock, of the supply chain, once.
        Without them there is no net uptake
    """

    pathway: Pathway
    depth: Quantity | None = None
    porosity: Quantity | None = None
    application: Quantity | None = None
    feedstock: tuple[str, ...] = ()
    grain: Quantity | None = None
    temperature: Quantity | None = None
    ph: Quantity | None = None
    years: float = 1.0
    losses: Quantity | None = None
    emissions: Quantity | None = None
    quantities: dict[str, Quantity] = field(init=False)

    def __post_init__(self) -> None:
        names = ("depth", "porosity", "application", "grain", "temperature", "ph", "losses", "emissions")
        given = {name: getattr(self, name) for name in names}
        object.__setattr__(self, "quantities", {name: one for name, one in given.items() if one is not None})

    @classmethod
    def of(
        cls, told: Mapping[str, Quantity], pathway: Pathway, feedstock: tuple[str, ...] = (), years: float = 1.0
    ) -> "Given":
        """From the `INPUTS` that a user gave."""
        named = {"application" if name == "application_rate" else name: one for name, one in told.items()}
        return cls(pathway, feedstock=feedstock, years=years, **named)


@dataclass(frozen=True)
class Rocks:
    """The classes of a map as a profile sees them: (K, M) mean shares of the volume, by class and mineral."""

    names: tuple[str, ...]
    shares: Array


def rocks_of(profile: Profile, classes: Sequence[str], feedstock: Sequence[str]) -> Rocks:
    """What the classes of a map are made of; those that are not feedstock (if any is named) count for nothing.

    Raises
    ------
    DataError : the profile does not speak of a class, the map does not have one, or none of them binds anything.
    """
    assert profile.composition is not None
    if unknown := [name for name in classes if name not in profile.composition.rocks]:
        raise DataError(
            f"the profile `{profile.profile}` says nothing of the class {unknown[0]}",
            remedy="add it to the profile's `composition`, with `{}` if it is no rock",
        )
    if unknown := [name for name in feedstock if name not in classes]:
        raise DataError(f"the map has no class {unknown[0]}", remedy=f"choose among {', '.join(classes)}")
    names = tuple(profile.minerals)
    rocks = [profile.composition.rocks[name] if name in (feedstock or classes) else {} for name in classes]
    shares = np.array([[rock.get(name, 0.0) for name in names] for rock in rocks])
    binds = [capacity(profile.minerals[name].formula, Pathway.weathering) > 0 for name in names]
    if not shares[:, binds].any():
        raise DataError(
            "no class of the map has a potential in this profile",
            where=", ".join(feedstock or classes),
            remedy="choose another profile",
        )
    return Rocks(names, shares)


#: What each named input of an estimate consists of; `areas` is drawn by the caller.
PARTS = {"composition": ("composition",), "density": ("density",), "coefficients": ("eta",),
         "kinetics": ("log_k", "energy", "roughness", "field")}  # fmt: skip


def draw_inputs(profile: Profile, rocks: Rocks, given: Given, rng: np.random.Generator, draws: int) -> dict[str, Array]:
    """Draw every input but the areas."""
    assert profile.composition is not None and profile.eta is not None
    table = [profile.minerals[name] for name in rocks.names]
    shapes = rng.standard_gamma(
        np.broadcast_to(rocks.shares * profile.composition.concentration, (draws, *rocks.shares.shape))
    )
    total = shapes.sum(axis=2, keepdims=True)
    drawn = {
        "composition": np.divide(shapes, total, out=np.zeros_like(shapes), where=total > 0),
        "density": np.stack([mineral.density.draw_positive(rng, draws) for mineral in table], axis=1),
        "eta": profile.eta.draw_positive(rng, draws),
    }
    if profile.quantity == "rate":
        assert profile.roughness is not None and profile.field is not None
        rates = [rate for mineral in table for rate in mineral.rates.values()]
        drawn["log_k"] = np.stack([rate.log_k.draw(rng, draws) for rate in rates], axis=1)
        drawn["energy"] = np.stack([rate.energy.draw_positive(rng, draws) for rate in rates], axis=1)
        drawn["roughness"] = profile.roughness.draw_positive(rng, draws)
        drawn["field"] = profile.field.draw_positive(rng, draws)
    for name, one in given.quantities.items():
        if name in ("porosity", "losses"):
            drawn[name] = one.draw_share(rng, draws)
        elif name in ("temperature", "ph"):
            drawn[name] = one.draw(rng, draws)
        else:
            drawn[name] = one.draw_positive(rng, draws)
    return drawn


def rock_per_m2(rocks: Rocks, inputs: Inputs) -> Array:
    """Tonnes of rock (draws, K) on a square metre of each class; of classes that do not count, none."""
    counts = rocks.shares.any(axis=1)
    if "application" in inputs:
        return np.outer(inputs["application"] / M2_PER_HA, counts)
    solid = inputs["depth"] * (1 - inputs["porosity"]) if "porosity" in inputs else inputs["depth"]
    return np.asarray(solid[:, None] * np.einsum("dkm,dm->dk", inputs["composition"], inputs["density"]))


def bound_per_tonne(profile: Profile, rocks: Rocks, given: Given, inputs: Inputs) -> Array:
    """Tonnes of CO2 (draws, K) that a tonne of each class binds, or binds in a year."""
    masses = inputs["composition"] * inputs["density"][:, None, :]
    total = masses.sum(axis=2, keepdims=True)
    shares = np.divide(masses, total, out=np.zeros_like(masses), where=total > 0)
    table = [profile.minerals[name] for name in rocks.names]
    each = np.array([capacity(mineral.formula, given.pathway, eta=1.0) for mineral in table])
    eta = inputs["eta"][:, None] if given.pathway is Pathway.weathering else 1.0
    bound = each * np.ones((len(masses), 1)) * eta
    if profile.quantity == "rate":
        bound = bound * _yearly(profile, rocks, given, inputs)
    return np.asarray(np.einsum("dkm,dm->dk", shares, bound))


def _yearly(profile: Profile, rocks: Rocks, given: Given, inputs: Inputs) -> Array:
    """Share (draws, M) of each mineral that dissolves in a year."""
    shares, start = np.zeros(inputs["density"].shape), 0
    for column, name in enumerate(rocks.names):
        mineral = profile.minerals[name]
        mechanisms = [
            Mechanism(inputs["log_k"][:, start + i], inputs["energy"][:, start + i], rate.mechanism.order)
            for i, rate in enumerate(mineral.rates.values())
        ]
        start += len(mechanisms)
        if mechanisms:
            rate = dissolution_rate(mechanisms, inputs["temperature"], inputs["ph"]) * inputs["field"]
            volume = molar_mass(mineral.formula) / inputs["density"][:, column]
            shares[:, column] = reacted_share(rate, volume, inputs["grain"], given.years, inputs["roughness"])
    return shares / given.years


def gross(profile: Profile, rocks: Rocks, given: Given, inputs: Inputs, area_m2: float) -> Array:
    """Tonnes of CO2 (draws,) of an area whose classes have the shares ``inputs["areas"]`` (draws, K)."""
    tonnes = rock_per_m2(rocks, inputs) * inputs["areas"]
    return area_m2 * np.asarray((tonnes * bound_per_tonne(profile, rocks, given, inputs)).sum(axis=1))


def net(profile: Profile, rocks: Rocks, given: Given, inputs: Inputs, area_m2: float) -> Array:
    """`gross` less what is lost and what the supply chain emitted: of a rate, once for all of its years."""
    kept = gross(profile, rocks, given, inputs, area_m2) * (1 - inputs["losses"])
    rock = area_m2 * (rock_per_m2(rocks, inputs) * inputs["areas"]).sum(axis=1)
    return np.asarray(kept - rock * inputs["emissions"] / (given.years if profile.quantity == "rate" else 1))
