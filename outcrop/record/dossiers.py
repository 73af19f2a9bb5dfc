"""All that an audit has to say of a model, gathered from its records: what pages, cards and bills of material tell."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from outcrop.record.archives import Archive
from outcrop.record.audits import Audit, Chain, Check, locate
from outcrop.record.digests import digest_bytes
from outcrop.record.ledger import Head
from outcrop.record.records import Record
from outcrop.record.trees import draw_lineage

#: The metrics that are told of every model.
TOLD = ("macro_f1", "overall_accuracy", "average_accuracy", "kappa", "ece", "nll")


@dataclass(frozen=True)
class SiteRow:
    """A site at the root of a model."""

    name: str
    dvc: str
    scenes: tuple[str, ...]
    files: int
    bytes: int


@dataclass(frozen=True)
class StepRow:
    """One step on the way to a model, when it was recorded and from which commit it ran."""

    time: str
    kind: str
    name: str
    record: str
    commit: str
    dirty: bool


@dataclass(frozen=True)
class ScoreRow:
    """What an evaluation says of one model; ``subject``: it is the audited one."""

    name: str
    metrics: Mapping[str, float]
    interval: tuple[float, float]
    subject: bool


@dataclass(frozen=True)
class DecisionRow:
    """A promotion or a refusal: when, what, by whom, why."""

    time: str
    kind: str
    verdict: str
    by: str
    because: str
    signer: str


@dataclass(frozen=True)
class Dossier:
    """A model with its checks. ``facts``: role, classes, modalities, footprint."""

    name: str
    record: str
    survey: str
    project: str
    created: str
    verdict: str
    sentence: str
    facts: Mapping[str, Any]
    digest: str
    packages: Mapping[str, str]
    parameters: Mapping[str, Any]
    files: Mapping[str, tuple[str, int]]
    sites: tuple[SiteRow, ...]
    steps: tuple[StepRow, ...]
    validation: tuple[str, ...]
    scores: tuple[ScoreRow, ...]
    per_class: Mapping[str, Mapping[str, float]]
    decisions: tuple[DecisionRow, ...]
    checks: tuple[Check, ...]
    head: Head
    graph: str

    @property
    def unmet(self) -> list[Check]:
        """The checks that do not hold, the failed ones first."""
        unmet = [check for check in self.checks if check.status != "ok"]
        return sorted(unmet, key=lambda check: check.status != "failed")


def gather_dossier(audit: Audit, chain: Chain, archive: Archive) -> Dossier:
    """What the records say; of those that cannot be read, the checks tell."""
    lineage = chain.lineage
    record = lineage.records.get(chain.subject)
    made = record.made if record else None
    own, evaluated = _evaluated(chain, archive)
    entries = archive.ledger.readable()
    return Dossier(
        name=audit.subject,
        record=chain.subject,
        survey=record.survey if record else "",
        project=archive.project,
        created=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        verdict=audit.verdict,
        sentence=_sentence(audit),
        facts=record.facts if record else {},
        digest=made.digests.get("model", "") if made else "",
        packages=made.packages if made else {},
        parameters=made.ingredients.get("params", {}) if made else {},
        files={name: (file.sha256, file.size) for name, file in record.files.items()} if record else {},
        sites=tuple(_site(each) for _, each in chain.records("dataset")),
        steps=tuple(_step(chain, name, each) for name, each in chain.records() if each.made is not None),
        validation=tuple(_validation(chain, archive)),
        scores=tuple(_scores(own, evaluated)),
        per_class=evaluated.get(own, {}).get("per_class", {}),
        decisions=tuple(_decisions(chain, archive)),
        checks=tuple(audit.checks),
        head=Head(len(entries), entries[-1].hash if entries else ""),
        graph=draw_lineage(chain),
    )


def _sentence(audit: Audit) -> str:
    failed = [check for check in audit.checks if check.status == "failed"]
    skipped = [check for check in audit.checks if check.status == "not possible"]
    if failed:
        return f"{len(failed)} of {len(audit.checks)} checks failed. {failed[0].part}: {failed[0].finding}."
    if skipped:
        first = skipped[0]
        were = "was" if len(skipped) == 1 else "were"
        told = f"{first.part}, {first.name}: {first.finding}"
        return f"No check failed, but {len(skipped)} of {len(audit.checks)} {were} not possible. {told}."
    return f"All {len(audit.checks)} checks hold."


def _site(record: Record) -> SiteRow:
    size = sum(file.size for file in record.files.values())
    return SiteRow(record.name, record.subject, tuple(record.facts.get("scenes", ())), len(record.files), size)


def _step(chain: Chain, name: str, record: Record) -> StepRow:
    assert record.made is not None
    return StepRow(_time(chain, name), record.kind, record.name, name, record.made.commit or "none", record.made.dirty)


def _evaluated(chain: Chain, archive: Archive) -> tuple[str, Mapping[str, Any]]:
    """What the audited model is called in the last evaluation that can be read, and the metrics of all models in it.

    An adapted model is evaluated by the appraisal at its site.
    """
    for _, record in reversed(list(chain.records("evaluation", "appraise"))):
        if record.kind == "appraise":
            said = _evidence(record, "appraisal.json", archive)
            if said.get("here"):
                return "adapted", said["here"]
        elif said := _evidence(record, "metrics.json", archive):
            roles = [role for role, parent in record.inputs.items() if parent == chain.subject]
            return next((role.removeprefix("models/") for role in roles if role.startswith("models/")), ""), said
    return "", {}


def _evidence(record: Record, name: str, archive: Archive) -> dict[str, Any]:
    """What a file of a record says; nothing where it is not the one that was recorded: the checks tell of that."""
    try:
        content = locate(archive, record.files[name].path).read_bytes()
        found: dict[str, Any] = json.loads(content) if digest_bytes(content) == record.files[name].sha256 else {}
    except (OSError, ValueError, KeyError):
        return {}
    return found


def _scores(own: str, evaluated: Mapping[str, Any]) -> Iterator[ScoreRow]:
    for name, values in evaluated.items():
        if isinstance(values, Mapping) and "macro_f1" in values and name != "student":
            low, high = values["interval"]["macro_f1"]
            yield ScoreRow(name, {each: values[each] for each in TOLD}, (low, high), name == own)


def _validation(chain: Chain, archive: Archive) -> Iterator[str]:
    for _, record in chain.records("validation"):
        told = _evidence(record, "validation.json", archive)
        if not told:
            yield "the validation's result is not there as it was recorded"
            continue
        yield f"{told['passed']} of {told['checked']} expectations held"
        yield from (f"{each['severity']}: {each['where']}: {each['sentence']}" for each in told["findings"])


def _decisions(chain: Chain, archive: Archive) -> Iterator[DecisionRow]:
    for name, record in chain.records("promotion", "refusal", "decide"):
        facts = record.facts
        if record.kind == "decide":
            told = _evidence(record, "decision.json", archive)
            facts = {"verdict": told.get("outcome", ""), "by": "labels", "because": told.get("reason", "")}
        verdict, by, because = (str(facts.get(each, "")) for each in ("verdict", "by", "because"))
        signer = (facts.get("signer") or "unsigned")[:12]
        yield DecisionRow(_time(chain, name), record.kind, verdict, by, because, signer)


def _time(chain: Chain, name: str) -> str:
    """When a record was entered, to the minute."""
    entries = chain.lineage.entries
    return entries[name].time[:16].replace("T", " ") if name in entries else ""
