"""Fits the spectra of the endmembers and writes the tables of the simulator.

OUTCROP_REAL_DATA=... python -m fits.minerals

Minerals: one modified Gaussian model a spectrum (``specimens.csv``, ``bands.csv``). Plants, soil and the emissivity of
all: mean and components at knots (``curves.csv``) and each specimen's scores (``scores.csv``). What is printed: how
well they fit.
"""

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fits.bands import read_starts
from fits.measured import ORIGIN, Spectrum, drawn, read_spectra
from fits.smooth import COMPONENTS, fit_all
from outcrop.survey import simulation
from outcrop.survey.simulation.gaussians import Bands, Misfit, Start, fit, misfit

TABLES = Path(simulation.__file__).parent / "tables"
#: Spectra are fitted at every second nanometre and judged at every one.
STRIDE = 2


@dataclass(frozen=True)
class BandedFit:
    """The bands of one spectrum, how well they fit, and whether specimens are drawn from it."""

    endmember: str
    spectrum: Spectrum
    bands: Bands
    error: Misfit
    drawn: bool

    def specimen(self) -> list[object]:
        """Its row in ``specimens.csv``."""
        return [*self.spectrum.origin(self.endmember), *self.bands.continuum, *self.error, int(self.drawn)]

    def rows(self) -> list[list[object]]:
        """Its rows in ``bands.csv``."""
        parts = zip(self.bands.centres, self.bands.widths, self.bands.strengths, strict=True)
        return [[self.spectrum.row["spec_id"], *part] for part in parts]


def main() -> None:
    """Fit everything, write the four tables, say how well it went."""
    banded = []
    for mineral, starts in read_starts().items():
        found = fit_mineral(mineral, starts)
        _report(
            f"{mineral}, {len(starts)} bands, {sum(each.drawn for each in found)} drawn", [each.error for each in found]
        )
        banded += found
    smooth = fit_all()
    for each in smooth:
        _report(f"{each.endmember}, {each.quantity}, {len(each.curves.components)} components", each.errors)
    numbers = range(1, COMPONENTS + 1)
    write(
        "specimens.csv",
        (*ORIGIN, "intercept", "slope", "rmse", "angle_rad", "drawn"),
        (each.specimen() for each in banded),
    )
    write(
        "bands.csv",
        ("spectrum", "centre_um", "width_um", "strength"),
        (row for each in banded for row in each.rows()),
    )
    write(
        "curves.csv",
        ("quantity", "endmember", "knot_um", "mean", *(f"component_{number}" for number in numbers)),
        (row for each in smooth for row in each.shapes()),
    )
    write(
        "scores.csv",
        ("quantity", *ORIGIN, "rmse", "angle_rad", *(f"score_{number}" for number in numbers)),
        (row for each in smooth for row in each.scores()),
    )


def fit_mineral(mineral: str, starts: Sequence[Start]) -> list[BandedFit]:
    """The bands of every spectrum of a mineral."""
    spectra = read_spectra("vswir", mineral)
    chosen = drawn(mineral, spectra)
    fits = []
    for spectrum in spectra:
        known = np.isfinite(spectrum.values)
        wavelengths, values = spectrum.wavelengths[known], spectrum.values[known]
        bands = fit(wavelengths[::STRIDE], values[::STRIDE], starts)
        error = misfit(np.exp(bands.log_reflectance(wavelengths)), values)
        fits.append(BandedFit(mineral, spectrum, bands, error, spectrum.row["spec_id"] in chosen))
    return fits


def _report(what: str, errors: Sequence[Misfit]) -> None:
    rmse, angle = (np.array(column) for column in zip(*errors, strict=True))
    print(
        f"{what}: {len(errors)} spectra, RMSE median {np.median(rmse):.4f} largest {rmse.max():.4f}, "
        f"angle median {np.median(angle):.4f} largest {angle.max():.4f}"
    )


def write(name: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table beside the simulator, numbers with five digits."""
    with (TABLES / name).open("w", newline="", encoding="utf-8") as stream:
        stream.write("# Written by `python -m fits.minerals`; sources and licences stand with each specimen.\n")
        table = csv.writer(stream, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([f"{cell:.5g}" if isinstance(cell, float) else cell for cell in row])


if __name__ == "__main__":
    main()
