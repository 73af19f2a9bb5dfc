"""Recording: one call for whatever was made. Imports no workflow tool, so that every command can record."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcrop.errors import RecordError
from outcrop.record.archives import Archive
from outcrop.record.records import Making, NamedFile, Record
from tasks.workspace import Workspace


def archive_of(workspace: Workspace) -> Archive:
    """What was recorded in a workspace; it belongs into version control."""
    return Archive(workspace.root / "records", workspace.root, workspace.state / "records.lock")


def keep(
    workspace: Workspace,
    survey: str,
    kind: str,
    name: str,
    subject: str,
    *,
    inputs: Mapping[str, str] | None = None,
    files: Mapping[str, Path | NamedFile] | None = None,
    evidence: Mapping[str, Path] | None = None,
    facts: Mapping[str, Any] | None = None,
    made: Making | None = None,
) -> str:
    """Record something, and enter it in the ledger; what is recorded already keeps its record.

    Parameters
    ----------
    kind, name, subject : see `outcrop.record.records.Record`
    inputs : ids of the records of what it was made from, by role; `Archive.find` gives them
    files : what it consists of; they stay where they are
    evidence : small files that it rests on; they are copied into the archive

    Returns
    -------
    The record's id.

    Raises
    ------
    RecordError : the archive cannot be written.
    """
    archive = archive_of(workspace)
    named = {
        role: file if isinstance(file, NamedFile) else NamedFile.of(file, workspace.root)
        for role, file in (files or {}).items()
    }
    record = Record(
        project=archive.found(),
        survey=survey,
        kind=kind,
        name=name,
        subject=subject,
        inputs=dict(inputs or {}),
        files=named | {role: archive.keep_file(file) for role, file in (evidence or {}).items()},
        made=made,
        facts=dict(facts or {}),
    )
    return archive.keep(record)


def record_of(workspace: Workspace, subject: str) -> str:
    """The record of an MLflow run, a site's DVC hash, or whatever else was recorded under this subject.

    Raises
    ------
    RecordError : it was not recorded.
    """
    found = archive_of(workspace).find(subject)
    if found is None:
        raise RecordError("this was not recorded", where=subject, remedy="run the command that made it again")
    return found
