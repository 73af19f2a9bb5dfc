"""Steps: what makes one current, where its results lie, and how a finished one is recognised.

A step's key is a digest of all that its result depends on. Prefect's task cache, keyed by it, holds a small
`Reference`; the results themselves are files. A cached reference counts only if those files are there and hash to what
it says.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.results import ResultStore, get_result_store
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from outcrop.learning.devices import device_kind
from outcrop.record.digests import digest_file, digest_folder
from outcrop.record.provenance import code_digest
from tasks.faults import is_for_a_person
from tasks.jobs import Job
from tasks.tracking import is_passing
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Reference:
    """What a finished step leaves behind: its key, its MLflow run, its folder, and the folder's digest.

    ``folder`` is relative to the workspace's state folder.
    """

    step: str
    key: str
    run_id: str
    folder: str
    digest: str

    def path(self, workspace: Workspace) -> Path:
        """The step's results."""
        return workspace.state / self.folder


@dataclass(frozen=True)
class Outcome:
    """A reference, and whether it was found rather than made."""

    reference: Reference
    cached: bool


def step_ingredients(job: Job, module: str, inputs: Mapping[str, Any], sections: Sequence[str]) -> dict[str, Any]:
    """A step's inputs, its sections of the parameters, digests of its code and of the lock file, seed and device.

    Their digest is the step's key.
    """
    values = job.params.dump()
    lock = job.workspace.root / "constraints.txt"
    return {
        "survey": job.survey.survey,
        "inputs": dict(inputs),
        "params": {name: values[name] for name in (*sections, "seed")},
        "code": code_digest(module),
        "lock": digest_file(lock) if lock.is_file() else None,
        "device": device_kind(),
    }


def _by_key(context: TaskRunContext, arguments: dict[str, Any]) -> str:
    """Prefect's cache key: the step's own."""
    return f"{context.task.name}-{arguments['key']}"


def _worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """A busy database or disk may answer the next time; what a person must mend will not mend itself."""
    failure = state.result(raise_on_failure=False)
    return is_passing(failure) or (isinstance(failure, OSError) and not is_for_a_person(failure))


#: A server that is started again is gone for about a minute.
RETRIED: dict[str, Any] = {
    "retries": 3,
    "retry_delay_seconds": [2, 10, 60],
    "retry_condition_fn": _worth_retrying,
}


def step(name: str) -> Any:
    """Decorator of a function (job, key, ...) -> reference that makes it a cached, retried Prefect task."""
    return task(name=name, cache_key_fn=_by_key, persist_result=True, result_serializer="json", **RETRIED)


def uncached(name: str) -> Any:
    """Decorator of a function that makes it a retried Prefect task; what it makes is quick, or found by other means."""
    return task(name=name, cache_policy=NO_CACHE, **RETRIED)


def run_step(step: Task[..., Any], job: Job, key: str, **inputs: Any) -> Outcome:
    """Run a step, or find it done; a stored result that is gone or altered is made again."""
    altered = not _is_sound(step, f"{step.name}-{key}", job)
    # Quoted: Prefect need not look through all of it for results of other tasks.
    state = step.with_options(refresh_cache=altered)(job=quote(job), key=key, **inputs, return_state=True)
    return Outcome(Reference(**state.result()), cached=state.name == "Cached")


def _is_sound(step: Task[..., Any], cache_key: str, job: Job) -> bool:
    """Whether what Prefect's cache holds under a key, if anything, can be believed."""
    # Prefect's types do not say that it gives the store itself where nothing is awaited.
    store = cast(ResultStore, get_result_store().update_for_task(step))
    if not store.exists(cache_key):
        return True
    try:
        stored = Reference(**store.read(cache_key).result)
    except (ValueError, TypeError):  # a record cut short, or written by another version
        return False
    return _is_whole(stored, job.workspace) and job.tracker.holds(stored.run_id)


def _is_whole(reference: Reference, workspace: Workspace) -> bool:
    path = reference.path(workspace)
    return path.is_dir() and digest_folder(path) == reference.digest


@contextmanager
def results_of(workspace: Workspace, step: str, key: str) -> Iterator[Path]:
    """A folder to write a step's results into; it takes its place when the block ends well, else it goes."""
    final = results_folder(workspace, step, key)
    partial = final.with_name(final.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    shutil.rmtree(final, ignore_errors=True)
    partial.rename(final)


def results_folder(workspace: Workspace, step: str, key: str) -> Path:
    """Where a step's results lie."""
    return workspace.state / "steps" / f"{step}-{key[:16]}"


def refer(workspace: Workspace, step: str, key: str, run_id: str) -> dict[str, str]:
    """The reference to a step's results, as plain values."""
    folder = results_folder(workspace, step, key)
    relative = folder.relative_to(workspace.state).as_posix()
    return asdict(Reference(step, key, run_id, relative, digest_folder(folder)))
