"""Whose bytes these are: the sites of a model, held against what was recorded, in DVC's store and in the workspace."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from outcrop.record.archives import is_intact
from outcrop.record.audits import Audit, Chain
from outcrop.record.records import Record
from tasks.data import ByteStore, md5_of, recorded_hashes
from tasks.workspace import Workspace


def check_sites(audit: Audit, chain: Chain, workspace: Workspace, scratch: Path) -> bool:
    """Hash every asset; lay the sites out below ``scratch`` as they were recorded; gives whether all were there."""
    store, pointers, whole = ByteStore(workspace), recorded_hashes(workspace), True
    for _, record in chain.records("dataset"):
        faults = list(_lay_out(record, store, scratch))
        told = f"{len(record.files)} files hash as recorded"
        whole = audit.ask("data", f"site {record.name} in DVC's store", faults, told) and whole
        _check_workspace(audit, record, workspace, pointers)
    return whole


def _lay_out(record: Record, store: ByteStore, scratch: Path) -> Iterator[str]:
    """What is wrong with a site in DVC's store; what is not is linked, else copied, into a folder of its own."""
    fetched = scratch / "fetched"
    fetched.mkdir(exist_ok=True)
    listing = store.listing(record.subject, fetched)
    if listing is None:
        yield f"the listing {record.subject} is missing or corrupt"
    elif listing != {name: file.md5 for name, file in record.files.items()}:
        yield "DVC lists other files than were recorded"
    for name, file in record.files.items():
        found = store.find(file.md5 or "", fetched)
        if found is None:
            yield f"{name} is missing: object {file.md5}"
        elif fault := is_intact(file, found):
            yield f"{name} is corrupt: object {file.md5} {fault}"
        elif md5_of(found) != file.md5:
            yield f"{name}: its MD5 is not the recorded one"
        else:
            place = scratch / "sites" / record.name / name
            place.parent.mkdir(parents=True, exist_ok=True)
            try:
                os.link(found, place)
            except OSError:  # another file system
                shutil.copyfile(found, place)


def _check_workspace(audit: Audit, record: Record, workspace: Workspace, pointers: dict[str, str]) -> None:
    """The working copy, as long as it is of the same version."""
    name, folder = f"site {record.name} in the workspace", workspace.sites / record.name
    pointer = pointers.get(folder.relative_to(workspace.root).as_posix())
    if pointer != record.subject:
        audit.ask("data", name, [], f"DVC has moved on to {pointer}" if pointer else "not tracked here")
    elif not folder.is_dir():
        audit.ask("data", name, [], "not checked out; DVC's store serves")
    else:
        faults = [f"{role} {fault}" for role, file in record.files.items() if (fault := is_intact(file, folder / role))]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        faults += [f"{extra} was added" for extra in sorted(there - set(record.files))]
        audit.ask("data", name, faults, "as recorded")
