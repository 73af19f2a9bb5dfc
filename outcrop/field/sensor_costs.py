"""What the sensors of a rung take to carry: power while they measure, and price.

``sensor_costs.csv`` beside this module holds a figure by modality and says where it comes from; a survey that knows its
own sensors overrides it (``power_w``, ``price_usd``). A rung is what one would fly without the others: each modality
counts with a sensor of its own, also where the survey derived it from another (RGB from multispectral bands: an RGB
camera would be flown), unless the survey says that another modality's sensor gives it (``carried_by``). A derived
modality for which there is no figure, such as a slope, is given by the sensor of its parent. A sensor counts once,
however many of the rung's modalities it gives.
"""

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Literal, cast

from outcrop.survey.surveys import DerivedEntry, Survey

Quantity = Literal["power_w", "price_usd"]
QUANTITIES: tuple[Quantity, ...] = ("power_w", "price_usd")


@dataclass(frozen=True)
class Figure:
    """W or USD of one sensor, that of the modality ``sensor``: typical, lowest, highest, and who says so."""

    sensor: str
    typical: float
    low: float
    high: float
    source: str


@dataclass(frozen=True)
class Total:
    """Sum over the sensors of a rung; ``low`` and ``high`` are sums of bounds, so both are seldom met."""

    typical: float
    low: float
    high: float
    figures: tuple[Figure, ...]


@dataclass(frozen=True)
class RungCost:
    """Power in W and price in USD; None where a sensor's is not known. ``unknown`` names these modalities."""

    power_w: Total | None
    price_usd: Total | None
    unknown: dict[Quantity, tuple[str, ...]]


@dataclass(frozen=True)
class Declared:
    """What a survey says of one modality: figures of its own, whose sensor gives it, and what it is derived from."""

    power_w: float | None = None
    price_usd: float | None = None
    carried_by: str | None = None
    derived_from: str | None = None


NOTHING_DECLARED: Mapping[str, Declared] = MappingProxyType({})


def declared_costs(survey: Survey) -> dict[str, Declared]:
    """What the survey file says of every modality."""
    declared = {}
    for name, entry in survey.modalities.items():
        parent = entry.from_ if isinstance(entry, DerivedEntry) else None
        declared[name] = Declared(entry.power_w, entry.price_usd, entry.carried_by, parent)
    return declared


def rung_cost(modalities: Iterable[str], declared: Mapping[str, Declared] = NOTHING_DECLARED) -> RungCost:
    """What it takes to carry the sensors of ``modalities``."""
    asked = tuple(modalities)
    power, price = ({name: sensor_figure(name, quantity, declared) for name in asked} for quantity in QUANTITIES)
    unknown = (tuple(name for name in asked if found[name] is None) for found in (power, price))
    return RungCost(_total(power.values()), _total(price.values()), dict(zip(QUANTITIES, unknown, strict=True)))


def sensor_figure(
    modality: str, quantity: Quantity, declared: Mapping[str, Declared] = NOTHING_DECLARED
) -> Figure | None:
    """The figure of the sensor that gives a modality; None where nobody knows it.

    The survey's own, else that of the modality that carries it, else the table's, else that of what it is derived from.
    """
    said = declared.get(modality, Declared())
    value: float | None = getattr(said, quantity)
    if value is not None:
        return Figure(modality, value, value, value, "the survey file")
    if said.carried_by:
        return sensor_figure(said.carried_by, quantity, declared)
    if (modality, quantity) in _table():
        return _table()[modality, quantity]
    return sensor_figure(said.derived_from, quantity, declared) if said.derived_from else None


def _total(found: Iterable[Figure | None]) -> Total | None:
    figures: dict[str, Figure] = {}
    for figure in found:
        if figure is None:
            return None
        figures[figure.sensor] = figure
    each = tuple(figures.values())
    return Total(sum(x.typical for x in each), sum(x.low for x in each), sum(x.high for x in each), each)


@cache
def _table() -> dict[tuple[str, Quantity], Figure]:
    text = files("outcrop.field").joinpath("sensor_costs.csv").read_text(encoding="utf-8")
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    return {
        (row["modality"], cast(Quantity, row["quantity"])): Figure(
            row["modality"], float(row["typical"]), float(row["low"]), float(row["high"]), row["source"]
        )
        for row in rows
    }
