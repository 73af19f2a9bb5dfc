"""A record: what a thing is, what it was made from, by which code; JSON that is named by its own digest.

Records name each other by digest and so form a graph whose edges nobody can redraw without renaming everything after
them. They hold no time: the same thing recorded twice is one record. When it was recorded stands in the ledger.
"""

import json
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from outcrop.errors import RecordError
from outcrop.record.digests import digest_bytes, digest_file


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class NamedFile(_Part):
    """A file that a record names: its path relative to the workspace (or a URI), its SHA-256 and its bytes.

    ``md5`` is what DVC knows it by, where DVC tracks it.
    """

    path: str
    sha256: str
    size: int
    md5: str | None = None

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, path: str) -> str:
        if not path.startswith("file:") and (PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts):
            raise ValueError("the path leaves the workspace")
        return path

    @classmethod
    def of(cls, file: Path, root: Path, md5: str | None = None) -> "NamedFile":
        """Describe a file; one outside of ``root`` is named by its URI."""
        inside = file.resolve().is_relative_to(root.resolve())
        path = file.resolve().relative_to(root.resolve()).as_posix() if inside else file.resolve().as_uri()
        return cls(path=path, sha256=digest_file(file), size=file.stat().st_size, md5=md5)


class Making(_Part):
    """How a step of a flow made something.

    ``key`` is the digest of ``ingredients``: all that the result depends on, among it the digests of what it was made
    from. ``digests`` are those of the result, by which later steps name it.
    """

    step: str
    key: str
    ingredients: dict[str, Any]
    digests: dict[str, str]
    run: str
    commit: str | None
    dirty: bool
    packages: dict[str, str]


class Record(_Part):
    """One thing that was validated, trained, searched, evaluated, promoted, refused, mapped or retracted.

    Parameters
    ----------
    project : the identity of the workspace's archive
    kind : dataset, validation, model, evaluation, promotion, ...
    name : what people call it
    subject : what it is a record of: an MLflow run, a DVC hash, or the digest of a file
    inputs : records of what it was made from, by their role
    files : what it consists of or rests on, by name
    facts : what there is to know about it; depends on the kind
    """

    format: Literal[1] = 1
    project: str
    survey: str
    kind: str
    name: str
    subject: str
    inputs: dict[str, str] = {}
    files: dict[str, NamedFile] = {}
    made: Making | None = None
    facts: dict[str, Any] = {}

    def content(self) -> bytes:
        """The bytes of the record's file."""
        return json.dumps(self.model_dump(mode="json"), indent=1, sort_keys=True, allow_nan=False).encode() + b"\n"

    @property
    def id(self) -> str:
        """SHA-256 of the record's bytes."""
        return digest_bytes(self.content())

    @classmethod
    def parse(cls, content: bytes, where: object) -> "Record":
        """Read a record's bytes.

        Raises
        ------
        RecordError : they are no record.
        """
        try:
            return cls.model_validate_json(content)
        except ValidationError as cause:
            raise RecordError("this is no record", where=where, remedy="restore it from version control") from cause
