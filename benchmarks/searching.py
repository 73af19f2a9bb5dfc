"""What searching parameters is worth on the test blocks of the simulated survey: a section of ``docs/ladder.md``.

    python -m benchmarks.searching [--render-only]

Every repeat has a seed of its own: differential evolution and a random search of as many trials look on its validation
blocks, and the RGB student is then taught with the defaults and with what each of the two came upon. It resumes: trials
are kept in the search's memo, trainings in the step cache.
"""

import json
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from prefect import flow

from benchmarks.changes import DEFAULTS, Change, compare, taught
from benchmarks.documents import fill, interval, put_section
from flows.chain import Chain
from flows.openings import alone, open_survey
from flows.search import STEPS, find
from outcrop.learning.metrics import Scored
from tasks.jobs import open_job
from tasks.progress import say
from tasks.workspace import Workspace, find_workspace

SURVEY = "data/surveys/simulated.yaml"
SEEDS = (7, 8, 9)
#: One random search of as many trials beside each evolution; all else as the defaults have it.
SETTINGS = {"search": {"repeats": 1}}


def main(
    render_only: Annotated[bool, typer.Option(help="Write the section from what is there.")] = False,
) -> None:
    """Measure, and write the section."""
    workspace = find_workspace(Path(__file__).parent)
    workspace.prepare()
    target = workspace.state / "ladders" / "searching.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    survey = workspace.root / SURVEY
    if not render_only:
        with alone(workspace, survey, SETTINGS, searches=True):
            target.write_text(json.dumps(measure(workspace.root, survey), indent=1))
    text = section(json.loads(target.read_text()))
    print(put_section(workspace.root / "docs" / "ladder.md", text.splitlines()[0], text))


def section(found: dict[str, Any]) -> str:
    """What was found, as the document tells it."""
    defaults, evolved, random = (row["what"] for row in found["rows"])
    medians = {
        over: median(repeat["macro_f1"][evolved] - repeat["macro_f1"][over] for repeat in found["repeats"])
        for over in (defaults, random)
    }
    return fill(
        "searching.md.j2",
        {"interval": interval, "fixed": "{:.2f}".format, "signed": "{:+.3f}".format},
        searching=found,
        over_defaults=medians[defaults],
        over_random=medians[random],
        certain=found["rows"][1]["gain"]["low"] > 0,
    )


@flow(name="searching", validate_parameters=False)
def measure(root: Path, survey: Path) -> dict[str, Any]:
    """Search and teach once a seed; rows are means over the seeds."""
    scored: dict[str, list[Scored]] = {}
    repeats = []
    for seed in SEEDS:
        say(f"seed {seed}")
        opened = open_survey(Workspace(root), survey, {**SETTINGS, "seed": seed})
        with open_job(
            Workspace(root), opened.survey, opened.params, opened.sites, opened.hashes, flow="searching", steps=STEPS
        ) as job:
            chain = Chain(job)
            chain.validate()
            _, _, guides = chain.guides(opened.rungs)
            found = find(chain, opened.rungs, guides)
            ways = [DEFAULTS, *(Change(arm.name, arm.best.candidate.changes()) for arm in found.arms)]
            made = {
                change.what: said["test"] for change, said in taught(chain, opened.rungs[-1], guides, ("test",), ways)
            }
        for what, said in made.items():
            scored.setdefault(what, []).append(said)
        values = {row["what"]: row["macro_f1"]["value"] for row in compare({what: [one] for what, one in made.items()})}
        trials = {arm.name: len(arm.candidates) for arm in found.arms}
        repeats.append({"seed": seed, "macro_f1": values, "trials": trials, "rank_correlation": found.rank_correlation})
    return {"seeds": list(SEEDS), "rows": compare(scored), "repeats": repeats}


if __name__ == "__main__":
    typer.run(main)
