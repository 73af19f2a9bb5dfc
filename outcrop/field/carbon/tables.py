"""The mineral table: ``minerals.yaml`` beside this module, typed, with a unit, an uncertainty and a source a number."""

from collections.abc import Mapping
from functools import cache, partial
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from outcrop.errors import ParamsError
from outcrop.field.carbon.potentials import ATOMIC_WEIGHTS, molar_mass
from outcrop.field.carbon.quantities import Quantity, one_of
from outcrop.field.carbon.rates import Mechanism
from outcrop.settings import Section, build, read_yaml

TABLE = Path(__file__).parent / "minerals.yaml"
MECHANISMS = ("acid", "neutral", "base")


def _in(unit: str) -> AfterValidator:
    return AfterValidator(partial(one_of, unit))


class Rate(Section):
    """One mechanism of dissolution; the neutral one does not depend on pH and has no order."""

    log_k: Annotated[Quantity, _in("log10(mol m-2 s-1)")]
    energy: Annotated[Quantity, _in("kJ/mol")]
    order: Annotated[Quantity, _in("1")] | None = None

    @property
    def mechanism(self) -> Mechanism:
        """As `dissolution_rate` takes it, without its uncertainty."""
        return Mechanism(self.log_k.value, self.energy.value, self.order.value if self.order else 0.0)


class Mineral(Section):
    """A mineral: atoms in its formula unit, density, and the mechanisms by which it dissolves."""

    formula: dict[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    density: Annotated[Quantity, _in("g/cm3")]
    rates: dict[str, Rate] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.density.value <= 0:
            raise ValueError("a density must be positive")
        for element in self.formula:
            if element not in ATOMIC_WEIGHTS:
                raise ValueError(f"`{element}` is no element of a mineral here")
        for name, rate in self.rates.items():
            if name not in MECHANISMS:
                raise ValueError(f"`{name}` is none of the mechanisms {', '.join(MECHANISMS)}")
            if (rate.order is None) != (name == "neutral"):
                raise ValueError(f"the {name} mechanism needs {'no' if name == 'neutral' else 'an'} order")
        return self

    @property
    def molar_volume(self) -> float:
        """cm3 per mole of formula units."""
        return molar_mass(self.formula) / self.density.value


class Table(Section):
    """Minerals by name, and what their sources stand for."""

    sources: dict[str, str]
    minerals: dict[str, Mineral]

    @model_validator(mode="after")
    def _cited(self) -> Self:
        for name, mineral in self.minerals.items():
            cited = {mineral.density.source}
            for rate in mineral.rates.values():
                cited |= {each.source for each in (rate.log_k, rate.energy, rate.order) if each}
            if missing := cited - set(self.sources):
                raise ValueError(f"the source `{min(missing)}` of {name} is not listed")
        return self


def read_minerals(path: Path) -> Mapping[str, Mineral]:
    """Minerals of a file of the form of ``minerals.yaml``.

    Raises
    ------
    ParamsError : the file cannot be read, or a number lacks its unit, uncertainty or source.
    """
    return build(Table, read_yaml(path, ParamsError), path, ParamsError).minerals


@cache
def minerals() -> Mapping[str, Mineral]:
    """The minerals that come with Outcrop."""
    return read_minerals(TABLE)
