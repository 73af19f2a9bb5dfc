"""Flow `search`: validate -> teacher -> assistants -> many students: which parameters teach the student best?"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from prefect import flow

from flows.chain import Chain
from flows.openings import alone, open_survey
from flows.runners import task_runner
from outcrop.field.charts import search_picture
from outcrop.learning.contenders import Result
from outcrop.learning.devices import device_kind
from outcrop.learning.rungs import Rung
from outcrop.learning.search import most_trials
from outcrop.learning.search import search as search_space
from outcrop.learning.spaces import space_of
from outcrop.learning.trials import Memo, Outcome, Trial
from outcrop.record.digests import digest_file, digest_value
from outcrop.record.provenance import code_digest
from tasks.jobs import open_job
from tasks.keeping import keep_search
from tasks.progress import Progress
from tasks.search import SECTIONS, WORKERS, StudentTrial
from tasks.steps import Reference
from tasks.workers import Workers
from tasks.workspace import Workspace

#: The task modules whose code decides what a search gives.
STEPS = ("validate", "teacher", "guide", "distil", "search")


def run_search(workspace: Workspace, survey: Path, overrides: Mapping[str, Any], workers: Workers) -> dict[str, Any]:
    """Search better parameters for a survey's student; trials go to a task runner of Prefect's, scenes to workers."""
    with alone(workspace, survey, overrides, searches=True):
        steps = search.with_options(task_runner=task_runner(workers))
        return steps(workspace.root, survey, overrides, workers)


@flow(name="search", validate_parameters=False)
def search(root: Path, survey_file: Path, overrides: Mapping[str, Any], workers: Workers) -> dict[str, Any]:
    """Find the winner, write it as a parameter file, and tell what finding it was worth."""
    workspace = Workspace(root)
    opened = open_survey(workspace, survey_file, overrides)
    with open_job(
        workspace, opened.survey, opened.params, opened.sites, opened.hashes, flow="search", steps=STEPS
    ) as job:
        chain = Chain(job)
        chain.validate(workers)
        _, _, guides = chain.guides(opened.rungs)
        found = find(chain, opened.rungs, guides)
        folder = workspace.state / "searches" / f"{opened.survey.survey}-{job.parent[:8]}"
        _write(found, folder)
        job.tracker.of(job.parent).files(sorted(folder.iterdir()))
        return {
            "survey": opened.survey.survey,
            "run_id": job.parent,
            "winner": found.winner.candidate.changes(),
            "found_by": found.found_by,
            "gains": found.gains,
            "rank_correlation": found.rank_correlation,
            "rows": found.as_rows(),
            "notes": found.notes,
            "params_file": str(folder / "params.yaml"),
            "picture": str(folder / "search.png"),
        }


def find(chain: Chain, rungs: Sequence[Rung], guides: Sequence[Reference]) -> Result:
    """Search with the guides of a chain; trials that were run before in the same context are not run again."""
    job, settings = chain.job, chain.job.params.search
    workspace, space = job.workspace, space_of(job.params)
    objective = StudentTrial(
        job.survey.survey,
        tuple(site.path for site in job.sites),
        chain.census.path(workspace),
        tuple(guide.path(workspace) for guide in guides),
        workspace.state / "work",
        job.params.dump(),
    )
    context = _context(chain, rungs, guides)
    memo = Memo(workspace.state / "searches" / f"{job.survey.survey}.jsonl", context)
    with Progress("Searching", most_trials(settings)) as bar:
        best = 0.0

        def tell(trial: Trial, outcome: Outcome, fresh: bool) -> None:
            nonlocal best
            best = max(best, outcome.macro_f1)
            how = {"fidelity": trial.fidelity, "trained_with_seed": trial.seed}
            job.tracker.trial(job.parent, _name(trial), {**dict(trial.candidate.values), **how}, vars(outcome))
            bar.advance(note=f"val macro-F1 {outcome.macro_f1:.3f}  best {best:.3f}")

        found = search_space(space, settings, objective, memo, seed=job.params.seed, workers=WORKERS, tell=tell)
    chain.found = keep_search(
        job, found, digest_value([context, settings.model_dump(mode="json")]), chain.census, guides
    )
    return found


def _name(trial: Trial) -> str:
    return f"trial {digest_value([trial.candidate.values, trial.fidelity, trial.seed])[:12]}"


def _context(chain: Chain, rungs: Sequence[Rung], guides: Sequence[Reference]) -> str:
    """Digest of all that a trial's outcome depends on beside the trial: the values that it sets are in it already."""
    values = chain.job.params.dump()
    lock = chain.job.workspace.root / "constraints.txt"
    return digest_value(
        {
            "seen": chain.seen,
            "rung": rungs[-1].modalities,
            "guides": [guide.digest for guide in guides],
            "params": {name: values[name] for name in (*SECTIONS, "seed")},
            "code": code_digest("tasks.search"),
            "lock": digest_file(lock) if lock.is_file() else None,
            "device": device_kind(),
        }
    )


def _write(found: Result, folder: Path) -> None:
    """The winner as a parameter file for ``--params``, all trials, and the plot."""
    folder.mkdir(parents=True, exist_ok=True)
    head = f"# Found by {found.found_by}; gain over the defaults on validation blocks, seed by seed: "
    head += ", ".join(f"{gain:+.3f}" for gain in found.gains)
    body = yaml.safe_dump(found.winner.candidate.changes(), sort_keys=False) if found.found_by != "defaults" else "{}\n"
    (folder / "params.yaml").write_text(f"{head}\n{body}", encoding="utf-8")
    (folder / "search.json").write_text(json.dumps(found.dump(), indent=1), encoding="utf-8")
    (folder / "search.png").write_bytes(search_picture(found))
