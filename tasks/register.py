"""Task `register`: teacher, assistants and student become versions of registered models, once."""

from collections.abc import Mapping
from dataclasses import dataclass

from tasks.decide import read_decision
from tasks.jobs import Job
from tasks.learning import model_digest, read_model_uri
from tasks.records import record_of
from tasks.steps import Reference, uncached


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and the digest of the model itself."""

    role: str
    uri: str
    digest: str


@uncached("register")
def register(job: Job, models: Mapping[str, Reference]) -> list[Registered]:
    """Register each model as `<survey>-<role>`; one that has a version already keeps it."""
    return [_register(job, role, made) for role, made in models.items()]


@uncached("register-adapted")
def register_adapted(job: Job, site: str, adapted: Reference, decided: Reference) -> str | None:
    """Register a student that was adapted to a site as `<survey>-student-<site>`; None where it was not adopted."""
    if read_decision(decided, job)["outcome"] != "adopt":
        return None
    return _register(job, f"student-{site}", adapted).uri


def _register(job: Job, role: str, made: Reference) -> Registered:
    digest, record = model_digest(made, job.workspace), record_of(job.workspace, made.run_id)
    uri = job.tracker.register(f"{job.survey.survey}-{role}", read_model_uri(made, job.workspace), digest, record)
    return Registered(role, uri, digest)
