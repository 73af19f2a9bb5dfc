"""What the three training steps share: the material they start from, and keeping what they made."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType

from outcrop.learning.material import Material
from outcrop.learning.models import Model, load_model, save_model
from outcrop.learning.recipes import Trained
from outcrop.learning.training import EpochRecord, Progress
from outcrop.record.digests import digest_folder
from outcrop.survey.census import load_census
from tasks.jobs import Job
from tasks.progress import Progress as Bar
from tasks.steps import Reference, refer, results_of
from tasks.tracking import StepRun
from tasks.workspace import Workspace

#: Sections of the parameters that every training depends on.
SECTIONS = ("footprint", "labels", "patches", "augment", "train")
MODEL, HISTORY, MODEL_URI = "model", "history.json", "model_uri"


#: Trains a model from the material, telling of every epoch.
Recipe = Callable[[Material, Progress], Trained]


@dataclass(frozen=True)
class Training:
    """A step that trains: its name and key, whose rung, its sections of the parameters, and how many trainings long."""

    step: str
    key: str
    rung: str
    sections: Sequence[str]
    effort: float = 1.0


def gather(job: Job, validated: Reference) -> Material:
    """The material of a training or an evaluation."""
    census = load_census(validated.path(job.workspace))
    return Material.gather(job.survey.survey, job.sites, census, job.params, job.workspace.state / "work")


def train_and_keep(
    job: Job,
    training: Training,
    validated: Reference,
    recipe: Recipe,
    notes: Mapping[str, object] = MappingProxyType({}),
) -> dict[str, str]:
    """Run a recipe under a progress bar; keep the model and its curve, and tell MLflow of both, and of ``notes``."""
    material, name, key = gather(job, validated), training.step, training.key
    title = f"{name} {training.rung}"
    with job.tracker.step(job.parent, name, key, title) as run, results_of(job.workspace, name, key) as folder:
        role = material.role(material.rung(training.rung))
        with EpochBar(f"Training: {title}", job.params.train.epochs.of(role, training.effort)) as bar:
            trained = recipe(material, bar.tell)
        run.params({"rung": training.rung, **notes})
        _keep(trained, folder, run, job, training.sections)
    material.discard(key)
    return refer(job.workspace, name, key, run.run_id)


def _keep(trained: Trained, folder: Path, run: StepRun, job: Job, sections: Sequence[str]) -> None:
    save_model(trained.model, folder / MODEL)
    rows = [asdict(record) for record in trained.fitted.history]
    summary = {"history": rows, "best_epoch": trained.fitted.best_epoch, "seconds": trained.fitted.seconds}
    (folder / HISTORY).write_text(json.dumps(summary, indent=1))
    values = job.params.dump()
    run.params({name: values[name] for name in (*sections, "seed")})
    run.inputs(job.hashes)
    run.curve(rows)
    run.metrics({"best_epoch": trained.fitted.best_epoch, "training_seconds": trained.fitted.seconds})
    (folder / MODEL_URI).write_text(run.model(folder / MODEL, trained.model.config.role, trained.model.config))


class EpochBar(Bar):
    """A bar of epochs, with the validation score beside it."""

    def __init__(self, title: str, epochs: int) -> None:
        super().__init__(title, epochs)
        self._best = 0.0

    def tell(self, record: EpochRecord) -> None:
        """One more epoch is done."""
        self._best = max(self._best, record.val_macro_f1)
        self.advance(note=f"loss {record.loss:.3f}  val macro-F1 {record.val_macro_f1:.3f}  best {self._best:.3f}")


def read_model(reference: Reference, workspace: Workspace) -> Model:
    """The model of a training step."""
    return load_model(reference.path(workspace) / MODEL)


def model_digest(reference: Reference, workspace: Workspace) -> str:
    """Digest of the model itself: training it again gives the same, whatever the clock said."""
    return digest_folder(reference.path(workspace) / MODEL)


def read_history(reference: Reference, workspace: Workspace) -> list[dict[str, float]]:
    """The learning curve of a training step."""
    rows: list[dict[str, float]] = json.loads((reference.path(workspace) / HISTORY).read_text())["history"]
    return rows


def read_model_uri(reference: Reference, workspace: Workspace) -> str:
    """Where MLflow keeps a training step's model."""
    return (reference.path(workspace) / MODEL_URI).read_text()
