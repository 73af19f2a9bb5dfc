"""Task `trial`: train one candidate's student, and score it on the validation blocks; what a search does many times."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed

from outcrop.learning.distillation import Lesson, train_by_distillation
from outcrop.learning.material import Material
from outcrop.learning.trials import Measured, Outcome, Trial, Workers
from outcrop.params import Params
from outcrop.record.digests import digest_value
from outcrop.settings import merge
from outcrop.survey.census import load_census
from outcrop.survey.roles import with_roles
from outcrop.survey.sites import read_site

#: Sections that a trial depends on, beside the values that are searched.
SECTIONS = ("footprint", "labels", "patches", "augment", "train", "student", "distil")
#: Torch's random numbers belong to a process: in threads, trials take turns.
_TURN = Lock()


@dataclass(frozen=True)
class StudentTrial:
    """Trains the student of a trial. It holds paths and plain values alone, so that any process can be sent it."""

    survey: str
    sites: tuple[Path, ...]
    census: Path
    guides: tuple[Path, ...]
    work: Path
    params: Mapping[str, Any]

    def __call__(self, trial: Trial) -> Outcome:
        """Score on the validation blocks, at the best epoch."""
        with _TURN:
            params = Params.model_validate(merge(self.params, trial.candidate.changes()))
            sites = with_roles((read_site(path) for path in self.sites), params.sites)
            material = Material.gather(self.survey, sites, load_census(self.census), params, self.work)
            key = digest_value({"guides": [str(guide) for guide in self.guides], "trial": _plain(trial, params)})
            trained = train_by_distillation(
                self.guides, Lesson(material.last, trial.fidelity, seed=trial.seed), material, key
            )
            material.discard(key)
        best = trained.fitted.history[trained.fitted.best_epoch]
        return Outcome(best.val_macro_f1, best.val_nll, trained.fitted.seconds)


def _plain(trial: Trial, params: Params) -> dict[str, Any]:
    return {"params": params.dump(), "fidelity": trial.fidelity, "seed": trial.seed}


@task(name="trial", cache_policy=NO_CACHE)
def run_trial(function: Any, trial: Trial) -> Measured:
    """Run one trial, wherever the flow's task runner puts it."""
    measured: Measured = function(trial)
    return measured


def on_task_runner(function: Any, trials: Sequence[Trial]) -> Iterable[Measured]:
    """Workers of a search: the task runner of the flow that is under way."""

    def results() -> Iterator[Measured]:
        for future in as_completed([run_trial.submit(function, trial) for trial in trials]):
            yield future.result()

    return results()


WORKERS: Workers = on_task_runner
