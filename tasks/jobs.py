"""A job: what every step of one flow run is about."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from outcrop.learning.devices import device_kind
from outcrop.params import Params
from outcrop.record.digests import digest_file, digest_files, digest_value
from outcrop.record.provenance import Commit, code_digest, read_commit
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey
from tasks.tracking import SITE, Tracker
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Job:
    """One survey with its parameters and sites (and their DVC hashes), and where its results go.

    ``parent`` is the MLflow run of the flow, under which every step's run is nested.
    """

    workspace: Workspace
    survey: Survey
    params: Params
    sites: tuple[Site, ...]
    hashes: Mapping[str, str]
    tracker: Tracker
    parent: str
    flow_key: str
    commit: Commit


@contextmanager
def open_job(
    workspace: Workspace,
    survey: Survey,
    params: Params,
    sites: tuple[Site, ...],
    hashes: Mapping[str, str],
    *,
    flow: str,
    steps: Sequence[str],
    about: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Job]:
    """Begin the flow's run, or take up the one with the same key; it ends FINISHED or FAILED.

    ``steps`` are the task modules whose code decides what the flow gives; ``about`` are digests of what else does.
    """
    tracker = Tracker.open(workspace, survey.survey)
    key = _flow_key(workspace, survey, params, {**hashes, **about}, flow, steps)
    commit = read_commit(workspace.root)
    tags = {
        "mlflow.source.git.commit": commit.sha or "none",
        "dirty": str(commit.dirty).lower(),
        "device": device_kind(),
        **{f"{SITE}{site}": digest for site, digest in hashes.items()},
        **{f"outcrop.{name}": digest for name, digest in about.items()},
    }
    parent = tracker.parent(key, f"{flow} {survey.survey}", tags)
    try:
        yield Job(workspace, survey, params, sites, hashes, tracker, parent, key, commit)
    except BaseException:
        tracker.close(parent, "FAILED")
        raise
    tracker.close(parent, "FINISHED")


def _flow_key(
    workspace: Workspace, survey: Survey, params: Params, hashes: Mapping[str, str], flow: str, steps: Sequence[str]
) -> str:
    """Digest of all that a run depends on: the same key means the same run, whenever it is started."""
    lock = workspace.root / "constraints.txt"
    return digest_value(
        {
            "survey": survey.model_dump(mode="json"),
            "params": {name: values for name, values in params.dump().items() if name != "serve"},
            "data": dict(hashes),
            "expectations": expectations_digest(workspace, survey),
            "flow": flow,
            "code": [code_digest(f"tasks.{name}") for name in steps],
            "lock": digest_file(lock) if lock.is_file() else None,
            "device": device_kind(),
        }
    )


def expectations_digest(workspace: Workspace, survey: Survey) -> str:
    """Digest of the files that say what is expected of the survey's data."""
    folder = workspace.root / survey.expectations
    return digest_files(folder.glob("*.yaml"), folder)
