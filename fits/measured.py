"""Measured spectra below OUTCROP_REAL_DATA, and which of them stand for an endmember.

The folder holds two archives, reflectance at 0.35-2.5 um and emissivity (1 - reflectance) at 7-14.5 um, stored as
ten thousandths, and a table of what was measured.
"""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.simulation.endmembers import MEASURED
from outcrop.survey.surveys import DATA_VARIABLE

#: Stored numbers per unit, and the stored number that stands for a gap.
SCALE, FILL = 10_000, 65_535
#: Diameters (um) of grains whose size is only named; a slab counts as one large grain.
NAMED_SIZES = {"fine": 20.0, "medium": 75.0, "coarse": 250.0, "cut slab": 3000.0, "solid": 3000.0}
#: Grains of unknown size count as this factor from the diameter sought.
UNKNOWN = 5.0

#: Columns that say where a spectrum comes from.
ORIGIN = ("spectrum", "endmember", "sample", "subtype", "grain_lo_um", "grain_hi_um", "source", "record", "licence")

#: Specimens and kinds that were fitted but are not drawn, as they are not what the endmember stands for.
NOT_DRAWN = {
    "olivine": {
        "fayalite": "iron-rich",
        "JPL:NS-2A": "free of iron",
        "USGS:KI3005": "Fo11",
        "USGS:KI3377": "Fo18",
        "USGS:KI3291": "Fo29",
        "USGS:KI4143": "Fo41",
        "USGS:KI3188": "Fo51",
    },
    "clinopyroxene": {"hedenbergite": "of skarns"},
    "plagioclase": {"albite": "of granites", "oligoclase": "of granites"},
    "calcite": {"USGS:REE-bearing": "an ore"},
    "quartz": {"USGS:HS117": "coloured by inclusions", "JPL:TS-1E": "coloured by inclusions"},
}


@dataclass(frozen=True)
class Spectrum:
    """One measured spectrum: ``values`` (B,) with NaN gaps at ``wavelengths`` (B,) in um, and its row in the table."""

    wavelengths: NDArray[np.float64]
    values: NDArray[np.float64]
    row: dict[str, str]

    def origin(self, endmember: str) -> list[str]:
        """The columns `ORIGIN`; the record is that of splib07a, or the file of ECOSTRESS."""
        row = self.row
        record = f"record {row['source_record']}" if row["source_record"] else row["source_file"]
        sizes = (row["grain_lo_um"], row["grain_hi_um"])
        names = (row["spec_id"], endmember, row["sample_group"], row["subtype"])
        return [*names, *sizes, row["source"], record, row["licence"]]

    @property
    def diameter(self) -> float:
        """Typical grain diameter (um), NaN if unknown: the geometric mean of a sieve's limits."""
        low, high = (float(self.row[limit] or "nan") for limit in ("grain_lo_um", "grain_hi_um"))
        if np.isnan(low) and np.isnan(high):
            return NAMED_SIZES.get(self.row["particle_size"], float("nan"))
        if np.isnan(high):
            return 1.5 * low
        return float(np.sqrt(max(low, high / 5) * high))


def read_spectra(domain: str, kind: str) -> list[Spectrum]:
    """All spectra of a kind (the column ``cls``) in a domain, ``vswir`` or ``tir``."""
    folder = Path(os.environ[DATA_VARIABLE]) / "spectra"
    with np.load(folder / f"{domain}.npz") as archive:
        wavelengths = archive["wavelength_um"].astype(np.float64)
        stored = archive["refl_u16" if domain == "vswir" else "emis_u16"]
    values = np.where(stored == FILL, np.nan, stored / SCALE)
    with (folder / "metadata.csv").open(newline="", encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["domain"] == domain and row["cls"] == kind]
    return [Spectrum(wavelengths, values[int(row["row"])], row) for row in rows]


def drawn(endmember: str, spectra: list[Spectrum], diameter: float | None = None) -> set[str]:
    """The identifiers of the spectra that specimens are drawn from.

    Of every specimen (its powders and instruments together) the one whose grains are nearest to ``diameter`` (um), by
    default that of the endmember. Where nothing but refused specimens was measured, none is refused.
    """
    sought = diameter or MEASURED[endmember].diameter
    refused = NOT_DRAWN.get(endmember, {})
    suitable = [each for each in spectra if not {each.row["sample_group"], each.row["subtype"]} & set(refused)]
    nearest: dict[str, tuple[float, str]] = {}
    for spectrum in suitable or spectra:
        size = spectrum.diameter
        distance = np.log(UNKNOWN) if np.isnan(size) else abs(np.log(size / sought))
        group = spectrum.row["sample_group"]
        nearest[group] = min(nearest.get(group, (np.inf, "")), (float(distance), spectrum.row["spec_id"]))
    return {identifier for _, identifier in nearest.values()}
