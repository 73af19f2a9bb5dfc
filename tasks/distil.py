"""Step `distil`: train a rung's model on labels and on what its guides say of labelled and unlabelled patches."""

from collections.abc import Sequence

from outcrop.learning.distillation import Lesson, train_by_distillation
from tasks.jobs import Job
from tasks.learning import SECTIONS as SHARED
from tasks.learning import Training, train_and_keep
from tasks.steps import Reference, step

SECTIONS = (*SHARED, "student", "distil")


@step("distil")
def distil(
    job: Job,
    key: str,
    validated: Reference,
    rung: str,
    guides: Sequence[Reference],
    effort: float = 1.0,
    shuffled: bool = False,
) -> dict[str, str]:
    """Distil what the steps ``guides`` kept; see `outcrop.learning.distillation.Lesson` for the rest."""
    folders = [guide.path(job.workspace) for guide in guides]
    training = Training("distil", key, rung, SECTIONS, effort)
    return train_and_keep(
        job,
        training,
        validated,
        lambda material, tell: train_by_distillation(
            folders, Lesson(material.rung(rung), effort, shuffled), material, key, tell
        ),
        {"guides": len(guides), "effort": effort, "shuffled": shuffled},
    )
