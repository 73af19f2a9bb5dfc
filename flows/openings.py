"""What every flow that trains on a survey begins with."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from outcrop.errors import WorkspaceError
from outcrop.learning.rungs import Rung, chain_of, dropped
from outcrop.learning.spaces import space_of
from outcrop.params import Params
from outcrop.survey.expectations import read_suites
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import Site, read_site
from outcrop.survey.surveys import Survey, load_survey
from tasks.data import ensure_sites
from tasks.progress import say
from tasks.workspace import Workspace


class BusyError(WorkspaceError):
    """Somebody else is at it."""


@contextmanager
def alone(
    workspace: Workspace, path: Path, overrides: Mapping[str, Any], *, searches: bool = False, wait: bool = False
) -> Iterator[None]:
    """Check what can be checked before any server is started, then hold the lock of the survey whose file is ``path``.

    Flows that train share steps: two at a time would mix their results.

    Parameters
    ----------
    searches : the flow searches parameters, whatever `search.enabled` says
    wait : wait for another run to end instead of refusing

    Raises
    ------
    SurveyError, ParamsError : the survey, its expectations, its rungs or what is to be searched cannot be used.
    BusyError : another run on the survey is under way.
    """
    survey, params = load_survey(path, workspace.params, overrides)
    read_suites(workspace.root / survey.expectations)
    chain_of(params.distil.rungs, survey.modalities)
    if searches or params.search.enabled:
        space_of(params)
    for name in dropped(params.distil.rungs, survey.modalities):
        say(f"no rung {name}: the survey lacks a modality of it")
    file, otherwise = workspace.state / f"train-{survey.survey}.lock", "another run on this survey is under way"
    with held(file, otherwise, path, wait=wait):
        yield


@contextmanager
def held(file: Path, otherwise: str, where: object, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock.

    Raises
    ------
    BusyError : somebody else does, and it is not to be waited for; it says ``otherwise``.
    """
    lock = FileLock(file)
    try:
        lock.acquire(timeout=-1 if wait else 0)
    except Timeout as cause:
        raise BusyError(otherwise, where=where, remedy="wait until it ends") from cause
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True)
class Opened:
    """A survey with its parameters, its sites and their DVC hashes, and the rungs that its scenes have rasters for."""

    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    hashes: dict[str, str]
    rungs: tuple[Rung, ...]


def open_survey(workspace: Workspace, path: Path, overrides: Mapping[str, Any]) -> Opened:
    """Read a survey, and ingest those of its sites that are missing."""
    survey, params = load_survey(path, workspace.params, overrides)
    hashes = ensure_sites(workspace, survey, params, say)
    sites = with_roles((read_site(workspace.sites / name) for name in survey.sites), params.sites)
    rungs = chain_of(params.distil.rungs, sites[0].scenes[0].rasters)
    return Opened(survey, params, sites, hashes, rungs)
