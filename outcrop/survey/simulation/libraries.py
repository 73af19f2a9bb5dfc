"""A user's own spectral library in place of the tables: text files of USGS splib07 or of ECOSTRESS.

splib07 (Kokaly et al. 2017, doi:10.3133/ds1035): a title, then one reflectance a line; wavelengths stand in a file of
their own for each spectrometer; -1.23e34 marks a deleted channel. ECOSTRESS (Meerdink et al. 2019,
doi:10.1016/j.rse.2019.05.015): lines of ``key: value``, a blank line, then wavelength and reflectance.

What a spectrum is of is told by the first word of its name (``Antigorite NMNH17958`` is a serpentine), by its type
(soil, vegetation), or by its folder, if that is named after an endmember.
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import SurveyError
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.measurements import Measurements, SampledSpecimens
from outcrop.survey.simulation.specimens import Library
from outcrop.survey.simulation.tabled import tabled_library

Floats: TypeAlias = NDArray[np.float64]

#: Members of a group by their mineral names.
VARIETIES = {
    "olivine": ("forsterite", "fayalite"),
    "orthopyroxene": ("enstatite", "bronzite", "hypersthene"),
    "clinopyroxene": ("augite", "diopside", "hedenbergite", "pigeonite"),
    "plagioclase": ("albite", "oligoclase", "andesine", "labradorite", "bytownite", "anorthite"),
    "serpentine": ("antigorite", "chrysotile", "lizardite"),
}
KINDS = {word: name for name in ENDMEMBERS for word in (name, *VARIETIES.get(name, ()))}
#: Endmembers by the type that ECOSTRESS states.
TYPES = {
    "soil": "soil",
    "vegetation": "green_vegetation",
    "non photosynthetic vegetation": "dry_vegetation",
    "nonphotosynthetic vegetation": "dry_vegetation",
}
#: Wavelengths (um) at which spectra are held, and those that a spectrum must reach on both sides.
WAVELENGTHS = np.arange(0.350, 2.5005, 0.001)
FIRST, LAST = 0.45, 2.40
#: A spectrum that starts above this wavelength (um) is a thermal one: no fault, but of no use here.
THERMAL = 1.0
#: Numbers below this mark a deleted channel of splib07. Reflectance above the other is no reflectance.
DELETED, LARGEST = -1e30, 1.5
#: Files of these libraries that are no spectra.
BESIDE = re.compile(r"wavelengths|bandpass|errorbars|ancillary|readme", re.IGNORECASE)
SPLIB_TITLE = re.compile(r"\s*splib07[ab]\s+Record=\d+:\s*(?P<name>\S.*)")


@dataclass(frozen=True)
class UserSpectrum:
    """A spectrum of one endmember: reflectance (B,), 0-1, at rising wavelengths (B,) in um."""

    endmember: str
    wavelengths: Floats
    reflectance: Floats


def load_library(folder: Path | None = None) -> Library:
    """The measured specimens of every endmember: those of the tables, or of a folder for each endmember it holds.

    Emissivity always comes from the tables. The library's notes say what came from where.

    Raises
    ------
    SurveyError : a file is malformed, is of no endmember, or does not cover the wavelengths; or nothing is there.
    """
    tables = tabled_library()
    if folder is None:
        return tables
    spectra, thermal = read_spectra(folder)
    groups: dict[str, list[Floats]] = defaultdict(list)
    for each in spectra:
        groups[each.endmember].append(np.interp(WAVELENGTHS, each.wavelengths, each.reflectance))
    own: Mapping[str, Measurements] = {
        name: SampledSpecimens(WAVELENGTHS, np.array(values)) for name, values in groups.items()
    }
    held = ", ".join(f"{name} ({own[name].count})" for name in ENDMEMBERS if name in own)
    lacking = ", ".join(name for name in ENDMEMBERS if name not in own)
    notes = [f"spectra of {folder}: {held}"]
    if lacking:
        notes.append(f"spectra of the built-in tables, as {folder} has none: {lacking}")
    if thermal:
        notes.append(f"{thermal} thermal spectra of {folder} were left aside: emissivity is of the built-in tables")
    return replace(tables, reflecting={**tables.reflecting, **own}, notes=tuple(notes))


def read_spectra(folder: Path) -> tuple[list[UserSpectrum], int]:
    """The reflectance spectra below a folder, in the order of their paths, and how many thermal ones lie beside them.

    Raises
    ------
    SurveyError : see `load_library`.
    """
    if not folder.is_dir():
        raise SurveyError(f"the spectral library `{folder}` is no folder")
    paths = sorted(folder.rglob("*.txt"))
    axes = {path: _numbers(path, _lines(path)[1:], 1) for path in paths if "_Wavelengths_" in path.name}
    spectra, thermal = [], 0
    for path in paths:
        if BESIDE.search(path.name):
            continue
        lines = _lines(path)
        title = SPLIB_TITLE.fullmatch(lines[0]) if lines else None
        if title is not None:
            name, kind = title["name"], ""
            wavelengths, values = _read_splib(path, title["name"], lines, axes)
        else:
            name, kind, wavelengths, values = _read_ecostress(path, lines)
        sound = ~(values <= DELETED)
        wavelengths, values = wavelengths[sound], values[sound]
        if len(values) and wavelengths.min() > THERMAL:
            thermal += 1
            continue
        _check(path, wavelengths, values)
        order = np.argsort(wavelengths, kind="stable")
        spectra.append(UserSpectrum(_endmember(path, name, kind), wavelengths[order], values[order]))
    if not spectra:
        raise SurveyError(
            f"the spectral library `{folder}` holds no reflectance spectrum",
            remedy="give a folder with text files (.txt) of USGS splib07 or ECOSTRESS",
        )
    return spectra, thermal


def _lines(path: Path) -> list[str]:
    # Either library has bytes that are no UTF-8 in its remarks; in Latin-1 every byte is a character.
    return path.read_text(encoding="latin-1").splitlines()


def _numbers(path: Path, lines: list[str], columns: int, first: int = 2) -> Floats:
    """The numbers of lines (N,), or (N, columns)."""
    rows = []
    for number, line in enumerate(lines, start=first):
        if not line.strip():
            continue
        try:
            row = [float(word) for word in line.split()]
        except ValueError:
            row = []
        if len(row) != columns:
            wanted = "a number" if columns == 1 else f"{columns} numbers"
            raise SurveyError(f"line {number} is `{line.strip()[:40]}`, not {wanted}", where=path)
        rows.append(row)
    values = np.array(rows, dtype=np.float64)
    return values[:, 0] if columns == 1 and len(values) else values


def _read_splib(path: Path, title: str, lines: list[str], axes: Mapping[Path, Floats]) -> tuple[Floats, Floats]:
    """Wavelengths and values. The title ends with the spectrometer: ``BECKb AREF`` was measured on ``BECK``."""
    values = _numbers(path, lines[1:], 1)
    words = title.split()
    for axis, wavelengths in axes.items():
        spectrometer = axis.name.split("_Wavelengths_")[1].split("_")[0]
        if len(wavelengths) == len(values) and any(word.startswith(spectrometer) for word in words):
            return wavelengths, values
    raise SurveyError(
        f"no file beside it holds {len(values)} wavelengths of its spectrometer",
        where=path,
        remedy="copy the files splib07*_Wavelengths_*.txt of the library into the folder",
    )


def _read_ecostress(path: Path, lines: list[str]) -> tuple[str, str, Floats, Floats]:
    """Name, type, wavelengths (um) and reflectance (0-1)."""
    end = next((number for number, line in enumerate(lines) if re.match(r"\s*[-+.\d]", line)), len(lines))
    pairs = (line.split(":", 1) for line in lines[:end] if ":" in line)
    header = {key.strip().lower(): value.strip() for key, value in pairs}
    missing = [key for key in ("Name", "X Units", "Y Units") if key.lower() not in header]
    if missing:
        raise SurveyError(
            f"it is neither a spectrum of USGS splib07 nor one of ECOSTRESS: it has no line `{missing[0]}:`", where=path
        )
    table = _numbers(path, lines[end:], 2, first=end + 1)
    across, up = header["x units"].lower(), header["y units"].lower()
    if "micromet" not in across and "nanomet" not in across:
        raise SurveyError(f"its wavelengths are in `{header['x units']}`, not micrometres or nanometres", where=path)
    if "reflectance" not in up:
        raise SurveyError(f"it holds `{header['y units']}`, not reflectance", where=path)
    if not len(table):
        raise SurveyError("it holds no numbers", where=path)
    wavelengths = table[:, 0] / (1000 if "nanomet" in across else 1)
    return header["name"], header.get("type", ""), wavelengths, table[:, 1] / (100 if "percent" in up else 1)


def _check(path: Path, wavelengths: Floats, values: Floats) -> None:
    if not len(values):
        raise SurveyError("it holds no numbers", where=path)
    if not np.isfinite(values).all() or not np.isfinite(wavelengths).all():
        raise SurveyError("it holds numbers that are not finite", where=path)
    if wavelengths.min() > FIRST or wavelengths.max() < LAST:
        raise SurveyError(
            f"it covers {wavelengths.min():.2f}-{wavelengths.max():.2f} um, a spectrum of an endmember must cover "
            f"{FIRST:.2f}-{LAST:.2f} um",
            where=path,
        )
    if values.max() > LARGEST or values.mean() <= 0:
        raise SurveyError(
            f"its reflectance lies at {values.min():.3g} to {values.max():.3g}, not within 0 and 1", where=path
        )


def _endmember(path: Path, name: str, kind: str) -> str:
    word = re.split(r"[^a-z]", name.lower(), maxsplit=1)[0]
    found = path.parent.name if path.parent.name in ENDMEMBERS else TYPES.get(kind.lower()) or KINDS.get(word)
    if found is None:
        raise SurveyError(
            f"`{name}` is none of the endmembers {', '.join(ENDMEMBERS)}",
            where=path,
            remedy="take it out, or put it into a folder named after the endmember it stands for",
        )
    return found
