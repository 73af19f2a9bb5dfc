"""How well the fitted spectra are the measured ones, and whether specimens drawn from them keep what marks them."""

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from outcrop.field.drawing import DPI, INK, dress, png
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.libraries import load_library
from outcrop.survey.simulation.measurements import BandedSpecimens
from outcrop.survey.simulation.tabled import read_table
from outcrop.survey.simulation.units import units

Floats = NDArray[np.float64]
Point = tuple[float, float]
Result = dict[str, Any]
#: How many specimens are drawn of each mineral.
DRAWS = 200


class Feature(NamedTuple):
    """A diagnostic absorption (all um): the ends of its continuum, where it is known to lie, how far it may stray."""

    first: float
    last: float
    place: float
    tolerance: float

    def found(self, wavelengths: Floats, reflectance: Floats) -> float:
        """Where a spectrum (B,) is deepest below its continuum, the convex hull from ``first`` to ``last``."""
        inside = (wavelengths >= self.first) & (wavelengths <= self.last)
        x, y = wavelengths[inside], reflectance[inside]
        return float(x[(y / _hull(x, y)).argmin()])


FEATURES = {
    "olivine": Feature(0.70, 1.75, 1.05, 0.02),
    "kaolinite": Feature(2.10, 2.28, 2.20, 0.01),
    "calcite": Feature(2.20, 2.45, 2.34, 0.01),
    "magnesite": Feature(2.20, 2.45, 2.31, 0.01),
    "serpentine": Feature(2.20, 2.45, 2.32, 0.01),
}


def measure_spectra() -> Result:
    """Misfits by endmember and by class, and places of features; from the tables alone."""
    fits, thermal = _fits("reflectance"), _fits("emissivity")
    endmembers = {name: {**_medians(fits[name]), "thermal": _medians(thermal[name])["rmse"]} for name in ENDMEMBERS}
    classes = {
        name: _medians([fit for endmember in unit.composition for fit in fits[endmember]])
        for name, unit in units().items()
    }
    return {
        "endmembers": endmembers,
        "classes": classes,
        "worst": {
            kind: {misfit: max(each[misfit] for each in found.values()) for misfit in ("rmse", "angle")}
            for kind, found in (("endmember", endmembers), ("class", classes))
        },
        "features": {name: _places(name, feature) for name, feature in FEATURES.items()},
        "draws": DRAWS,
    }


def draw_fits(path: Path) -> None:
    """Measured and fitted reflectance of a typical specimen of each mineral in `FEATURES`. Needs OUTCROP_REAL_DATA."""
    figure = Figure(figsize=(9.6, 2.5), dpi=DPI)
    panels = figure.subplots(1, len(FEATURES))
    figure.subplots_adjust(left=0.04, right=0.995, top=0.86, bottom=0.17, wspace=0.22)
    for axes, (mineral, feature) in zip(panels, FEATURES.items(), strict=True):
        sample, wavelengths, measured, fitted = _typical(mineral)
        dress(axes, mineral)
        axes.plot(wavelengths, measured, color="#d0882a", linewidth=2.6, alpha=0.6, label="measured")
        axes.plot(wavelengths, fitted, color="#0d4f66", linewidth=0.9, label="fitted")
        axes.axvline(feature.place, color=INK, linewidth=0.7, linestyle=(0, (2, 3)))
        axes.set_xlabel(f"µm; {sample}", color=INK, fontsize=7)
    panels[0].legend(frameon=False, fontsize=7, labelcolor=INK, loc="lower right")
    path.write_bytes(png(figure))


def _fits(quantity: str) -> dict[str, list[tuple[float, float]]]:
    """Misfits (RMSE, angle) of all fitted spectra by endmember."""
    found = defaultdict(list)
    for row in read_table("specimens.csv") + read_table("scores.csv"):
        if row.get("quantity", "reflectance") == quantity:
            found[row["endmember"]].append((float(row["rmse"]), float(row["angle_rad"])))
    return found


def _medians(fits: Iterable[tuple[float, float]]) -> Result:
    rmse, angle = zip(*fits, strict=True)
    return {"spectra": len(rmse), "rmse": median(rmse), "angle": median(angle)}


def _places(mineral: str, feature: Feature) -> Result:
    """Where the feature lies in drawn specimens: median and the middle nine tenths."""
    wavelengths = np.arange(feature.first, feature.last, 0.001)
    found = []
    for number in range(DRAWS):
        specimen = load_library().draw(np.random.default_rng(number)).reflecting[ENDMEMBERS.index(mineral)]
        found.append(feature.found(wavelengths, specimen.reflectance(wavelengths)))
    low, middle, high = np.percentile(found, (5, 50, 95))
    return {"place": feature.place, "tolerance": feature.tolerance, "median": middle, "low": low, "high": high}


def _typical(mineral: str) -> tuple[str, Floats, Floats, Floats]:
    """Of the specimens that are drawn from, the one whose fit is the median: its name, um, measured and fitted."""
    from fits.measured import read_spectra

    rows = [row for row in read_table("specimens.csv") if row["endmember"] == mineral and row["drawn"] == "1"]
    order = sorted(range(len(rows)), key=lambda number: float(rows[number]["rmse"]))
    number = order[len(order) // 2]
    spectrum = next(each for each in read_spectra("vswir", mineral) if each.row["spec_id"] == rows[number]["spectrum"])
    specimens = load_library().reflecting[mineral]
    if not isinstance(specimens, BandedSpecimens):
        raise TypeError(f"{mineral} is not fitted with bands")
    known = np.isfinite(spectrum.values)
    wavelengths = spectrum.wavelengths[known]
    fitted = np.exp(specimens.bands[number].log_reflectance(wavelengths))
    return rows[number]["sample"], wavelengths, spectrum.values[known], fitted


def _hull(x: Floats, y: Floats) -> Floats:
    """The upper convex hull of a spectrum (B,), as Andrew's monotone chain finds it."""
    corners: list[Point] = []
    for point in zip(x, y, strict=True):
        while len(corners) > 1 and _turns_left(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return np.asarray(np.interp(x, *np.array(corners).T))


def _turns_left(first: Point, second: Point, third: Point) -> bool:
    (x0, y0), (x1, y1), (x2, y2) = first, second, third
    return (y2 - y0) * (x1 - x0) >= (y1 - y0) * (x2 - x0)
