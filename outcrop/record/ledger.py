"""The ledger: one line a record, each with the hash of the line before.

Lines are only ever appended, under a lock, and reach the disk before they are acknowledged. A line that a kill has cut
short was acknowledged to nobody: the next writer removes it. A chain cannot see that its own tail was cut off: its
head and length are also kept elsewhere, see `Head`.
"""

import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from filelock import FileLock
from pydantic import BaseModel, ConfigDict, ValidationError

from outcrop.errors import RecordError
from outcrop.record.digests import digest_value

#: What the first line has instead of the hash of a line before.
ORIGIN = "0" * 64
#: A clock that is set back by less is taken for one that was corrected: the line gets the time of the one before.
DRIFT = timedelta(minutes=2)
#: Bytes read at once while the end of the file is searched for its last line.
TAIL = 4096


class Entry(BaseModel):
    """One line. ``before`` is the hash of the line before, ``hash`` that of all other fields of this one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    time: str
    project: str
    kind: str
    survey: str
    subject: str
    record: str
    before: str
    hash: str

    def own_hash(self) -> str:
        """What ``hash`` must be."""
        return digest_value(self.model_dump(exclude={"hash"}))

    @property
    def moment(self) -> datetime:
        """When the line was written."""
        return datetime.fromisoformat(self.time)


@dataclass(frozen=True)
class Head:
    """How long a ledger was, and the hash of its last line: kept elsewhere, it shows that a tail was cut off."""

    length: int
    hash: str


@dataclass(frozen=True)
class Item:
    """What is entered: the fields of a line that do not depend on its place."""

    project: str
    kind: str
    survey: str
    subject: str
    record: str


class Ledger:
    """The file of lines. ``lock`` is a file that its writers hold in turn."""

    def __init__(self, path: Path, lock: Path) -> None:
        self.path, self._lock = path, lock

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the lock; the same thread may hold it more than once."""
        self._lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self._lock, is_singleton=True):
            yield

    def enter(self, item: Item) -> Entry:
        """Append a line, unless the record has one, and give it once it is on the disk.

        Raises
        ------
        RecordError : the ledger's last line is damaged, or the clock is behind it.
        """
        with self.writing():
            if found := self._line_of(item.record):
                return found
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a+b") as stream:
                last = _recover(stream, self.path)
                entry = _next(item, last, self.path)
                stream.write(entry.model_dump_json().encode() + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            return entry

    def _line_of(self, record: str) -> Entry | None:
        if not self.path.is_file():
            return None
        for line in self.path.read_bytes().splitlines(keepends=True):
            if record.encode() in line and line.endswith(b"\n"):
                entry = _parse(line, self.path)
                if entry.record == record:
                    return entry
        return None

    def lines(self) -> list[bytes]:
        """The lines as they are, each with its newline if it has one; none where there is no file."""
        return self.path.read_bytes().splitlines(keepends=True) if self.path.is_file() else []

    def entries(self) -> list[Entry]:
        """The lines, read; their chain is not checked. A last line that was cut short is left out.

        Raises
        ------
        RecordError : a line is not one of a ledger.
        """
        return [_parse(line, self.path) for line in self.lines() if line.endswith(b"\n")]

    def readable(self) -> list[Entry]:
        """The lines that can be read."""
        found = []
        for line in self.lines():
            with suppress(ValidationError):
                found.append(Entry.model_validate_json(line))
        return found

    def head(self) -> Head:
        """Length and last hash."""
        entries = self.entries()
        return Head(len(entries), entries[-1].hash if entries else ORIGIN)


def _parse(line: bytes, where: object) -> Entry:
    try:
        return Entry.model_validate_json(line)
    except ValidationError as cause:
        raise RecordError(
            "a line of the ledger is damaged", where=where, remedy="restore the file from version control"
        ) from cause


def _recover(stream: BinaryIO, where: Path) -> Entry | None:
    """The last whole line; what a kill has left behind it is removed."""
    size = stream.seek(0, os.SEEK_END)
    tail, start = b"", size
    while start and b"\n" not in tail[:-1]:
        start = max(0, start - TAIL)
        stream.seek(start)
        tail = stream.read(size - start)
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) < len(tail):
        stream.truncate(start + len(whole))
        return _recover(stream, where)
    return _parse(whole.splitlines()[-1], where) if whole else None


def _next(item: Item, last: Entry | None, where: Path) -> Entry:
    now = datetime.now(UTC)
    if last is not None and now < last.moment:
        if now < last.moment - DRIFT:
            raise RecordError(
                f"the clock says {now:%Y-%m-%d %H:%M}, but the ledger was last written at {last.time[:16]}",
                where=where,
                remedy="set the clock",
            )
        now = last.moment
    fields = {
        "number": last.number + 1 if last else 1,
        "time": now.isoformat(timespec="microseconds"),
        **vars(item),
        "before": last.hash if last else ORIGIN,
    }
    return Entry(**fields, hash=digest_value(fields))


def check_chain(lines: list[bytes], project: str) -> list[str]:
    """What is wrong with a ledger, in sentences; none where the chain holds."""
    found: list[str] = []
    entries: list[Entry] = []
    for place, line in enumerate(lines, 1):
        if not line.endswith(b"\n"):
            found.append(f"line {place} is cut short")
            continue
        try:
            entry = Entry.model_validate_json(line)
        except ValidationError:
            found.append(f"line {place} was edited: it cannot be read")
            continue
        if entry.hash != entry.own_hash():
            found.append(f"line {place} was edited: its hash is not that of its content")
        if entry.project != project:
            found.append(f"line {place} is from another project")
        entries.append(entry)
    return found + _check_order(entries)


def _check_order(entries: list[Entry]) -> list[str]:
    found = []
    numbers = [entry.number for entry in entries]
    twice = sorted(number for number, times in Counter(numbers).items() if times > 1)
    missing = sorted(set(range(1, max(numbers, default=0) + 1)) - set(numbers))
    found += [f"line {number} occurs twice" for number in twice]
    found += [f"line {number} was removed" for number in missing]
    if not twice and numbers != sorted(numbers):
        place = next(place for place, (a, b) in enumerate(zip(numbers, sorted(numbers), strict=True), 1) if a != b)
        found.append(f"the lines are out of order from line {place} on")
    by_number = {entry.number: entry for entry in entries}
    for number, entry in sorted(by_number.items()):
        earlier = by_number.get(number - 1)
        if earlier is None:
            if number == 1 and entry.before != ORIGIN:
                found.append("line 1 names a line before it")
            continue
        if entry.before != earlier.hash:
            found.append(f"line {number} does not follow from line {number - 1}")
        if entry.moment < earlier.moment:
            found.append(f"the clock ran backwards: line {number} is dated before line {number - 1}")
    return found


def check_head(entries: list[Entry], head: Head, keeper: str) -> list[str]:
    """Whether the ledger still holds what it held when ``keeper`` noted its head."""
    if len(entries) < head.length:
        return [f"the ledger was truncated: it has {len(entries)} lines, {keeper} saw {head.length}"]
    if head.length and entries[head.length - 1].hash != head.hash:
        return [f"the ledger is not the one that {keeper} saw: line {head.length} has another hash"]
    return []
