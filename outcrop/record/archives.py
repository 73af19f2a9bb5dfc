"""The archive: a project's records, the small files that they rest on, and its ledger.

It lies in ``records/`` of the workspace, is small, and belongs into version control: with it and the data store an
auditor needs nothing else.
"""

import json
import os
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from outcrop.errors import RecordError
from outcrop.record.digests import digest_bytes, digest_file
from outcrop.record.ledger import Entry, Head, Item, Ledger
from outcrop.record.records import NamedFile, Record

PROJECT, LEDGER, KEPT, SIGNATURES = "project.json", "ledger.jsonl", "files", "signatures"
#: How a file's name ends, and a dot begins it, until it is whole.
DRAFT = ".draft"
RESTORE = "restore the folder from version control"


class Archive:
    """Records below a folder; ``root`` is the workspace, ``lock`` a file that writers hold in turn."""

    def __init__(self, folder: Path, root: Path, lock: Path) -> None:
        self.folder, self.root = folder, root
        self.ledger = Ledger(folder / LEDGER, lock)

    @property
    def exists(self) -> bool:
        """Whether anything was recorded here."""
        return (self.folder / PROJECT).is_file()

    @cached_property
    def project(self) -> str:
        """Identity of the project: a record that names another one does not belong here.

        Raises
        ------
        RecordError : there is no archive, or its identity cannot be read.
        """
        try:
            return str(json.loads((self.folder / PROJECT).read_text(encoding="utf-8"))["project"])
        except FileNotFoundError as cause:
            raise RecordError(
                "nothing was recorded here", where=self.folder, remedy="train with `outcrop retrain`"
            ) from cause
        except (OSError, ValueError, KeyError, TypeError) as cause:
            raise RecordError("the project's identity cannot be read", where=PROJECT, remedy=RESTORE) from cause

    def found(self) -> str:
        """The project's identity, given at the first record."""
        with self.ledger.writing():
            if not self.exists:
                content = json.dumps({"project": str(uuid.uuid4())}).encode() + b"\n"
                _write(self.folder / PROJECT, content)
        return self.project

    def keep(self, record: Record) -> str:
        """Write a record and its line in the ledger, once; gives its id when both are on the disk.

        Raises
        ------
        RecordError : the archive cannot be written, or the record is of another project.
        """
        if record.project != self.found():
            raise RecordError("the record is of another project", where=record.name, remedy="record it in its own")
        try:
            with self.ledger.writing():
                _write(self.place(record.id), record.content())
                self.ledger.enter(Item(record.project, record.kind, record.survey, record.subject, record.id))
        except OSError as cause:
            reason = (cause.strerror or str(cause)).lower()
            raise RecordError(f"cannot record: {reason}", where=self.folder, remedy="check the folder") from cause
        return record.id

    def keep_file(self, file: Path) -> NamedFile:
        """Copy a small file into the archive, named by its digest."""
        content = file.read_bytes()
        kept = self.folder / KEPT / f"{digest_bytes(content)}{file.suffix}"
        with self.ledger.writing():
            _write(kept, content)
        return NamedFile.of(kept, self.root)

    def place(self, record: str) -> Path:
        """Where a record lies."""
        return self.folder / f"{record}.json"

    def names(self) -> list[str]:
        """All records that lie here, whether the ledger names them or not."""
        return [path.stem for path in self.folder.glob("*.json") if len(path.stem) == len(digest_bytes(b""))]

    def read(self, record: str) -> Record:
        """Read a record and check that it is the one that it is named after.

        Raises
        ------
        RecordError : it is missing, was edited, or is of another project.
        """
        path = self.place(record)
        try:
            content = path.read_bytes()
        except OSError as cause:
            raise RecordError(f"record {record[:12]} is missing", where=path.name, remedy=RESTORE) from cause
        if digest_bytes(content) != record:
            raise RecordError(f"record {record[:12]} was edited", where=path.name, remedy=RESTORE)
        read = Record.parse(content, path.name)
        if read.project != self.project:
            raise RecordError(f"record {record[:12]} is from another project", where=path.name, remedy=RESTORE)
        return read

    def find(self, subject: str, kind: str | None = None) -> str | None:
        """The last record of a subject."""
        for entry in reversed(self.ledger.entries()):
            if entry.subject == subject and kind in (None, entry.kind):
                return entry.record
        return None

    def of_kind(self, *kinds: str) -> Iterator[tuple[Entry, Record]]:
        """Lines of some kinds with their records, oldest first."""
        for entry in self.ledger.entries():
            if entry.kind in kinds:
                yield entry, self.read(entry.record)

    def head(self) -> Head:
        """The ledger's head."""
        return self.ledger.head()


def is_intact(file: NamedFile, path: Path) -> str:
    """Why a file is not the one that a record names; empty where it is."""
    if not path.is_file():
        return "is missing"
    if path.stat().st_size != file.size:
        return f"was changed: it has {path.stat().st_size} bytes, recorded are {file.size}"
    return "" if digest_file(path) == file.sha256 else "was changed: its SHA-256 is not the recorded one"


def _write(path: Path, content: bytes) -> None:
    """Write a file, whole and on the disk, unless it is there; who calls holds the ledger's lock.

    So whatever draft lies beside it is of a writer that was killed.
    """
    for left in path.parent.glob(f".*{DRAFT}"):
        left.unlink(missing_ok=True)
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}{DRAFT}")
    try:
        with draft.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
