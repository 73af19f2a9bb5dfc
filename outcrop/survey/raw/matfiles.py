"""MATLAB files: version 7.3 is HDF5; version 5 is read here, and only its plain arrays of numbers.

(SciPy reads version 5 too, but a damaged file can crash it, and the process with it.)

A raster is an array (rows, columns) or (rows, columns, bands). Nothing in such a file says where it lies.
"""

import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import prod
from os import SEEK_CUR
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import SurveyError
from outcrop.survey.geotiffs import CACHE_MB
from outcrop.survey.raw.hdf5 import check_whole
from outcrop.survey.raw.headers import Header, Opener, Read
from outcrop.survey.sites import Band

#: dtype of stored numbers, by the code of their type.
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
#: dtype of an array in MATLAB, by the code of its class; the stored numbers may be smaller.
CLASSES = {6: "f8", 7: "f4", 8: "i1", 9: "u1", 10: "i2", 11: "u2", 12: "i4", 13: "u4", 14: "i8", 15: "u8"}
#: Types of elements that hold an array, the second one compressed.
MATRIX, PACKED = 14, 15
COMPLEX = 0x08
#: Bytes of a file's header.
HEADER = 128
#: More bands than any sensor has: a sign of damage.
MOST_BANDS = 2**16
#: Bytes of an array's element that are enough to know its class, shape and name.
HEAD = 1024


@dataclass(frozen=True)
class Array:
    """An array of numbers in the file: (rows, columns[, bands])."""

    shape: tuple[int, ...]
    dtype: str
    open_bands: Opener


def mat_header(path: Path, variable: str | None) -> Header:
    """The header of one array; ``variable`` may be left out where only one can be a raster.

    Raises
    ------
    SurveyError : there is no such array, or there are several and none is named; parts lie in other files.
    """
    import h5py

    check_whole(path)
    arrays = _arrays_7(path) if h5py.is_hdf5(path) else _arrays_5(path)
    candidates = [name for name, array in arrays.items() if min(array.shape[:2]) > 1]
    if variable is None and len(candidates) == 1:
        variable = candidates[0]
    if variable not in arrays:
        said = f"no array of numbers `{variable}` of 2 or 3 dimensions" if variable else "no single raster"
        remedy = f"name one as `variable`: {', '.join(candidates)}" if candidates else "save the raster as an array"
        raise SurveyError(f"the MATLAB file has {said}", where=path, remedy=remedy)
    array = arrays[variable]
    height, width, count = (*array.shape, 1)[:3]
    if count > MOST_BANDS:
        raise ValueError(f"the array {variable} has {count} bands")
    return Header(height, width, (Band(""),) * count, array.dtype, array.open_bands)


def _arrays_7(path: Path) -> dict[str, Array]:
    import h5py

    found = {}
    with h5py.File(path) as file:
        for name, item in file.items():
            plain = isinstance(item, h5py.Dataset) and item.ndim in (2, 3) and item.size and item.dtype.kind in "iuf"
            if plain and item.attrs.get("MATLAB_class", b"") != b"char":
                dtype = item.dtype.newbyteorder("=").name
                found[name] = Array(item.shape[::-1], dtype, partial(_open_7, path, name))
    return found


@contextmanager
def _open_7(path: Path, name: str, chosen: Sequence[int]) -> Iterator[Read]:
    """MATLAB writes columns first: what lies in the file is (bands, columns, rows)."""
    import h5py

    first, last = min(chosen), max(chosen)
    places = [band - first for band in chosen]
    with h5py.File(path, rdcc_nbytes=CACHE_MB * 2**20) as file:
        array = file[name]

        def read(row: int, col: int, height: int, width: int) -> NDArray[Any]:
            window = (slice(col, col + width), slice(row, row + height))
            values = np.asarray(array[window][None] if array.ndim == 2 else array[first : last + 1, *window][places])
            return values.transpose(0, 2, 1).astype(values.dtype.newbyteorder("="))

        yield read


class Element(NamedTuple):
    """Where an array of a version 5 file lies, with all its parts; ``order`` is that of its bytes."""

    path: Path
    place: int
    size: int
    packed: bool
    order: str

    def content(self, most: int | None = None) -> bytes:
        """Its parts, or what ``most`` bytes of the file hold of them."""
        with self.path.open("rb") as file:
            file.seek(self.place)
            content = file.read(self.size if most is None else min(most, self.size))
        # Packed, it is an element of its own, with a tag of eight bytes.
        return zlib.decompressobj().decompress(content, most or 0)[8:] if self.packed else content


def _arrays_5(path: Path) -> dict[str, Array]:
    """The plain arrays of a version 5 file, found without reading their numbers."""
    with path.open("rb") as file:
        order = {b"IM": "<", b"MI": ">"}.get(file.read(HEADER)[-2:])
        if order is None:
            raise ValueError("no MATLAB file of version 5 or 7.3")
        elements = []
        while tag := file.read(8):
            kind, size = struct.unpack(f"{order}II", tag)
            if kind in (MATRIX, PACKED):
                elements.append(Element(path, file.tell(), size, kind == PACKED, order))
            file.seek(size, SEEK_CUR)
    return dict(found for element in elements if (found := _describe_5(element)))


def _describe_5(element: Element) -> tuple[str, Array] | None:
    """Name and array of an element, whose parts are flags, sides, name and numbers; None if it is no plain array."""
    content, order = element.content(HEAD), element.order
    _, at, _, after = _part(content, 0, order)
    (flags,) = struct.unpack_from(f"{order}I", content, at)
    _, at, size, after = _part(content, after, order)
    shape = struct.unpack_from(f"{order}{size // 4}i", content, at)
    _, at, size, after = _part(content, after, order)
    name = content[at : at + size].decode("ascii")
    if flags & 0xFF not in CLASSES or flags >> 8 & COMPLEX or len(shape) not in (2, 3) or 0 in shape:
        return None
    kind, _, size, _ = _part(content, after, order)
    if min(shape) < 0 or size != prod(shape) * np.dtype(STORED[kind]).itemsize:
        raise ValueError(f"the array {name} of {shape} has {size} bytes")
    dtype = np.dtype(CLASSES[flags & 0xFF]).name
    return name, Array(shape, dtype, partial(_open_5, element, shape, dtype, after))


def _part(content: bytes, at: int, order: str) -> tuple[int, int, int, int]:
    """Type of the part at byte ``at``, its first byte and size, and where the next part begins."""
    kind, size = struct.unpack_from(f"{order}II", content, at)
    if kind >> 16:  # up to four bytes stand in the tag itself
        return kind & 0xFFFF, at + 4, kind >> 16, at + 8
    return kind, at + 8, size, at + 8 + -(-size // 8) * 8


@contextmanager
def _open_5(
    element: Element, shape: tuple[int, ...], dtype: str, numbers: int, chosen: Sequence[int]
) -> Iterator[Read]:
    content = element.content()
    kind, at, size, _ = _part(content, numbers, element.order)
    stored = np.dtype(element.order + STORED[kind])
    cube = np.frombuffer(content, stored, size // stored.itemsize, at).reshape(*(*shape, 1)[:3], order="F")
    yield (
        lambda row, col, height, width: (
            cube[row : row + height, col : col + width, chosen].transpose(2, 0, 1).astype(dtype)
        )
    )
