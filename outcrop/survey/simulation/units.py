"""The geological units of the vocabulary, mixtures of endmembers: what `units.yaml` holds, checked and typed."""

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from outcrop.errors import SurveyError
from outcrop.settings import NonNegative, Section, build, read_yaml
from outcrop.survey.simulation.endmembers import ENDMEMBERS

#: The classes of the vocabulary by their value.
UNITS = (
    "basalt",
    "olivine",
    "pyroxene",
    "plagioclase",
    "serpentine",
    "wollastonite",
    "calcite",
    "magnesite",
    "iron_oxide",
    "clay",
    "soil",
    "vegetation",
)
Above = Annotated[float, Field(gt=0)]


def known(names: dict[str, float], all_names: tuple[str, ...]) -> dict[str, float]:
    """The same names, or a ValueError that tells the first one that is not among ``all_names``."""
    for name in names:
        if name not in all_names:
            raise ValueError(f"`{name}` is none of {', '.join(all_names)}")
    return names


def whole(fractions: dict[str, float]) -> dict[str, float]:
    """The same fractions of endmembers, or a ValueError that tells why they cannot be that."""
    known(fractions, ENDMEMBERS)
    if abs(sum(fractions.values()) - 1) > 1e-6:
        raise ValueError("the fractions must sum to 1")
    return fractions


class Unit(Section):
    """One geological unit; `units.yaml` explains the figures."""

    composition: dict[str, Above]
    concentration: Above
    radioelements: tuple[Above, Above, Above]
    radio_spread: NonNegative
    inertia: Above
    grain: Above
    coats: NonNegative
    ph: Annotated[float, Field(ge=0, le=14)]

    @field_validator("composition")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        return whole(value)


@cache
def units() -> dict[str, Unit]:
    """The units in the order of `UNITS`.

    Raises
    ------
    SurveyError : the file cannot be used.
    """
    path = Path(__file__).with_name("units.yaml")
    values = read_yaml(path, SurveyError)
    if list(values) != list(UNITS):
        raise SurveyError("the units are not those of the vocabulary", where=path, remedy=f"give {', '.join(UNITS)}")
    return {name: build(Unit, value, f"{path}, {name}", SurveyError) for name, value in values.items()}
