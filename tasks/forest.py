"""Step `forest`: the reference that the networks must beat, on the student's sensors and on all."""

from collections.abc import Mapping

from outcrop.learning.evaluation import save_scores, score_forests
from tasks.jobs import Job
from tasks.learning import gather
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches", "forest", "evaluate")
SCORES = "scores.npz"


@step("forest")
def forest(job: Job, key: str, validated: Reference, rungs: Mapping[str, str]) -> dict[str, str]:
    """Train and score a random forest for each of ``rungs``, given by the names that their scores shall have."""
    material = gather(job, validated)
    with job.tracker.step(job.parent, "forest", key) as run, results_of(job.workspace, "forest", key) as folder:
        sensors = {name: material.rung(rung).modalities for name, rung in rungs.items()}
        save_scores(folder / SCORES, score_forests(material, sensors))
        run.params(job.params.dump()["forest"])
    return refer(job.workspace, "forest", key, run.run_id)
