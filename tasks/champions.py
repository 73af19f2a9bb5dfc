"""The champion: who it is by registry and ledger, and the only way in which another one takes its place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.errors import RecordError
from outcrop.params import load_params
from outcrop.record.archives import Archive
from outcrop.record.audits import locate
from outcrop.record.lineages import Lineage
from outcrop.record.records import Record
from outcrop.record.signatures import SIGNED, fingerprint, sign
from tasks.records import archive_of, keep
from tasks.tracking import CHAMPION, Registry, Version
from tasks.workspace import Workspace

#: Environment variables: the private key (PEM) that promotions are signed with, and its password.
KEY, PASSWORD = "OUTCROP_SIGNING_KEY", "OUTCROP_SIGNING_PASSWORD"
#: Tags of a registered model: the ledger as it was when its alias last moved.
LENGTH, HEAD = "outcrop.ledger_length", "outcrop.ledger_head"
MOVED = "look at `outcrop audit`, then choose with `outcrop promote MODEL --because ...`"


@dataclass(frozen=True)
class Decision:
    """What was decided of a student, and its record; ``champion`` is the version in service afterwards."""

    verdict: str
    reason: str
    champion: str | None
    record: str | None


def settled_champion(workspace: Workspace, registry: Registry, name: str) -> Version | None:
    """The champion by registry and ledger; a promotion that a kill has cut off is completed.

    Raises
    ------
    RecordError : they disagree.
    """
    current = registry.aliased(name, CHAMPION)
    last = last_promotion(Lineage(archive_of(workspace)), name)
    if last is None:
        if current is not None:
            raise RecordError(f"version {current.version} of {name} was made champion without a record", remedy=MOVED)
        return None
    promoted = registry.version(name, last.facts["version"])
    if current == promoted:
        return current
    if promoted is not None and (current and current.record) == last.inputs.get("champion"):
        registry.set_alias(name, CHAMPION, promoted.version)
        return promoted
    raise RecordError(f"the champion of {name} is not the one that the ledger promoted last", remedy=MOVED)


def last_promotion(lineage: Lineage, name: str) -> Any:
    """The record of the last promotion of a registered model, or None."""
    found = [lineage.records[each] for each in lineage.of_kind("promotion")]
    return next((record for record in reversed(found) if record.name == name), None)


def crown(
    workspace: Workspace,
    survey: str,
    registry: Registry,
    challenger: Version,
    inputs: Mapping[str, str],
    facts: Mapping[str, Any],
) -> Decision:
    """Record a promotion, let it happen, and sign it if there is a key.

    Raises
    ------
    RecordError : the key cannot be used; nothing is promoted then.
    """
    key = signing_key()
    told = {**facts, "signer": fingerprint(key, os.environ.get(PASSWORD)) if key else None}
    archive, days = archive_of(workspace), load_params(workspace.params).promote.signature_days
    with archive.ledger.writing():  # nobody comes between the line, the alias and the signature
        kept = decide(workspace, survey, "promotion", challenger, inputs, told)
        registry.set_alias(challenger.name, CHAMPION, challenger.version)
        note_head(workspace, registry, challenger.name)
        if key:
            files = signed_files(archive, archive.read(inputs["challenger"]))
            sign(archive, kept, files, key, days, os.environ.get(PASSWORD))
    return Decision("promoted", str(facts["reason"]), challenger.version, kept)


def decide(
    workspace: Workspace, survey: str, kind: str, model: Version, inputs: Mapping[str, str], facts: Mapping[str, Any]
) -> str:
    """Record a decision; ``after`` makes it another one than the same decision at another time."""
    told = {**facts, "version": model.version, "after": archive_of(workspace).head().hash}
    return keep(workspace, survey, kind, model.name, f"{model.name}/{model.version}", inputs=inputs, facts=told)


def signing_key() -> Path | None:
    """The private key that promotions are signed with, if the user names one."""
    named = os.environ.get(KEY)
    return Path(named) if named else None


def signed_files(archive: Archive, model: Record) -> dict[str, Path]:
    """The files of a model that a signature covers."""
    return {name: locate(archive, model.files[name].path) for name in SIGNED if name in model.files}


def note_head(workspace: Workspace, registry: Registry, name: str) -> None:
    """Note the ledger's head and length beside the alias: a chain cannot see that its own tail was cut off."""
    head = archive_of(workspace).head()
    registry.note(name, {LENGTH: str(head.length), HEAD: head.hash})
