"""The figures of ``docs/ladder.md``: ``outcrop compare`` on each survey, with several seeds.

    python -m benchmarks.ladder [--study NAME]

It resumes: what is finished is kept in the workspace's state folder and in the step cache.
"""

import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.documents import fill
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
#: What `benchmarks.changes` and `benchmarks.searching` measure for the document.
PARTS = ("changes", "searching")
RARE = ("rare-simulated", "rare-neon")
Result = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """A survey's ladder: over how many seeds, and what is said of it."""

    name: str
    seeds: int
    asked: str

    @property
    def words(self) -> list[str]:
        """The command that measures it."""
        return ["compare", "--survey", f"data/surveys/{self.name}.yaml", "--seeds", str(self.seeds)]


#: In the order of the document.
STUDIES = (
    Study("simulated", 5, "The survey of `make demo`, 128 x 128 cells a site: six sensors, 30 labels a class."),
    Study("mars", 3, "Landslides in Valles Marineris: trained on two regions, tested on a third."),
    Study("neon", 3, "Trees on 85 plots: RGB, 369 bands, the point cloud; whole plots are tested."),
    Study("diamantina", 3, "Six formations from Landsat, gamma rays, magnetics and relief."),
)


def main(
    study: Annotated[list[str] | None, typer.Option(help="Measure these alone; default: all.")] = None,
    render_only: Annotated[bool, typer.Option(help="Write the document from what is there.")] = False,
) -> None:
    """Measure what is missing and write ``docs/ladder.md``."""
    workspace = find_workspace(HERE)
    store = workspace.state / "ladders"
    store.mkdir(parents=True, exist_ok=True)
    for each in STUDIES if not render_only else ():
        if not study or each.name in study:
            measure(workspace.root, each, store / f"{each.name}.json")
    answers = [
        (each, json.loads(path.read_text())) for each in STUDIES if (path := store / f"{each.name}.json").is_file()
    ]
    kept = {path.stem: json.loads(path.read_text()) for path in store.glob("*.json")}
    parts = {name: kept.get(name) for name in PARTS}
    write(answers, {**parts, "rare": {name: kept[name] for name in RARE if name in kept}}, workspace.root / "docs")


def measure(root: Path, study: Study, target: Path) -> None:
    """Compare once; steps that are current are not repeated."""
    print("outcrop", *study.words, file=sys.stderr)
    command = [sys.executable, "-m", "flows.cli", *study.words, "--json", "--workspace", str(root)]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # the command has said why
    target.write_text(done.stdout)


def write(answers: list[tuple[Study, Result]], parts: dict[str, Any], output: Path) -> None:
    """Write the document, with what other commands have measured, and its pictures beside it."""
    (output / "images").mkdir(parents=True, exist_ok=True)
    for study, result in answers:
        for picture in ("power", "retention", "attention"):
            shutil.copyfile(
                Path(result["folder"]) / f"{picture}.png", output / "images" / f"ladder_{study.name}_{picture}.png"
            )
    document = output / "ladder.md"
    filters = {"shell": shlex.join, "interval": interval, "fixed": "{:.2f}".format}
    document.write_text(fill("ladder.md.j2", filters, answers=answers, **parts), encoding="utf-8")
    print(document)


def interval(estimate: Result | None, signed: bool = False) -> str:
    """A value with its interval."""
    if estimate is None:
        return "–"  # noqa: RUF001
    sign = "+" if signed else ""
    return "{:{s}.3f} ({:{s}.3f} to {:{s}.3f})".format(estimate["value"], estimate["low"], estimate["high"], s=sign)


if __name__ == "__main__":
    typer.run(main)
