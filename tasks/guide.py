"""Step `guide`: what a teacher or an assistant says of the training cells, computed once for all that it teaches."""

from outcrop.learning.distillation import write_guide
from tasks.jobs import Job
from tasks.learning import gather, read_model
from tasks.progress import CONSOLE
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "labels", "patches")


@step("guide")
def guide(job: Job, key: str, validated: Reference, made: Reference) -> dict[str, str]:
    """Keep the outputs of the model of the step ``made``."""
    with job.tracker.step(job.parent, "guide", key) as run, results_of(job.workspace, "guide", key) as folder:
        model = read_model(made, job.workspace)
        with CONSOLE.status(f"Running the {model.config.role} over the training cells"):
            write_guide(model, gather(job, validated), folder)
        run.params({"of": made.run_id})
    return refer(job.workspace, "guide", key, run.run_id)
