"""Whose bytes these are: the sites of a model, held against what was recorded, in DVC's store and in the workspace."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from outcrop.errors import WorkspaceError
from outcrop.record.archives import is_intact
from outcrop.record.audits import Audit, Chain, in_words
from outcrop.record.digests import digest_file
from outcrop.record.records import Record
from tasks.data import ByteStore, md5_of, recorded_hashes
from tasks.facts import RAW
from tasks.workspace import Workspace


def check_sites(audit: Audit, chain: Chain, workspace: Workspace, scratch: Path) -> bool:
    """Hash every asset; lay the sites out below ``scratch`` as they were recorded; gives whether all were there."""
    store, pointers, whole = ByteStore(workspace), recorded_hashes(workspace), True
    for _, record in chain.records("dataset"):
        faults = list(_lay_out(record, store, scratch))
        told = f"{len(record.files)} files hash as recorded"
        whole = audit.ask("data", f"site {record.name} in DVC's store", faults, told) and whole
        _check_workspace(audit, record, workspace, pointers)
        _check_raw(audit, record, workspace, pointers)
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


def _pointer(record: Record, workspace: Workspace, pointers: dict[str, str]) -> str | None:
    """The hash that the workspace now has of a site."""
    return pointers.get((workspace.sites / record.name).relative_to(workspace.root).as_posix())


def _check_raw(audit: Audit, record: Record, workspace: Workspace, pointers: dict[str, str]) -> None:
    """The raw files that a site was ingested from, where they are at hand and the site is still made from them."""
    name, known, pointer = f"raw files of {record.name}", record.facts.get(RAW), _pointer(record, workspace, pointers)
    if known is None:
        audit.skip("data", name, "they were not recorded when the site was made")
    elif not known:
        audit.ask("data", name, [], "none: a stage of dvc.yaml makes the site")
    elif pointer not in (None, record.subject):
        audit.skip("data", name, f"DVC has moved on to {pointer}: the site is made from others now")
    else:
        try:
            raw = workspace.raw
        except WorkspaceError as error:
            audit.skip("data", name, f"{len(known)} are recorded, but {in_words(error)}")
            return
        missing = [path for path in known if not (raw / path).is_file()]
        changed = [path for path in known if path not in missing and digest_file(raw / path) != known[path]]
        if missing and not changed:
            audit.skip("data", name, f"{len(missing)} of {len(known)} are not below {raw}, the first is {missing[0]}")
        else:
            faults = [f"{path} was changed: its SHA-256 is not the recorded one" for path in changed]
            audit.ask("data", name, faults, f"{len(known)} files hash as recorded")


def _check_workspace(audit: Audit, record: Record, workspace: Workspace, pointers: dict[str, str]) -> None:
    """The working copy, as long as it is of the same version."""
    name, folder = f"site {record.name} in the workspace", workspace.sites / record.name
    pointer = _pointer(record, workspace, pointers)
    if pointer != record.subject:
        audit.ask("data", name, [], f"DVC has moved on to {pointer}" if pointer else "not tracked here")
    elif not folder.is_dir():
        audit.ask("data", name, [], "not checked out; DVC's store serves")
    else:
        faults = [f"{role} {fault}" for role, file in record.files.items() if (fault := is_intact(file, folder / role))]
        there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        faults += [f"{extra} was added" for extra in sorted(there - set(record.files))]
        audit.ask("data", name, faults, "as recorded")
