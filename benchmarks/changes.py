"""What each way of teaching the RGB student is worth: two sections of ``docs/ladder.md``.

    python -m benchmarks.changes [--part changes] [--part rare-simulated] [--part rare-maps] [--part rare-neon]
        [--render-only]

It resumes: trainings are steps of the workspace's cache. ``changes`` leaves one thing different at a time and scores on
the validation blocks alone, for the defaults were chosen there. ``rare-`` asks of the test blocks of a survey what
class balance does for the class that is known worst: on the simulated survey, whose labels are as many of every class;
on the same where whole maps are the label, so that rare classes are rare; and on neon, whose labels are as the forest
has them.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from prefect import flow

from benchmarks.documents import fill, interval, put_section
from flows.chain import Chain
from flows.openings import alone, open_survey
from outcrop.learning.evaluation import score_network
from outcrop.learning.metrics import Array, Estimate, Scored, block_sums, class_f1, estimate, paired_weights, scalars
from outcrop.learning.rungs import Rung
from tasks.jobs import open_job
from tasks.learning import gather, read_model
from tasks.progress import say
from tasks.steps import Reference
from tasks.workspace import Workspace, find_workspace

STEPS = ("validate", "teacher", "guide", "distil")
Result = dict[str, Any]
#: What a student says of the cells of a split, by split.
BySplit = Mapping[str, Scored]


@dataclass(frozen=True)
class Change:
    """One thing that is different in teaching the student.

    ``again``: it also learns from a student taught before; ``above``: for the models above it, too.
    """

    what: str
    params: Mapping[str, Any] = field(default_factory=dict)
    again: bool = False
    above: bool = False


DEFAULTS = Change("defaults")
UNBALANCED = Change(
    "no class balance in what guides teach, `distil.class_balance` 0", {"distil": {"class_balance": 0.0}}
)
NOWHERE_BALANCED = Change(
    "no class balance at all", {"distil": {"class_balance": 0.0}, "train": {"class_balance": 0.0}}
)
CHANGES = (
    DEFAULTS,
    Change("RGB with gain .15 and offset .1 in augmentation", {"augment": {"rgb": {"gain": 0.15, "offset": 0.1}}}),
    Change("labelled cells alone, `distil.unlabelled_share` 0", {"distil": {"unlabelled_share": 0.0}}),
    Change("half of a batch unlabelled, `distil.unlabelled_share` .5", {"distil": {"unlabelled_share": 0.5}}),
    Change("labels as heavy as the teacher, `distil.hard_weight` 1", {"distil": {"hard_weight": 1.0}}),
    Change("standardised logits", {"distil": {"logits": "standardised"}}),
    Change("decoupled logits (DKD)", {"distil": {"logits": "decoupled"}}),
    Change("relations of logits (DIST)", {"distil": {"logits": "dist"}}),
    Change("hotter, `distil.temperature` 4 to 1", {"distil": {"temperature": {"start": 4.0, "end": 1.0}}}),
    Change("no features, `distil.feature_weight` 0", {"distil": {"feature_weight": 0.0}}),
    Change("distances in features (RKD), `distil.relation_weight` 1", {"distil": {"relation_weight": 1.0}}),
    Change("the teacher is not believed where it is wrong, `distil.gate`", {"distil": {"gate": True}}),
    UNBALANCED,
    Change("a wider student, `student.stages` [64, 128]", {"student": {"stages": [64, 128]}}),
    Change("one scale: the centre is not looked at by itself, `student.centre` false", {"student": {"centre": False}}),
    Change("wider context, `footprint` 9 for all models", {"footprint": 9}, above=True),
    Change("twice as long, `train.epochs.student` 40", {"train": {"epochs": {"student": 40}}}),
    Change("three times as long, `train.epochs.student` 60", {"train": {"epochs": {"student": 60}}}),
    Change("taught once more, also by itself (self-distillation)", again=True),
)


@dataclass(frozen=True)
class Part:
    """What is compared with the first of ``changes``, on which survey's which blocks, over how many seeds from 7 on.

    ``params``: what is different from the survey's own for all of them.
    """

    survey: str
    seeds: int
    split: str
    changes: tuple[Change, ...]
    params: Mapping[str, Any] = field(default_factory=dict)


RARE = (UNBALANCED, DEFAULTS, NOWHERE_BALANCED)
PARTS = {
    "changes": Part("simulated", 3, "val", CHANGES),
    "rare-simulated": Part("simulated", 5, "test", RARE),
    "rare-maps": Part("simulated", 5, "test", RARE, {"labels": {"per_class": "all"}}),
    "rare-neon": Part("neon", 5, "test", RARE),
}


def main(
    part: Annotated[list[str] | None, typer.Option(help="Measure these alone; default: all.")] = None,
    render_only: Annotated[bool, typer.Option(help="Write the sections from what is there.")] = False,
) -> None:
    """Measure, and write the sections."""
    workspace = find_workspace(Path(__file__).parent)
    workspace.prepare()
    store = workspace.state / "ladders"
    store.mkdir(parents=True, exist_ok=True)
    for name in part or PARTS if not render_only else ():
        survey = workspace.root / f"data/surveys/{PARTS[name].survey}.yaml"
        with alone(workspace, survey, {}):
            found = measure(workspace.root, survey, PARTS[name])
        (store / f"{name}.json").write_text(json.dumps(found, indent=1))
        print(store / f"{name}.json", file=sys.stderr)
    kept = {name: json.loads(path.read_text()) for name in PARTS if (path := store / f"{name}.json").is_file()}
    for text in sections(kept):
        print(put_section(workspace.root / "docs" / "ladder.md", text.splitlines()[0], text))


def sections(kept: Mapping[str, Result]) -> Iterator[str]:
    """What was found, as the document tells it."""
    if "changes" in kept:
        yield fill("changes.md.j2", {"interval": interval}, changes=kept["changes"])
    if rare := {name: found for name, found in kept.items() if name != "changes"}:
        yield fill("rare.md.j2", {"interval": interval}, rare=rare)


@flow(name="changes", validate_parameters=False)
def measure(root: Path, survey: Path, part: Part) -> Result:
    """Train the student of every seed in every way, and compare each way with the first."""
    scored: dict[str, list[BySplit]] = {change.what: [] for change in part.changes}
    seeds = range(7, 7 + part.seeds)
    names = [entry.name for entry in open_survey(Workspace(root), survey, {}).sites[0].classes]
    for seed in seeds:
        say(f"seed {seed}")
        for above, below in _by_chain(part.changes):
            for change, made in _students(
                Workspace(root), survey, {"seed": seed, **part.params, **above}, ("val", part.split), below
            ):
                scored[change.what].append(made)
    known = worst_of([each["val"] for each in scored[part.changes[0].what]])
    asked = {what: [each[part.split] for each in found] for what, found in scored.items()}
    return {
        "survey": part.survey,
        "params": part.params,
        "seeds": list(seeds),
        "split": part.split,
        "known_worst": names[known],
        "rows": compare(asked, known),
    }


def _by_chain(changes: Sequence[Change]) -> Iterator[tuple[Mapping[str, Any], Sequence[Change]]]:
    """What is different for a whole chain, and the changes that are tried on it."""
    yield {}, [change for change in changes if not change.above]
    for change in changes:
        if change.above:
            yield change.params, [change]


def _students(
    workspace: Workspace, survey: Path, given: Mapping[str, Any], splits: Sequence[str], changes: Sequence[Change]
) -> Iterator[tuple[Change, BySplit]]:
    opened = open_survey(workspace, survey, given)
    with open_job(
        workspace, opened.survey, opened.params, opened.sites, opened.hashes, flow="changes", steps=STEPS
    ) as job:
        chain = Chain(job)
        chain.validate()
        _, _, guides = chain.guides(opened.rungs)
        yield from taught(chain, opened.rungs[-1], guides, splits, changes)


def taught(
    chain: Chain, rung: Rung, guides: Sequence[Reference], splits: Sequence[str], changes: Sequence[Change]
) -> Iterator[tuple[Change, BySplit]]:
    """What the student of each way of teaching says of the cells of each split."""
    material = gather(chain.job, chain.census)
    for change in changes:
        changed, title = chain.with_params(change.params), f"distilled, {change.what}"
        made = changed.distil(rung, guides, title=title)
        if change.again:
            itself = changed.guide(made, "student")
            made = changed.distil(rung, [*guides, itself], title=f"{title}, again")
        model = read_model(made, chain.job.workspace)
        yield change, {split: score_network(material, model, split) for split in dict.fromkeys(splits)}


def worst_of(scored: Sequence[Scored]) -> int:
    """The class whose F1, the mean over seeds, is least."""
    f1 = [class_f1(block_sums(each, bins=1).confusion.sum(axis=0)) for each in scored]
    return int(np.nanargmin(np.mean(f1, axis=0)))


def compare(
    scored: Mapping[str, Sequence[Scored]], known: int | None = None, draws: int = 1000, seed: int = 0
) -> list[Result]:
    """Means over seeds of macro-F1 and of the worst class's F1; gains over the first, paired by block.

    The worst class is that of each draw, so that none is picked because it happened to do badly in one way; and, as
    ``known_``, one that was known to be bad before; draws without its cells say nothing of it.
    """
    first = next(iter(scored.values()))
    weights = paired_weights(len(np.unique(first[0].blocks)), draws, seed)
    present = np.unique(first[0].labels)

    def over_seeds(each: Sequence[Scored], metric: Callable[[Any], Array]) -> Array:
        return np.mean([metric(block_sums(one, bins=15).weighted(weights)) for one in each], axis=0)

    def macro(sums: Any) -> Array:
        return scalars(sums)["macro_f1"]

    def worst(sums: Any) -> Array:
        return np.nanmin(class_f1(sums.confusion)[:, present], axis=1)

    metrics = {"worst": worst}
    if known is not None:
        metrics["known"] = lambda sums: class_f1(sums.confusion)[:, known]
    base = {metric: over_seeds(first, metric) for metric in (macro, *metrics.values())}
    rows = []
    for what, each in scored.items():
        values = {metric: over_seeds(each, metric) for metric in (macro, *metrics.values())}
        told: dict[str, Estimate] = {
            "macro_f1": estimate(values[macro]),
            "gain": estimate(values[macro] - base[macro]),
        }
        for name, metric in metrics.items():
            told[f"{name}_f1"] = estimate(values[metric])
            told[f"{name}_gain"] = estimate(values[metric] - base[metric])
        rows.append({"what": what, **{name: asdict(found) for name, found in told.items()}})
    return rows


if __name__ == "__main__":
    typer.run(main)
