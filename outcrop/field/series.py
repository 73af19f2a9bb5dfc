"""The dates of a site as they were recorded: what was estimated then, and what had changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from outcrop.errors import DataError
from outcrop.field.carbon.estimates import Range


@dataclass(frozen=True)
class Moment:
    """One date of a site.

    Parameters
    ----------
    unit : of the uptake; moments of another unit, or another profile, are not comparable
    uptake : net where losses and emissions were given, else gross
    changed : whether feedstock turned into products since the date before; None where that was not told
    drift : its kind, see `outcrop.field.watched`
    model : digest
    """

    scene: str
    acquired: date
    profile: str
    unit: str
    uptake: Range
    changed: bool | None
    drift: str
    model: str

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> "Moment":
        """From the facts of its record."""
        change = facts["change"]
        return cls(
            facts["scene"],
            date.fromisoformat(facts["acquired"]),
            facts["profile"],
            facts["unit"],
            Range(**(facts["net"] or facts["gross"])),
            change.get("alarm"),
            facts["drift"]["kind"],
            facts["model"],
        )


def before(series: Sequence[Moment], scene: str, acquired: date, site: str) -> list[Moment]:
    """The moments before a scene, which must be the newest.

    Raises
    ------
    DataError : a later one was recorded.
    """
    others = [each for each in series if each.scene != scene]
    if late := [each for each in others if each.acquired > acquired]:
        raise DataError(
            f"the dates are out of order: scene {scene} is of {acquired}, but {late[-1].acquired} was recorded already",
            where=f"site {site}",
            remedy="monitor scenes in the order of their dates, or retract the later record",
        )
    return others


def comparable(series: Sequence[Moment], last: Moment) -> list[Moment]:
    """Those that can be drawn on one axis with the last one."""
    return [each for each in series if (each.profile, each.unit) == (last.profile, last.unit)]
