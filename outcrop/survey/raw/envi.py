"""ENVI rasters: a text header beside a file of bare numbers.

GDAL places them and reads them, except where all bands of a pixel lie together (``bip``): there it reads a whole line
anew for every band, which of a cube of 2 GB makes 500 GB.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError, SurveyError
from outcrop.survey.geotiffs import open_raw
from outcrop.survey.raw.headers import Header, Opener, Read, dataset_header, micrometres
from outcrop.survey.sites import Band

#: How data files end whose header is named ``<stem>.hdr``.
SUFFIXES = ("", ".dat", ".img", ".bsq", ".bil", ".bip", ".raw", ".bin", ".envi")
#: Bytes of a number, by ENVI's code of its type.
BYTES = {1: 1, 2: 2, 3: 4, 4: 4, 5: 8, 6: 8, 9: 16, 12: 2, 13: 4, 14: 8, 15: 8}
#: ``key = value``, where a value in braces may run over several lines.
FIELD = re.compile(r"^[ \t]*([^={}\n]+?)[ \t]*=[ \t]*(\{[^}]*\}|[^\n]*)", re.MULTILINE)
EXPORT = "export the data and its header again"


def pair(path: Path) -> tuple[Path, Path] | None:
    """The data file and the header, of which ``path`` names one; None where it has no header.

    Raises
    ------
    SurveyError : the header's data file is missing, or not the only one.
    """
    if path.suffix.lower() != ".hdr":
        headers = _beside(path, {path.stem + ".hdr", path.name + ".hdr"})
        return (path, min(headers, key=lambda header: len(header.name))) if headers else None
    found = _beside(path, {path.stem + suffix for suffix in SUFFIXES})
    if len(found) != 1:
        said = f"several data files, {' and '.join(f.name for f in found)}" if found else "no data file beside it"
        raise SurveyError(f"the ENVI header has {said}", where=path, remedy="name the data file in the survey")
    return found[0], path


def _beside(path: Path, names: set[str]) -> list[Path]:
    """Files in the folder of ``path`` that are called so, in small letters or capitals."""
    small = {name.lower() for name in names}
    return sorted(each for each in path.parent.iterdir() if each.name.lower() in small and each.is_file())


def envi_header(path: Path, header: Path) -> Header:
    """The header of the data file at ``path``.

    Raises
    ------
    DataError : the header is damaged, or the data file has another size than it says.
    """
    fields = _fields(header)
    lines, samples, count = (_number(fields, key, header) for key in ("lines", "samples", "bands"))
    code, start = _number(fields, "data type", header), _number(fields, "header offset", header, 0)
    expected, actual = start + lines * samples * count * BYTES.get(code, 0), path.stat().st_size
    if code in BYTES and expected != actual:
        raise DataError(f"the header makes it {expected} bytes, the file has {actual}", where=path, remedy=EXPORT)
    with open_raw(path, "ENVI") as dataset:
        described = dataset_header(dataset, _bands(fields, count, header), lambda: open_raw(path, "ENVI"))
    if fields.get("interleave", "").lower() != "bip":
        return described
    dtype = np.dtype(described.dtype).newbyteorder(">" if _number(fields, "byte order", header, 0) else "<")
    return replace(described, open_bands=_by_pixel(path, dtype, start, samples, count))


def _by_pixel(path: Path, dtype: np.dtype[Any], start: int, samples: int, count: int) -> Opener:
    """Opens a file whose ``count`` bands lie together in every pixel: (line, sample, band) from byte ``start``."""

    @contextmanager
    def open_bands(chosen: Sequence[int]) -> Iterator[Read]:
        with path.open("rb") as file:

            def read(row: int, col: int, height: int, width: int) -> NDArray[Any]:
                pixels = np.empty((height, width, count), dtype)
                for line in range(height):
                    file.seek(start + ((row + line) * samples + col) * count * dtype.itemsize)
                    pixels[line] = np.fromfile(file, dtype, width * count).reshape(width, count)
                return pixels[:, :, chosen].transpose(2, 0, 1).astype(dtype.newbyteorder("="))

            yield read

    return open_bands


def _fields(header: Path) -> dict[str, str]:
    with header.open("rb") as file:
        if file.read(4) != b"ENVI":
            raise DataError("the file is not an ENVI header", where=header, remedy=EXPORT)
        text = file.read().decode("utf-8", errors="replace")
    return {key.lower(): value.strip("{} \t\r") for key, value in FIELD.findall(text)}


def _number(fields: dict[str, str], key: str, header: Path, default: int | None = None) -> int:
    if key not in fields and default is not None:
        return default
    if not fields.get(key, "").isdecimal():
        raise DataError(f"the ENVI header has no number for `{key}`", where=header, remedy=EXPORT)
    return int(fields[key])


def _bands(fields: dict[str, str], count: int, header: Path) -> tuple[Band, ...]:
    names, centres, widths = (_list(fields, key, count, header) for key in ("band names", "wavelength", "fwhm"))
    unit = fields.get("wavelength units", "unknown").lower()
    if unit == "unknown":  # no imaging sensor sees 0.1 micrometres, none 100
        unit = "nm" if any((micrometres(centre, "um") or 0) > 100 for centre in centres) else "um"
    return tuple(
        Band(name, micrometres(centre, unit), micrometres(width, unit))
        for name, centre, width in zip(names, centres, widths, strict=True)
    )


def _list(fields: dict[str, str], key: str, count: int, header: Path) -> list[str]:
    """The ``count`` entries of a list in braces; empty ones where the header has no such list."""
    if not fields.get(key):
        return [""] * count
    entries = [" ".join(entry.split()) for entry in fields[key].split(",")]
    if len(entries) != count:
        raise DataError(f"the header lists {len(entries)} of `{key}` for {count} bands", where=header, remedy=EXPORT)
    return entries
