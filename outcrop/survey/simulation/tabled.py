"""The measured specimens of the tables, which `python -m fits.minerals` wrote."""

import csv
from collections import defaultdict
from functools import cache
from importlib.resources import files

import numpy as np

from outcrop.survey.simulation.curves import Curves
from outcrop.survey.simulation.gaussians import Bands
from outcrop.survey.simulation.measurements import (
    BandedSpecimens,
    Measurements,
    SmoothSpecimens,
    pooled_covariance,
    specimen_traits,
    thermal_contrasts,
)
from outcrop.survey.simulation.specimens import Library


@cache
def tabled_library() -> Library:
    """The library of the tables."""
    banded = _banded()
    smooth = {name: SmoothSpecimens(curves) for name, curves in _curves("reflectance").items()}
    reflecting: dict[str, Measurements] = {**banded, **smooth}
    emitting = _curves("emissivity")
    spread = pooled_covariance([specimen_traits(minerals) for minerals in banded.values()])
    contrast_spread = pooled_covariance([thermal_contrasts(emitting[name]) for name in banded])
    return Library(reflecting, emitting, spread, contrast_spread)


def read_table(name: str) -> list[dict[str, str]]:
    """The rows of a table of this package, without the comments above it."""
    text = files("outcrop.survey.simulation").joinpath("tables", name).read_text(encoding="utf-8")
    return list(csv.DictReader(line for line in text.splitlines() if not line.startswith("#")))


def _banded() -> dict[str, BandedSpecimens]:
    """Minerals: the specimens that are drawn."""
    parts: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_table("bands.csv"):
        parts[row["spectrum"]].append([float(row[column]) for column in ("centre_um", "width_um", "strength")])
    found: dict[str, list[Bands]] = defaultdict(list)
    for row in read_table("specimens.csv"):
        if row["drawn"] == "1":
            continuum = np.array([float(row["intercept"]), float(row["slope"])])
            found[row["endmember"]].append(Bands(continuum, *np.array(parts[row["spectrum"]]).T))
    return {endmember: BandedSpecimens(tuple(bands)) for endmember, bands in found.items()}


def _curves(quantity: str) -> dict[str, Curves]:
    shapes: dict[str, list[list[float]]] = defaultdict(list)
    scores: dict[str, list[list[float]]] = defaultdict(list)
    for row in read_table("curves.csv"):
        if row["quantity"] == quantity:
            shapes[row["endmember"]].append(_numbers(row, "knot_um", "mean", "component_"))
    for row in read_table("scores.csv"):
        if row["quantity"] == quantity:
            scores[row["endmember"]].append(_numbers(row, "score_"))
    found = {}
    for endmember, rows in shapes.items():
        knots, mean, *components = np.array(rows).T
        found[endmember] = Curves(
            knots, mean, np.array(components).reshape(-1, len(knots)), np.array(scores[endmember])
        )
    return found


def _numbers(row: dict[str, str], *columns: str) -> list[float]:
    """The numbers of the columns that begin so; blanks are components that were not needed."""
    return [float(cell) for column, cell in row.items() if column.startswith(columns) and cell]
