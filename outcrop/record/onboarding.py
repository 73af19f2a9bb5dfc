"""The page of an onboarding: does the model work at the new site, what did the labels buy, where to label next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.record.drafts import write_whole
from outcrop.record.formats import Interval, Picture
from outcrop.record.pages import render_page


@dataclass(frozen=True)
class Climb:
    """A rung on labels that were left out. ``gain`` is over the rung chosen so far; missing for the first."""

    name: str
    nll: float
    accuracy: float
    gain: float | None
    error: float | None
    taken: bool


@dataclass(frozen=True)
class BandRow:
    """How far a band lies from the source sites, in standard deviations, with p-values; ``within`` the same class."""

    band: str
    overall: float
    overall_p: float
    within: float | None
    within_p: float | None


@dataclass(frozen=True)
class Place:
    """A place to label."""

    rank: int
    x: float
    y: float
    torn: str
    uncertainty: float
    diversity: float
    reachability: float


@dataclass(frozen=True)
class Measured:
    """A model at one place: overall accuracy and macro-F1, with their 95 % intervals where there are any."""

    model: str
    macro_f1: float
    macro_f1_interval: Interval | None
    accuracy: float
    accuracy_interval: Interval | None


@dataclass(frozen=True)
class Onboarding:
    """All of the page.

    Parameters
    ----------
    verdict : the decision and its reason
    remarks : what else a reader must know, in sentences
    here, sources : the source model and the adapted one on the test blocks of the site, and of the source sites
    draws : of labels, behind every point of the learning curve
    facts : by name, for the lineage
    """

    title: str
    created: str
    outcome: str
    verdict: str
    remarks: Sequence[str]
    accuracy: Mapping[str, float]
    needed: float
    confidence: float
    ladder: Sequence[Climb]
    shift: str
    bands: Sequence[BandRow]
    here: Sequence[Measured]
    sources: Sequence[Measured]
    places: Sequence[Place]
    curve: Picture | None
    draws: int
    map: Picture
    confusions: Sequence[Picture]
    facts: Mapping[str, Any]


def write_onboarding(page: Onboarding, path: Path) -> Path:
    """Write the page, whole or not at all, and return its path.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    return write_whole(path, render_page("onboarding.html", page=page), "report")
