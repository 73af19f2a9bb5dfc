"""Step `distil`: train the student on labels and on what the teacher says of labelled and unlabelled patches."""

from functools import partial

from outcrop.learning.recipes import train_by_distillation
from tasks.jobs import Job
from tasks.learning import SECTIONS as SHARED
from tasks.learning import read_model, train_and_keep
from tasks.steps import Reference, step

SECTIONS = (*SHARED, "student", "distil")


@step("distil")
def distil(job: Job, key: str, validated: Reference, taught: Reference) -> dict[str, str]:
    """Distil the teacher of the step ``taught`` into a student."""
    teacher = read_model(taught, job.workspace)
    return train_and_keep(job, "distil", key, validated, partial(train_by_distillation, teacher), SECTIONS)
