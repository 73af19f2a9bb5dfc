"""Profiles: what an estimate is of, and of which rocks. Data files that a user can replace.

``capacity`` is tonnes of CO2 that rock can bind at all, ``rate`` tonnes a year; ``legacy`` is an index without unit.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from outcrop.errors import ParamsError
from outcrop.field.carbon.quantities import Quantity, one_of
from outcrop.field.carbon.tables import Mineral, minerals
from outcrop.settings import Section, build, read_yaml

FOLDER = Path(__file__).parent
SHIPPED = ("capacity", "rate", "legacy")
UNITS = {"capacity": "t/t", "rate": "t/t/year", "index": "index"}
Number = Annotated[Quantity, AfterValidator(partial(one_of, "1"))]
Share = Annotated[float, Field(gt=0, le=1)]


class Composition(Section):
    """What rocks are made of.

    Parameters
    ----------
    concentration : of the Dirichlet distribution of a rock's mean from place to place, as it lies on the ground
    rocks : shares of the volume by mineral, summing to 1; of a class that is no rock, nothing
    """

    unit: Literal["share of the volume"]
    concentration: Annotated[float, Field(gt=0)]
    source: str
    rocks: dict[str, dict[str, Share]]

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for name, shares in self.rocks.items():
            if shares and abs(sum(shares.values()) - 1) > 1e-6:
                raise ValueError(f"the shares of {name} add to {sum(shares.values()):g}, not to 1")
        return self


class Profile(Section):
    """What an estimate is of.

    Parameters
    ----------
    unit : `UNITS` of the quantity; a profile without it is refused
    eta : moles of CO2 for a divalent cation in weathering
    roughness, field : real surface of a grain relative to a sphere's; rates in the field relative to the laboratory's
    index : by class, of an index
    more_minerals : beside those of `minerals()`
    """

    profile: str
    title: str
    quantity: Literal["capacity", "rate", "index"]
    unit: str
    sources: dict[str, str]
    composition: Composition | None = None
    more_minerals: dict[str, Mineral] = Field(default_factory=dict)
    eta: Number | None = None
    roughness: Number | None = None
    field: Number | None = None
    index: dict[str, Number] | None = None

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.unit != UNITS[self.quantity]:
            raise ValueError(f"the unit of a {self.quantity} is {UNITS[self.quantity]}, not `{self.unit}`")
        needed = {"index": ("index",), "capacity": ("composition", "eta")}
        needed["rate"] = (*needed["capacity"], "roughness", "field")
        for name in needed[self.quantity]:
            if getattr(self, name) is None:
                raise ValueError(f"a profile of a {self.quantity} needs `{name}`")
        known = self.minerals
        for rock, shares in (self.composition.rocks if self.composition else {}).items():
            if strange := set(shares) - set(known):
                raise ValueError(f"the mineral `{min(strange)}` of {rock} is not in the table")
        return self

    @property
    def minerals(self) -> Mapping[str, Mineral]:
        """The table, and what the profile adds to it."""
        return {**minerals(), **self.more_minerals}

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes that the profile speaks of."""
        return tuple(self.index if self.index is not None else self.composition.rocks if self.composition else ())


def load_profile(name: str) -> Profile:
    """A profile that comes with Outcrop, or a file's.

    Raises
    ------
    ParamsError : there is none, or it is incomplete.
    """
    path = FOLDER / f"{name}.yaml" if name in SHIPPED else Path(name)
    if name not in SHIPPED and not path.is_file():
        raise ParamsError(f"there is no profile `{name}`", remedy=f"choose {', '.join(SHIPPED)}, or name a file")
    told = read_yaml(path, ParamsError)
    if "index" not in told and "composition" not in told:
        told = {**read_yaml(FOLDER / "rocks.yaml", ParamsError), **told}
        told["sources"] = {**read_yaml(FOLDER / "rocks.yaml", ParamsError)["sources"], **(told.get("sources") or {})}
    return build(Profile, told, path, ParamsError)
