"""What people decide of models and sites: promote one in spite of the gate, go back to the last, take a site back."""

from typing import Any

from outcrop.errors import RecordError
from outcrop.record.lineages import DECISIONS, Lineage
from outcrop.record.records import Record
from tasks.audit import find_subject
from tasks.champions import Decision, crown, settled_champion
from tasks.records import archive_of, keep
from tasks.tracking import CHAMPION, Registry, Version
from tasks.workspace import Workspace


def promote_by_hand(workspace: Workspace, model: str, because: str) -> Decision:
    """Make a model champion, whatever the gate says of it.

    Raises
    ------
    RecordError : there is no such model, it has no record, or it was retracted.
    """
    because = _reason(because)
    lineage, registry = Lineage(archive_of(workspace)), Registry.require(workspace)
    record, called = find_subject(workspace, lineage, registry, model)
    version = _registered(registry, record, called)
    if gone := lineage.retracted(record):
        why = gone.facts["because"]
        raise RecordError(f"{called} rests on {gone.name}, which was retracted: {why}", remedy="train another one")
    return _crown(workspace, lineage, registry, version, {"by": "person", "because": because, "reason": because})


def roll_back(workspace: Workspace, name: str, because: str) -> Decision:
    """Make the champion of before the champion again; those that were retracted are passed over.

    Raises
    ------
    RecordError : there was none before, or the registry and the ledger disagree.
    """
    lineage, registry = Lineage(archive_of(workspace)), Registry.require(workspace)
    full = find_name(lineage, name)
    current = settled_champion(workspace, registry, full)
    before = _reign_before(lineage, full, current)
    if current is None or before is None:
        raise RecordError(
            f"{full} has no champion of before", remedy="choose with `outcrop promote MODEL --because ...`"
        )
    reason = because.strip() or f"version {current.version} was rolled back"
    facts = {"by": "rollback", "because": reason, "reason": reason}
    version = registry.version(full, before.facts["version"])
    if version is None:
        raise RecordError(f"version {before.facts['version']} of {full} is gone from the registry", remedy="restore it")
    return _crown(workspace, lineage, registry, version, facts)


def _reign_before(lineage: Lineage, name: str, current: Version | None) -> Record | None:
    """The promotion that the reigning champion took over from, walking back over rollbacks."""
    stack: list[Record] = []
    for each in lineage.of_kind("promotion"):
        record = lineage.records[each]
        if record.name != name:
            continue
        if record.facts["by"] == "rollback":
            while stack and stack[-1].facts["version"] != record.facts["version"]:
                stack.pop()
        else:
            stack.append(record)
    earlier = [record for record in stack[:-1] if not lineage.retracted(record.inputs["challenger"])]
    return earlier[-1] if earlier else None


def _crown(
    workspace: Workspace, lineage: Lineage, registry: Registry, version: Version, facts: dict[str, Any]
) -> Decision:
    if version.record is None:
        raise RecordError(f"version {version.version} of {version.name} was registered without a record")
    champion = registry.aliased(version.name, CHAMPION)
    if champion == version:
        raise RecordError(f"{version.name}/{version.version} is the champion already")
    inputs = {"challenger": version.record}
    inputs |= {"champion": champion.record} if champion and champion.record else {}
    survey = lineage.records[version.record].survey
    return crown(workspace, survey, registry, version, inputs, {**facts, "verdict": "promoted"})


def retract(workspace: Workspace, what: str, because: str) -> dict[str, Any]:
    """Take a site, a scene's site, a model or any record back: everything made from it is marked.

    Raises
    ------
    RecordError : nothing of the name was recorded, or no reason is given.
    """
    because = _reason(because)
    lineage = Lineage(archive_of(workspace))
    found = find_records(lineage, what)
    subject = "+".join(sorted(record[:16] for record in found))
    kept = keep(
        workspace,
        lineage.records[found[0]].survey,
        "retraction",
        what,
        subject,
        inputs={f"retracted/{place}": record for place, record in enumerate(found, 1)},
        facts={"because": because},
    )
    registry = Registry.open(workspace)
    downstream = made_from(Lineage(archive_of(workspace)), registry, found)
    served = champions_among(registry, {row["record"] for row in downstream} | set(found))
    return {"retracted": what, "because": because, "record": kept, "downstream": downstream, "champions": served}


def lineage_of(workspace: Workspace, what: str) -> dict[str, Any]:
    """What was made from a site, a scene or a record.

    Raises
    ------
    RecordError : nothing of the name was recorded.
    """
    lineage, registry = Lineage(archive_of(workspace)), Registry.open(workspace)
    found = find_records(lineage, what)
    downstream = made_from(lineage, registry, found)
    served = champions_among(registry, {row["record"] for row in downstream} | set(found))
    return {"of": what, "records": found, "downstream": downstream, "champions": served}


def find_records(lineage: Lineage, what: str) -> list[str]:
    """The records of a site, a scene (`site/scene`, or its name alone), or one that begins with these characters.

    Raises
    ------
    RecordError : nothing of the name was recorded, or it was recorded of several things.
    """
    sites = lineage.of_kind("dataset")
    found = [name for name in sites if lineage.records[name].name == what]
    if not found:
        found = [name for name in sites if _has_scene(lineage.records[name], what)]
        if len({lineage.records[name].name for name in found}) > 1:
            names = ", ".join(sorted(f"{lineage.records[name].name}/{what}" for name in found))
            raise RecordError(f"several sites have a scene {what}", remedy=f"name one of {names}")
    if not found and len(what) >= 6:
        found = [name for name in lineage.records if name.startswith(what)]
    if not found:
        known = ", ".join(sorted({lineage.records[name].name for name in sites}))
        raise RecordError(f"nothing was recorded of {what}", remedy=f"name a site ({known}), a scene or a record")
    return found


def _has_scene(site: Record, what: str) -> bool:
    scenes = site.facts.get("scenes", [])
    return what in scenes or (what.startswith(f"{site.name}/") and what.removeprefix(f"{site.name}/") in scenes)


def made_from(lineage: Lineage, registry: Registry | None, records: list[str]) -> list[dict[str, Any]]:
    """What was made from any of some records, oldest first, and what it is registered as; decisions are left out."""
    registered = {each.record: f"{each.name}/{each.version}" for each in registry.versions()} if registry else {}
    rows = []
    for name in lineage.descendants(records):
        record = lineage.records.get(name)
        if record is not None and record.kind not in DECISIONS:
            row = {"kind": record.kind, "name": record.name, "survey": record.survey, "record": name}
            entered, gone = lineage.entries[name].time, lineage.retracted(name) is not None
            rows.append({**row, "registered": registered.get(name), "time": entered, "retracted": gone})
    return rows


def champions_among(registry: Registry | None, records: set[str]) -> list[str]:
    """The champions that are made of some records."""
    if registry is None:
        return []
    champions = [registry.aliased(name, CHAMPION) for name in registry.notes()]
    return [f"{each.name}/{each.version}" for each in champions if each and each.record in records]


def find_name(lineage: Lineage, name: str) -> str:
    """The full name of a registered model that was promoted once; the survey may be left out where there is one.

    Raises
    ------
    RecordError : there is none of the name, or there are several.
    """
    known = sorted({lineage.records[each].name for each in lineage.of_kind("promotion")})
    found = [each for each in known if each == name or each.endswith(f"-{name}")]
    if len(found) != 1:
        what = f"there are several: {', '.join(found)}" if found else f"no {name} was ever promoted"
        raise RecordError(what, remedy=f"name one of {', '.join(known)}" if known else "train with `outcrop retrain`")
    return found[0]


def _registered(registry: Registry, record: str, called: str) -> Version:
    found = next((version for version in registry.versions() if version.record == record), None)
    if found is None:
        raise RecordError(f"{called} is not registered", remedy="name a registered model, such as student/2")
    return found


def _reason(because: str) -> str:
    if not because.strip():
        raise RecordError("no reason is given", where="--because", remedy="say why: it is recorded")
    return because.strip()
