"""The figures of ``docs/results.md``: ``outcrop retrain`` on each survey with several seeds.

Run it as ``make results``. It resumes: what is finished is kept in the workspace's state folder and in the step cache.
"""

import json
import re
import subprocess
import sys
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Annotated, Any

import typer
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tasks.workspace import find_workspace

HERE = Path(__file__).parent
#: Surveys, in the order of the document.
SURVEYS = ("mars",)
SEEDS = (7, 8, 9)
#: Rows of the table: title and where the metrics stand in the command's result.
ROWS = {
    "teacher, all sensors": ("teacher",),
    "forest, all sensors": ("forest", "all"),
    "student, distilled, RGB": ("student",),
    "control, labels only, RGB": ("control",),
    "forest, RGB": ("forest", "rgb"),
}


@dataclass(frozen=True)
class Row:
    """One model over the seeds: ``values`` are one macro-F1 a seed, ``interval`` the mean of the blocks' intervals."""

    title: str
    values: list[float]
    interval: tuple[float, float]
    accuracy: float
    kappa: float
    ece: float
    nll: float
    iou: float | None


def main(
    surveys: Annotated[list[str] | None, typer.Option("--survey", help="Default: all.")] = None,
    render_only: Annotated[bool, typer.Option(help="Write the document from what is there.")] = False,
) -> None:
    """Train what is missing and write ``docs/results.md``."""
    workspace = find_workspace(HERE)
    store = workspace.state / "results"
    store.mkdir(parents=True, exist_ok=True)
    for survey in surveys or SURVEYS:
        for seed in SEEDS if not render_only else ():
            run(workspace.root, survey, seed, store / f"{survey}-{seed}.json")
    found = {name: load(store, name) for name in surveys or SURVEYS}
    tables = {name: (rows(results), results) for name, results in found.items() if results}
    environment = Environment(loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(spread=spread, mean=mean)
    document = workspace.root / "docs" / "results.md"
    document.write_text(environment.get_template("results.md.j2").render(tables=tables))
    for survey, (_, results) in tables.items():
        keep_map(Path(results[0]["report"]), workspace.root / "docs" / "images" / f"{survey}.png")
    print(document)


def keep_map(report: Path, target: Path) -> None:
    """Take the first map of right and wrong test cells out of a report's page."""
    found = re.search(r'data:image/png;base64,([^"]+)" alt="Right and wrong', report.read_text(encoding="utf-8"))
    if found is None:
        raise LookupError(f"{report} shows no map of right and wrong test cells")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b64decode(found[1]))


def run(root: Path, survey: str, seed: int, target: Path) -> None:
    """Retrain once; steps that are current are not repeated."""
    path = root / "data" / "surveys" / f"{survey}.yaml"
    words = ["retrain", "--survey", str(path), "--set", f"seed={seed}", "--json", "--workspace", str(root)]
    print(f"{survey}, seed {seed}", file=sys.stderr)
    done = subprocess.run([sys.executable, "-m", "flows.cli", *words], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # the command has said why
    target.write_text(json.dumps({"seed": seed, **json.loads(done.stdout)}))


def load(store: Path, survey: str) -> list[dict[str, Any]]:
    """Results of a survey, by seed; those that are there."""
    paths = [store / f"{survey}-{seed}.json" for seed in SEEDS]
    return [json.loads(path.read_text()) for path in paths if path.is_file()]


def rows(results: list[dict[str, Any]]) -> list[Row]:
    """The table of one survey."""
    return [_row(title, [_at(result, place) for result in results]) for title, place in ROWS.items()]


def _row(title: str, metrics: list[dict[str, Any]]) -> Row:
    ends = [entry["interval"]["macro_f1"] for entry in metrics]
    return Row(
        title,
        [entry["macro_f1"] for entry in metrics],
        (mean(low for low, _ in ends), mean(high for _, high in ends)),
        *(mean(entry[name] for entry in metrics) for name in ("overall_accuracy", "kappa", "ece", "nll")),
        iou=mean(entry["iou"] for entry in metrics) if metrics[0]["iou"] is not None else None,
    )


def _at(result: dict[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    for name in place:
        result = result[name]
    return result


def spread(values: list[float]) -> str:
    """Mean and standard deviation over seeds."""
    return f"{mean(values):.3f} ± {stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


if __name__ == "__main__":
    typer.run(main)
