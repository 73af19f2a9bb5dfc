"""Task `register`: teacher, assistants and student become versions of registered models, once."""

from collections.abc import Mapping
from dataclasses import dataclass

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.decide import read_decision
from tasks.jobs import Job
from tasks.learning import model_digest, read_model_uri
from tasks.records import record_of
from tasks.steps import Reference


@dataclass(frozen=True)
class Registered:
    """A version of a registered model, and the digest of the model itself."""

    role: str
    uri: str
    digest: str


@task(name="register", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=2)
def register(job: Job, models: Mapping[str, Reference]) -> list[Registered]:
    """Register each model as `<survey>-<role>`; one that has a version already keeps it."""
    registered = []
    for role, made in models.items():
        name = f"{job.survey.survey}-{role}"
        digest = model_digest(made, job.workspace)
        uri = job.tracker.register(
            name, read_model_uri(made, job.workspace), digest, record_of(job.workspace, made.run_id)
        )
        registered.append(Registered(role, uri, digest))
    return registered


@task(name="register-adapted", cache_policy=NO_CACHE, retries=3, retry_delay_seconds=2)
def register_adapted(job: Job, site: str, adapted: Reference, decided: Reference) -> str | None:
    """Register a student that was adapted to a site as `<survey>-student-<site>`; None where it was not adopted."""
    if read_decision(decided, job)["outcome"] != "adopt":
        return None
    uri, digest = read_model_uri(adapted, job.workspace), model_digest(adapted, job.workspace)
    return job.tracker.register(f"{job.survey.survey}-student-{site}", uri, digest)
