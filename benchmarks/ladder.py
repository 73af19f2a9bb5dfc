"""The figures of ``docs/ladder.md``: ``outcrop compare`` on each survey, with several seeds.

    python -m benchmarks.ladder [--study NAME] [--render-only]

It resumes: what is finished is kept in the workspace's state folder and in the step cache. Every survey has a section
of its own, which alone is written again; `benchmarks.changes` and `benchmarks.searching` write the others.
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

from benchmarks.documents import fill, interval, put_section
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
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
    render_only: Annotated[bool, typer.Option(help="Write the sections from what is there.")] = False,
) -> None:
    """Measure, and write the sections of ``docs/ladder.md``."""
    workspace = find_workspace(HERE)
    store = workspace.state / "ladders"
    store.mkdir(parents=True, exist_ok=True)
    for each in STUDIES if not render_only else ():
        if not study or each.name in study:
            measure(workspace.root, each, store / f"{each.name}.json")
    for each in STUDIES:
        if (path := store / f"{each.name}.json").is_file():
            print(write(each, json.loads(path.read_text()), workspace.root / "docs"))


def measure(root: Path, study: Study, target: Path) -> None:
    """Compare once; steps that are current are not repeated."""
    print("outcrop", *study.words, file=sys.stderr)
    command = [sys.executable, "-m", "flows.cli", *study.words, "--json", "--workspace", str(root)]
    done = subprocess.run(command, cwd=root, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(done.returncode)  # the command has said why
    target.write_text(done.stdout)


def write(study: Study, result: Result, output: Path) -> Path:
    """Write the section of a survey, and its pictures beside the document."""
    (output / "images").mkdir(parents=True, exist_ok=True)
    for picture in ("power", "retention", "attention"):
        shutil.copyfile(
            Path(result["folder"]) / f"{picture}.png", output / "images" / f"ladder_{study.name}_{picture}.png"
        )
    text = fill("ladder.md.j2", {"shell": shlex.join, "interval": interval}, study=study, result=result)
    return put_section(output / "ladder.md", f"## {study.name}", text)


if __name__ == "__main__":
    typer.run(main)
