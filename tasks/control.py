"""Step `control`: train the student's network on labels alone, the yardstick of every claim."""

from functools import partial

from outcrop.learning.recipes import train_on_labels
from tasks.jobs import Job
from tasks.learning import SECTIONS as SHARED
from tasks.learning import train_and_keep
from tasks.steps import Reference, step

SECTIONS = (*SHARED, "student")


@step("control")
def control(job: Job, key: str, validated: Reference) -> dict[str, str]:
    """Train on the labels of the training blocks."""
    return train_and_keep(job, "control", key, validated, partial(train_on_labels, "student"), SECTIONS)
