"""Step `control`: train a rung's network on labels alone, the yardstick of every claim about distillation."""

from outcrop.learning.recipes import train_on_labels
from tasks.jobs import Job
from tasks.learning import SECTIONS as SHARED
from tasks.learning import Training, train_and_keep
from tasks.steps import Reference, step

SECTIONS = (*SHARED, "student")


@step("control")
def control(job: Job, key: str, validated: Reference, rung: str) -> dict[str, str]:
    """Train on the labels of the training blocks."""
    training = Training("control", key, rung, SECTIONS)
    return train_and_keep(
        job, training, validated, lambda material, tell: train_on_labels(material.rung(rung), material, key, tell)
    )
