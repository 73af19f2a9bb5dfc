"""Checks of the registry against the ledger, and of MLflow's metrics against the recorded ones."""

import json
from collections.abc import Mapping
from typing import Any

from outcrop.record.archives import Archive
from outcrop.record.audits import Audit, Chain, locate
from outcrop.record.digests import digest_folder
from outcrop.record.ledger import Head, check_head
from outcrop.record.lineages import Lineage
from tasks.champions import HEAD, LENGTH, last_promotion
from tasks.tracking import CHAMPION, Registry, Version, flat

NO_REGISTRY = "there is no registry here"


def check_registry(audit: Audit, registry: Registry | None, archive: Archive, lineage: Lineage) -> None:
    """Every version has a record, every champion was promoted last, and the ledger is as long as was noted."""
    if registry is None:
        for name in ("versions", "champions", "served bytes", "ledger's head"):
            audit.skip("registry", name, NO_REGISTRY)
        return
    unknown, champions, heads = [], [], []
    served: dict[str, str | None] = {}
    for version in registry.versions():
        record = lineage.records.get(version.record or "")
        if record is None:
            unknown.append(f"version {version.version} of {version.name} was registered without a record")
        elif record.made is None or record.made.digests.get("model") != version.digest:
            unknown.append(f"version {version.version} of {version.name} is not the model of its record")
    entries = archive.ledger.readable()
    for name, notes in registry.notes().items():
        current, last = registry.aliased(name, CHAMPION), last_promotion(lineage, name)
        known = last.facts.get("version") if last else None
        if (current.version if current else None) != known:
            now, promoted = (f"version {each}" if each else "none" for each in (current and current.version, known))
            champions.append(
                f"the alias was moved behind the ledger's back: {name}@{CHAMPION} is {now}, promoted was {promoted}"
            )
        if current is not None:
            served[f"{name}/{current.version}"] = _served_fault(registry, current, lineage)
        if LENGTH in notes:
            heads += check_head(entries, Head(int(notes[LENGTH]), notes.get(HEAD, "")), "the registry")
        elif last is not None:
            heads.append(f"the registry does not say how long the ledger was when {name} was promoted")
    audit.ask("registry", "versions", unknown, "each has a record")
    audit.ask("registry", "champions", champions, "each is the one that was promoted last")
    if absent := [name for name, fault in served.items() if fault is None]:
        audit.skip("registry", "served bytes", f"the registry's files of {', '.join(absent)} are not on this machine")
    else:
        faults = [f"{name} {fault}" for name, fault in served.items() if fault]
        audit.ask("registry", "served bytes", faults, "champions are served as recorded")
    audit.ask("registry", "ledger's head", heads, "the ledger holds what it held at the last decision")


def _served_fault(registry: Registry, version: Version, lineage: Lineage) -> str | None:
    """What is wrong with the files that a version is served from; None where they are out of reach."""
    record = lineage.records.get(version.record or "")
    folder = registry.folder(version)
    if folder is None:
        return None
    known = record.made.digests.get("model") if record and record.made else None
    return "" if digest_folder(folder) == known else "is served from other bytes than were recorded"


def check_metrics(audit: Audit, chain: Chain, registry: Registry | None, archive: Archive) -> None:
    """What MLflow shows of an evaluation is what was recorded."""
    for _, record in chain.records("evaluation"):
        name, evidence = f"metrics of {record.name}", record.files.get("metrics.json")
        if registry is None:
            audit.skip("registry", name, NO_REGISTRY)
        elif evidence is None or not (path := locate(archive, evidence.path)).is_file():
            audit.skip("registry", name, "the recorded metrics are missing")
        elif (shown := registry.metrics(record.subject)) is None:
            audit.ask("registry", name, [f"run {record.subject} is gone from MLflow"])
        else:
            recorded = flat(json.loads(path.read_text(encoding="utf-8")))
            told = f"{len(recorded)} metrics in MLflow are the recorded ones"
            audit.ask("registry", name, _differences(recorded, shown), told)


def _differences(recorded: Mapping[str, float], shown: Mapping[str, float]) -> list[str]:
    changed: list[Any] = [name for name in recorded if shown.get(name) != recorded[name]]
    if not changed:
        return []
    first = changed[0]
    others = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
    return [f"MLflow shows {first} = {shown.get(first)}{others}, recorded is {recorded[first]}"]
