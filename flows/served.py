"""The flows as a server starts them: given plain values, in the workspace around the folder where they are started.

What they import is heavy: a process that only wants to know them must not pay for it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from outcrop.errors import RecordError
from outcrop.record.digests import digest_value
from tasks.announce import PROMOTION, announce
from tasks.workspace import Workspace, find_workspace

WAITED_FOR = "another run waits already, and will see what this one would"
SUPERFLUOUS: State[Any] = Completed(name="Superfluous", message=WAITED_FOR)


@flow
def retrain(survey: str, changes: dict[str, Any] | None = None) -> Any:
    """Validate, train, measure, register and report; ``changes`` are parameters that differ this once."""
    workspace = here()
    from flows.retrain import retrain as steps

    path, overrides = workspace.root / survey, changes or {}
    with in_turn(workspace, path, overrides) as mine:
        if not mine:
            return SUPERFLUOUS
        result = steps.fn(workspace.root, path, overrides)
    decision = result["promotion"]
    if decision["verdict"] == "promoted":
        announce(PROMOTION, result["survey"], model=result["models"]["student"], reason=decision["reason"])
    return told(f"student {decision['verdict']}: {decision['reason']}; report: {result['report']}")


@flow
def monitor(
    survey: str,
    site: str,
    model: str = "student@champion",
    scene: str | None = None,
    changes: dict[str, Any] | None = None,
) -> Any:
    """Look at the newest scene of a site: what its rock could take up, what has changed, what has drifted."""
    workspace = here()
    from flows.monitor import Asked, run_monitor
    from tasks.bulletin import sentences

    result = run_monitor(workspace, workspace.root / survey, changes or {}, Asked(site, model, scene))
    return told(f"{' '.join(sentences(result).values())} Report: {result['report']}")


@flow
def onboard(
    survey: str,
    site: str,
    labels: str,
    model: str = "student@champion",
    allow_new_classes: bool = False,
    changes: dict[str, Any] | None = None,
) -> Any:
    """Adapt a student to a new site; ``labels`` is a file of points, relative to the workspace."""
    workspace = here()
    from flows.onboard import Asked, check_asked
    from flows.onboard import onboard as steps
    from outcrop.survey.surveys import load_survey

    path, overrides = workspace.root / survey, changes or {}
    asked = Asked(site, workspace.root / labels, model, allow_new_classes)
    check_asked(*load_survey(path, workspace.params, overrides), asked, path)
    with in_turn(workspace, path, overrides, site, labels, model) as mine:
        if not mine:
            return SUPERFLUOUS
        result = steps.fn(workspace.root, path, overrides, asked)
    return told(f"{result['outcome']}: {result['reason']}; report: {result['report']}")


@flow
def audit(survey: str, model: str) -> Any:
    """Ask everything that can be asked of a model; fails where a check failed."""
    workspace = here()
    from flows.audit import run_audit

    result = run_audit(workspace, model)
    if result["verdict"] == "failed":
        raise RecordError(result["sentence"].rstrip("."), where=result["page"], remedy="look at the page")
    return told(f"{result['model']}: {result['sentence']} page: {result['page']}")


@flow
def watch(survey: str) -> Any:
    """Look whether there are data that the last retraining did not see, or could not use, and announce it."""
    workspace = here()
    from flows.openings import BusyError
    from flows.watch import run_watch

    try:
        sighting = run_watch(workspace, workspace.root / survey)
    except BusyError as error:
        return told(f"did not look: {error}")
    if sighting.event:
        announce(sighting.event, sighting.survey, reason=sighting.reason)
    return told(sighting.reason)


def told(message: str) -> State[Any]:
    """The state of a run that ended well, with what there is to say of it."""
    return Completed(message=message)


def here() -> Workspace:
    """The workspace that this process was started in, ready to be written to."""
    workspace = find_workspace(Path.cwd())
    workspace.prepare()
    return workspace


@contextmanager
def in_turn(workspace: Workspace, path: Path, overrides: Mapping[str, Any], *asked: str) -> Iterator[bool]:
    """Wait until no other run trains on the survey; False at once where another that was asked the same waits already.

    Raises
    ------
    SurveyError, ParamsError : the survey or its parameters cannot be used.
    """
    from flows.openings import alone

    queue = FileLock(workspace.state / f"wait-{digest_value([str(path), dict(overrides), asked])[:16]}.lock")
    try:
        queue.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        with alone(workspace, path, overrides, wait=True):
            queue.release()
            yield True
    finally:
        queue.release()
