"""The dates of a site in the archive: the time series is what was recorded, and nothing else keeps it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.field.series import Moment
from outcrop.record.lineages import Lineage
from tasks.records import archive_of, keep
from tasks.workspace import Workspace

MONITORING = "monitoring"


@dataclass(frozen=True)
class Kept:
    """A date as it was recorded."""

    record: str
    subject: str
    facts: Mapping[str, Any]

    @property
    def moment(self) -> Moment:
        """What the series needs of it."""
        return Moment.of(self.facts)


def kept_dates(workspace: Workspace, survey: str, site: str) -> list[Kept]:
    """The dates of a site, oldest first; of one that was recorded again the last, and none that rests on a retraction.

    Raises
    ------
    RecordError : a line of the ledger is damaged.
    """
    archive = archive_of(workspace)
    if not archive.exists:
        return []
    lineage, found = Lineage(archive), {}
    for name in lineage.of_kind(MONITORING):
        record = lineage.records[name]
        if (record.survey, record.name) == (survey, site) and not lineage.retracted(name):
            found[record.facts["scene"]] = Kept(name, record.subject, record.facts)
    return sorted(found.values(), key=lambda each: (each.facts["acquired"], each.facts["scene"]))


def keep_date(
    workspace: Workspace,
    survey: str,
    subject: str,
    facts: Mapping[str, Any],
    inputs: Mapping[str, str],
    evidence: Mapping[str, Path],
) -> str:
    """Record a date; gives its record."""
    return keep(workspace, survey, MONITORING, facts["site"], subject, inputs=inputs, evidence=evidence, facts=facts)
