"""Estimate what the rock of a map could take up. Nothing here imports a workflow tool, or torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.errors import DataError, WorkspaceError
from outcrop.field.carbon.estimates import SCREENING, Estimate, check_given, estimate
from outcrop.field.carbon.fractions import Confusion, read_confusion
from outcrop.field.carbon.mapped import Counts, Mapped, open_map, read_regions
from outcrop.field.carbon.profiles import Profile, load_profile
from outcrop.field.carbon.uptake import Given
from outcrop.record.digests import digest_bytes, digest_file
from tasks.progress import Progress
from tasks.records import keep
from tasks.workspace import find_workspace

WHOLE = "whole map"
#: What is written behind an estimate, by the quantity of its profile.
UNITS = {"capacity": "t CO2", "rate": "t CO2 a year", "index": "index without unit"}
SEED = 7


@dataclass(frozen=True)
class Asked:
    """What to estimate, of which regions, and with which knowledge that the map lacks."""

    profile: str
    given: Given
    regions: Path | None = None
    region_name: str | None = None
    confusion: Path | None = None
    cell_m: float | None = None


def carbon(folder: Path, asked: Asked, output: Path | None, where: Path) -> dict[str, Any]:
    """Estimate the uptake of a map; gives what was written to ``output`` (default: into the map), and where.

    Raises
    ------
    OutcropError : the map, the profile or an input cannot be used; nothing is written then.
    """
    profile = load_profile(asked.profile)
    check_given(profile, asked.given)
    mapped = open_map(folder.resolve())
    confusion = _confusion(mapped, asked)
    cell_m2 = asked.cell_m**2 if asked.cell_m else mapped.cell_m2
    regions = read_regions(asked.regions, asked.region_name, mapped.crs) if asked.regions else {}
    counts = {WHOLE: mapped.count_all(), **mapped.count(regions)}
    found = _estimate_all(profile, asked.given, confusion, counts, cell_m2)
    told = _told(mapped, profile, asked, found)
    path = (output or folder / f"carbon-{profile.profile}.json").resolve()
    try:
        path.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        raise WorkspaceError(f"the estimate cannot be written: {reason}", where=path, remedy="choose -o") from cause
    return {**told, "record": _record(mapped, told, path, where), "estimate": str(path)}


def _confusion(mapped: Mapped, asked: Asked) -> Confusion:
    if asked.confusion is not None:
        try:
            told = json.loads(asked.confusion.read_text(encoding="utf-8"))
        except (OSError, ValueError) as cause:
            raise DataError(
                "the confusion matrix cannot be read", where=asked.confusion, remedy="check the file"
            ) from cause
        found: Confusion | None = read_confusion(told, asked.confusion)
    else:
        found = mapped.confusion
    if found is None:
        raise DataError(
            "the map does not say how often its model errs",
            where=mapped.folder,
            remedy="map with a model that was evaluated, or give its confusion matrix with --confusion",
        )
    if found.classes != mapped.classes:
        raise DataError(
            "the confusion matrix is of other classes than the map",
            where=asked.confusion or mapped.folder,
            remedy=f"give one of {', '.join(mapped.classes)}",
        )
    return found


def _estimate_all(
    profile: Profile, given: Given, confusion: Confusion, counts: Mapping[str, Counts], cell_m2: float | None
) -> dict[str, Estimate]:
    found = {}
    with Progress("Estimating", len(counts)) as bar:
        for name, cells in counts.items():
            found[name] = estimate(profile, given, confusion, cells, cell_m2, SEED)
            bar.advance(1, note=name)
    return found


def _told(mapped: Mapped, profile: Profile, asked: Asked, found: Mapping[str, Estimate]) -> dict[str, Any]:
    given = asked.given
    return {
        "screening": SCREENING,
        "map": {
            "name": mapped.name,
            "acquired": mapped.acquired,
            "model": mapped.model,
            "sha256": digest_file(mapped.raster),
        },
        "profile": profile.model_dump(mode="json"),
        "pathway": None if profile.quantity == "index" else given.pathway.value,
        "unit": UNITS[profile.quantity],
        "years": given.years if profile.quantity == "rate" else None,
        "feedstock": list(given.feedstock),
        "inputs": {name: one.model_dump() for name, one in given.quantities.items()},
        "regions": {name: each.told() for name, each in found.items()},
    }


def _record(mapped: Mapped, told: Mapping[str, Any], path: Path, where: Path) -> str | None:
    """The record of the estimate; None outside of a workspace."""
    try:
        workspace = find_workspace(where)
    except WorkspaceError:
        return None
    facts = {name: told[name] for name in ("screening", "map", "pathway", "unit", "feedstock", "inputs")}
    facts["regions"] = {
        name: {key: each[key] for key in ("gross", "net", "area_m2")} for name, each in told["regions"].items()
    }
    subject = digest_bytes(path.read_bytes())
    survey = mapped.survey or "unknown"
    return keep(workspace, survey, "carbon", mapped.name, subject, evidence={path.name: path}, facts=facts)
