"""Fits what has no bands of its own: the reflectance of plants and soil, and the emissivity of every endmember."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fits.measured import Spectrum, drawn, read_spectra
from outcrop.survey.simulation.curves import Curves, fit_curves
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.gaussians import Misfit, misfit

#: Most components that are kept of reflectance and of emissivity.
COMPONENTS, THERMAL_COMPONENTS = 6, 3
#: Reflectance is fitted in logarithm, not below this.
DARKEST = 0.004
#: Knots of reflectance (um), close where plants and clays change quickly; and of emissivity.
KNOTS = np.concatenate(
    [
        np.linspace(0.35, 0.50, 5, endpoint=False),
        np.linspace(0.50, 0.66, 8, endpoint=False),
        np.linspace(0.66, 0.76, 10, endpoint=False),
        [0.76, 0.78, 0.82, 0.87, 0.92, 0.95, 0.98, 1.02, 1.07, 1.11, 1.14, 1.17, 1.21, 1.26, 1.31, 1.34, 1.37, 1.39],
        [1.41, 1.43, 1.46, 1.50, 1.55, 1.61, 1.67, 1.72, 1.77, 1.82, 1.86, 1.885, 1.91, 1.935, 1.96, 2.0, 2.05],
        [2.10, 2.14, 2.17, 2.20, 2.23, 2.27, 2.31, 2.35, 2.40, 2.45, 2.50],
    ]
)
THERMAL_KNOTS = np.linspace(7, 14.5, 61)
#: Grains (um) that emissivity is taken of: above 60 um thermal spectra mix nearly linearly by area.
THERMAL_DIAMETER = 100.0
#: Leaves are measured singly. In a canopy what one leaf reflects another absorbs: it departs from black half as far.
CANOPY = {"green_vegetation": 0.5, "dry_vegetation": 0.5}
#: What has no bands of its own.
SMOOTH = ("soil", "green_vegetation", "dry_vegetation")
#: Left out: soils whose blue reflectance was lost to an offset, burnt ground, oily sand; spectra with wide gaps.
SOIL_BLUE, NOT_SOIL, LEAST_KNOWN = 0.03, ("BurnArea", "Sand_DWO"), 0.85


@dataclass(frozen=True)
class SmoothFit:
    """The curves of one endmember in one quantity, and how well they fit each of the spectra."""

    quantity: str
    endmember: str
    spectra: list[Spectrum]
    curves: Curves
    errors: list[Misfit]

    def shapes(self) -> Iterator[list[object]]:
        """One row a knot: mean and components."""
        for knot, mean, parts in zip(self.curves.knots, self.curves.mean, self.curves.components.T, strict=True):
            yield [self.quantity, self.endmember, knot, mean, *self._padded(parts)]

    def scores(self) -> Iterator[list[object]]:
        """One row a specimen: where it comes from, how well it fits, and its scores."""
        for spectrum, error, scores in zip(self.spectra, self.errors, self.curves.scores, strict=True):
            yield [self.quantity, *spectrum.origin(self.endmember), *error, *self._padded(scores)]

    def _padded(self, numbers: NDArray[np.float64]) -> list[object]:
        return [*numbers, *[""] * (COMPONENTS - len(numbers))]


def fit_reflectance(endmember: str) -> SmoothFit:
    """ln R of plants or soil."""
    spectra = [spectrum for spectrum in read_spectra("vswir", endmember) if _is_sound(spectrum)]
    values = np.array([np.maximum(spectrum.values, DARKEST) for spectrum in spectra])
    curves = fit_curves(spectra[0].wavelengths, np.log(values), KNOTS, COMPONENTS)
    return SmoothFit("reflectance", endmember, spectra, curves, _errors(np.exp(_fitted(curves, spectra)), values))


def fit_emissivity(endmember: str) -> SmoothFit:
    """Emissivity. Goethite was measured in no geometry from which it follows: its shape alone is right."""
    spectra = [spectrum for spectrum in read_spectra("tir", endmember) if spectrum.row["particle_size"] != "solid"]
    sound = [spectrum for spectrum in spectra if spectrum.row["kirchhoff_ok"] == "1"] or spectra
    chosen = drawn(endmember, sound, THERMAL_DIAMETER)
    kept = [spectrum for spectrum in sound if spectrum.row["spec_id"] in chosen]
    values = 1 - CANOPY.get(endmember, 1.0) * (1 - np.array([spectrum.values for spectrum in kept]))
    curves = fit_curves(kept[0].wavelengths, values, THERMAL_KNOTS, THERMAL_COMPONENTS)
    return SmoothFit("emissivity", endmember, kept, curves, _errors(_fitted(curves, kept), values))


def fit_all() -> list[SmoothFit]:
    """Reflectance of what has no bands, then emissivity of every endmember."""
    return [fit_reflectance(name) for name in SMOOTH] + [fit_emissivity(name) for name in ENDMEMBERS]


def _is_sound(spectrum: Spectrum) -> bool:
    if spectrum.row["cls"] != "soil":
        return bool(np.isfinite(spectrum.values).mean() > LEAST_KNOWN)
    blue, clay = (spectrum.values[np.searchsorted(spectrum.wavelengths, place)] for place in (0.45, 2.2))
    is_gypsum = clay < 0.2 < blue
    return bool(blue > SOIL_BLUE) and not is_gypsum and not spectrum.row["subtype"].startswith(NOT_SOIL)


def _fitted(curves: Curves, spectra: list[Spectrum]) -> NDArray[np.float64]:
    return np.array([curves.at(weights, spectra[0].wavelengths) for weights in np.eye(curves.count)])


def _errors(fitted: NDArray[np.float64], measured: NDArray[np.float64]) -> list[Misfit]:
    known = np.isfinite(measured)
    return [misfit(fitted[row, known[row]], measured[row, known[row]]) for row in range(len(measured))]
