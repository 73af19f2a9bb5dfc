"""An audit: its checks, and those of them that need only the archive and the files that it names."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlparse

from outcrop.errors import OutcropError
from outcrop.record.archives import Archive, is_intact
from outcrop.record.commits import file_at, has_commit, is_checkout
from outcrop.record.digests import digest_bytes, digest_value
from outcrop.record.ledger import check_chain
from outcrop.record.lineages import Lineage
from outcrop.record.records import Record

Status = Literal["ok", "failed", "not possible"]
#: Kinds of records that tell of a model without being made into another: an audit looks at them too.
TELLING = ("evaluation", "choose", "promotion", "refusal", "export")
#: The same, of the model that they were given as the one that was adapted; its source has other records.
TELLING_ADAPTED = ("appraise", "decide")


@dataclass(frozen=True)
class Check:
    """One question of an audit: its answer, and the finding or the reason in words."""

    part: str
    name: str
    status: Status
    finding: str = ""


@dataclass
class Audit:
    """The checks of one model, in the order in which they were made."""

    subject: str
    checks: list[Check] = field(default_factory=list)

    def ask(self, part: str, name: str, findings: Iterable[str], told: str = "") -> bool:
        """Add a check that is failed if there is any finding; ``told``: what to say where it is ok."""
        found = list(findings)
        self.checks.append(Check(part, name, "failed" if found else "ok", "; ".join(found) or told))
        return not found

    def skip(self, part: str, name: str, reason: str) -> None:
        """Add a check that cannot be made."""
        self.checks.append(Check(part, name, "not possible", reason))

    @property
    def verdict(self) -> Status:
        """The gravest answer."""
        statuses = {check.status for check in self.checks}
        return "failed" if "failed" in statuses else "not possible" if "not possible" in statuses else "ok"


@dataclass(frozen=True)
class Chain:
    """A model's record and those it rests on: what it was made from, oldest first, and what tells of it."""

    subject: str
    ancestors: tuple[str, ...]
    telling: tuple[str, ...]
    lineage: Lineage

    @classmethod
    def of(cls, lineage: Lineage, subject: str) -> "Chain":
        """The chain of a record that the ledger names."""
        children = lineage.graph.successors(subject) if subject in lineage.graph else ()
        telling = [name for name in children if _tells(lineage.records.get(name), subject)]
        ancestors = lineage.ancestors(subject) if subject in lineage.graph else []
        return cls(subject, tuple(ancestors), tuple(telling), lineage)

    @property
    def names(self) -> tuple[str, ...]:
        """All of them."""
        return (*self.ancestors, self.subject, *self.telling)

    def records(self, *kinds: str) -> Iterator[tuple[str, Record]]:
        """Those that can be read, of some kinds or all."""
        for name in self.names:
            record = self.lineage.records.get(name)
            if record is not None and (not kinds or record.kind in kinds):
                yield name, record


def _tells(record: Record | None, subject: str) -> bool:
    """Whether a record tells of a model that it was given."""
    if record is None:
        return False
    return record.kind in TELLING or (record.kind in TELLING_ADAPTED and record.inputs.get("adapted") == subject)


def in_words(error: OutcropError) -> str:
    """An error as the finding of a check."""
    return str(error).removesuffix(".")


def check_ledger(audit: Audit, archive: Archive) -> None:
    """The chain of the ledger's lines."""
    lines = archive.ledger.lines()
    audit.ask("ledger", "chain", check_chain(lines, archive.project), f"{len(lines)} lines, each follows from the last")
    entered = {entry.record for entry in archive.ledger.readable()}
    astray = sorted(name for name in archive.names() if name not in entered)
    lost = f"{len(astray)} records are in no line: lines were removed, or a run was killed and not started again"
    audit.ask("ledger", "complete", [lost] if astray else [], "every record has its line")


def check_graph(audit: Audit, chain: Chain) -> None:
    """Every record is there, unaltered, entered after what it was made from; the walk ends at sites, without a gap."""
    lineage = chain.lineage
    damaged = list(lineage.damaged.values())  # all of them: what a damaged record was part of cannot be told
    unentered = [f"record {name[:12]} is not in the ledger" for name in chain.names if name not in lineage.entries]
    audit.ask("records", "records", damaged + unentered, f"{len(lineage.records)} records are as they were written")
    audit.ask("records", "no gap", _gaps(chain), "the walk ends at sites")
    audit.ask("records", "keys", _key_faults(chain), "what each step says it was made from is what its key was made of")
    audit.ask("records", "one vocabulary", _vocabularies(chain), "sites and models know the same classes")
    retracted = lineage.retracted(chain.subject)
    told = [f"{retracted.name} was retracted: {retracted.facts.get('because')}"] if retracted else []
    audit.ask("records", "not retracted", told, "neither it nor what it was made from was taken back")


def _gaps(chain: Chain) -> Iterator[str]:
    entries, found = chain.lineage.entries, False
    for name, record in chain.records():
        found = found or record.kind == "dataset"
        if not record.inputs and record.kind != "dataset":
            yield f"{record.kind} {record.name} was made from nothing"
        for role, parent in record.inputs.items():
            if parent not in entries:
                yield f"the {role} of {record.kind} {record.name} was never recorded"
            elif name in entries and entries[parent].number > entries[name].number:
                yield f"{record.kind} {record.name} was recorded before its {role}"
    if not found:
        yield "no site is at its root"


def _key_faults(chain: Chain) -> Iterator[str]:
    for _, record in chain.records():
        if record.made is None:
            continue
        if digest_value(record.made.ingredients) != record.made.key:
            yield f"the key of {record.kind} {record.name} is not that of its ingredients"
        named = set(_leaves(record.made.ingredients["inputs"]))
        for role, parent in record.inputs.items():
            other = chain.lineage.records.get(parent)
            if other is not None and other.kind == "search":  # its winner stands among the parameters
                known = (
                    set() if _is_among(other.facts.get("winner", {}), record.made.ingredients["params"]) else {parent}
                )
            else:
                known = _digests(other)
            if known and not known & named:
                yield f"{record.kind} {record.name} was not made from the {role} that it names: its key knows another"


def _is_among(winner: Mapping[str, Any], params: Mapping[str, Any]) -> bool:
    """Whether a step took what a search has found, as far as it reads those sections."""
    return all(
        _is_among(value, params[name]) if isinstance(value, Mapping) else params[name] == value
        for name, value in winner.items()
        if name in params
    )


def _digests(parent: Record | None) -> set[str]:
    """The digests by which later steps may know a record."""
    if parent is None:
        return set()
    return {parent.subject} if parent.made is None else set(parent.made.digests.values())


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield str(value)


def _vocabularies(chain: Chain) -> Iterator[str]:
    known: dict[tuple[str, ...], str] = {}
    for _, record in chain.records():
        classes = record.facts.get("classes")  # of a decision: what each class gains
        if isinstance(classes, list):
            known.setdefault(tuple(classes), f"{record.kind} {record.name}")
    if len(known) > 1:
        yield f"the vocabularies are mixed: those of {' and '.join(known.values())} differ"


def check_files(audit: Audit, chain: Chain, archive: Archive) -> None:
    """Every file that a record names, sites apart: those are DVC's."""
    for _, record in chain.records():
        if record.kind == "dataset" or not record.files:
            continue
        faults = [
            f"{role} {fault}"
            for role, file in record.files.items()
            if (fault := is_intact(file, locate(archive, file.path)))
        ]
        audit.ask("files", _called(record), faults, f"{len(record.files)} files hash as recorded")


def _called(record: Record) -> str:
    """What people call a record: those of validations by their sites, others by kind and name."""
    if record.kind == "validation":
        return f"validation of {', '.join(record.inputs)}"
    return record.name if record.name.startswith(record.kind) else f"{record.kind} {record.name}"


def locate(archive: Archive, path: str) -> Path:
    """Where a file lies that a record names: below the workspace, or at a file URI."""
    return Path(unquote(urlparse(path).path)) if path.startswith("file:") else archive.root / path


def check_code(audit: Audit, chain: Chain, root: Path) -> None:
    """The commits that the steps ran from are there, nothing differed from them, and they hold the lock file."""
    by_commit: dict[str | None, list[Record]] = {}
    dirty = []
    for _, record in chain.records():
        if record.made is not None:
            by_commit.setdefault(record.made.commit, []).append(record)
            if record.made.dirty and record.made.commit:
                dirty.append(f"the code that made {record.name} was dirty: it differed from {record.made.commit[:12]}")
    if None in by_commit:
        made = ", ".join(record.name for record in by_commit.pop(None))
        audit.ask("code", "commit", [f"{made}: made outside of version control"])
    if by_commit and not is_checkout(root):
        audit.skip("code", "commit", "this is not a git checkout")
        return
    for commit, records in by_commit.items():
        assert commit is not None
        told = f"is there, with the lock file of {len(records)} steps"
        audit.ask("code", f"commit {commit[:12]}", _commit_faults(root, commit, records), told)
    audit.ask("code", "clean", dirty, "code, parameters and lock were those of the commit")


def _commit_faults(root: Path, commit: str, records: Iterable[Record]) -> Iterator[str]:
    if not has_commit(root, commit):
        yield f"commit {commit[:12]} is gone"
        return
    lock = file_at(root, commit, "constraints.txt")
    locks = {record.made.ingredients["lock"] for record in records if record.made and not record.made.dirty}
    if locks - {digest_bytes(lock) if lock is not None else None}:
        yield f"the lock file of commit {commit[:12]} is not the recorded one"
