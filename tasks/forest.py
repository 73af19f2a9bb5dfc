"""Step `forest`: the reference that the networks must beat, on the student's sensors and on all."""

from outcrop.learning.evaluation import save_scores, score_forests
from tasks.jobs import Job
from tasks.learning import gather
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches", "teacher", "student", "forest", "evaluate")
SCORES = "scores.npz"


@step("forest")
def forest(job: Job, key: str, validated: Reference) -> dict[str, str]:
    """Train and score a random forest on the student's modalities and on the teacher's."""
    material = gather(job, validated)
    with job.tracker.step(job.parent, "forest", key) as run, results_of(job.workspace, "forest", key) as folder:
        rungs = {"student": material.modalities("student"), "all": material.modalities("teacher")}
        save_scores(folder / SCORES, score_forests(material, rungs))
        run.params(job.params.dump()["forest"])
    return refer(job.workspace, "forest", key, run.run_id)
