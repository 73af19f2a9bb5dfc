"""The journal of a map that is being made: finished blocks, one behind the other, so that a killed run goes on.

A file of records, each a head (place, size, check sum) and the compressed layers of one block. A record that was cut
short, as the last one of a killed run may be, does not match its check sum: it and what follows are cut off.
"""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import WorkspaceError

Layers = NDArray[np.uint8]
#: Row, column, layers, height, width, bytes that follow, their check sum.
HEAD = struct.Struct("<7I")
#: Level of compression: the fastest; the map itself is compressed anew.
LEVEL = 1


@dataclass(frozen=True)
class Record:
    """A finished block: where it lies in the map, and where its bytes lie in the journal."""

    row: int
    col: int
    shape: tuple[int, int, int]
    start: int
    size: int


def packed(row: int, col: int, layers: Layers) -> bytes:
    """A finished block (layers, height, width) as the journal keeps it, wherever it was made."""
    content = zlib.compress(layers.tobytes(), LEVEL)
    return HEAD.pack(row, col, *layers.shape, len(content), zlib.crc32(content)) + content


class Journal:
    """Blocks of one map, by the row and column of their first cell."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()
        self.records: dict[tuple[int, int], Record] = {}
        with path.open("r+b") as stream:
            for record in _whole_records(stream):
                self.records[record.row, record.col] = record
            stream.truncate(max((record.start + record.size for record in self.records.values()), default=0))

    def append(self, row: int, col: int, layers: Layers) -> None:
        """Add a finished block (layers, height, width).

        Raises
        ------
        WorkspaceError : it cannot be written; the blocks before it are kept.
        """
        self.keep(packed(row, col, layers))

    def keep(self, record: bytes) -> Record:
        """Add a finished block that is `packed` already; raises as `append` does."""
        try:
            with self.path.open("ab") as stream:
                start = stream.tell() + HEAD.size
                stream.write(record)
        except OSError as cause:
            reason = (cause.strerror or str(cause)).lower()
            raise WorkspaceError(
                f"the map cannot be written: {reason}",
                where=self.path.parent,
                remedy="mend that and run the command again: it goes on from here",
            ) from cause
        row, col, count, height, width, size, _ = HEAD.unpack_from(record)
        kept = self.records[row, col] = Record(row, col, (count, height, width), start, size)
        return kept

    def read(self, row: int, col: int) -> Layers:
        """A block's layers."""
        record = self.records[row, col]
        with self.path.open("rb") as stream:
            stream.seek(record.start)
            content = stream.read(record.size)
        return np.frombuffer(zlib.decompress(content), dtype=np.uint8).reshape(record.shape)


def _whole_records(stream: BinaryIO) -> Iterator[Record]:
    while len(head := stream.read(HEAD.size)) == HEAD.size:
        row, col, layers, height, width, size, check = HEAD.unpack(head)
        start = stream.tell()
        content = stream.read(size)
        if len(content) < size or zlib.crc32(content) != check:
            return
        yield Record(row, col, (layers, height, width), start, size)
