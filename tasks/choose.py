"""Step `choose`: is the distilled student the one to use, or is its control? Decided on the validation blocks."""

import json
from dataclasses import asdict

from outcrop.learning.choices import Choice, choose_student
from outcrop.learning.evaluation import score_network
from tasks.jobs import Job
from tasks.learning import gather, read_model
from tasks.progress import CONSOLE
from tasks.steps import Reference, refer, results_of, step

SECTIONS = ("footprint", "patches", "evaluate")
CHOICE = "choice.json"


@step("choose")
def choose(job: Job, key: str, validated: Reference, control: Reference, distilled: Reference) -> dict[str, str]:
    """Keep the distilled student unless distillation hurts."""
    with job.tracker.step(job.parent, "choose", key) as run, results_of(job.workspace, "choose", key) as folder:
        material, params = gather(job, validated), job.params.evaluate
        with CONSOLE.status("Scoring the student and its control on the validation blocks"):
            scored = [score_network(material, read_model(made, job.workspace), "val") for made in (control, distilled)]
        choice = choose_student(*scored, draws=params.bootstrap, seed=job.params.seed)
        (folder / CHOICE).write_text(json.dumps(asdict(choice)))
        run.params({"kept": choice.kept})
        run.metrics({"gain": choice.gain})
    return refer(job.workspace, "choose", key, run.run_id)


def read_choice(reference: Reference, job: Job) -> Choice:
    """What the step decided."""
    values = json.loads((reference.path(job.workspace) / CHOICE).read_text())
    return Choice(**{**values, "interval": tuple(values["interval"])})
