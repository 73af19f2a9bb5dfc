"""Measure what a service promises, and write docs/operations.md.

The tests of faults do the work; what each found is kept in the workspace's state folder, so that the command resumes.

    python -m benchmarks.operations [--points 40] [--rounds 3] [--render-only]
"""

import argparse
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.distribution import TARGETS
from benchmarks.documents import fill, machine
from outcrop.record.drafts import write_whole
from tasks.workspace import Workspace

PROJECT = Path(__file__).parents[1]
FAULTS = PROJECT / "tests" / "faults"
#: Where what each script found is kept, and the scripts with what they are asked.
KEPT = Workspace(PROJECT).state / "benchmarks" / "operations"
SCRIPTS = {
    "drill": [str(FAULTS / "drill.py")],
    "crowd-sqlite": [str(FAULTS / "crowd.py"), "--flows", "16"],
    "crowd-postgres": [str(FAULTS / "crowd.py"), "--flows", "64", "--postgres"],
    "distribution": ["-m", "benchmarks.distribution"],
}


def figures_of(name: str) -> dict[str, Any] | None:
    """What a script found; it runs where nothing is kept of it. None where it could not be run."""
    kept = KEPT / f"{name}.json"
    if not kept.is_file():
        _run(kept, *SCRIPTS[name])
    return json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None


def _run(output: Path, *words: str) -> None:
    output.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *words, "--output", str(output)]
    subprocess.run(command, check=False, stdout=sys.stderr)  # exit code 1: what is broken stands in the output


def summarise(kills: dict[str, Any]) -> dict[str, Any]:
    """The kill points by what was touched: how many there were, and how many came to another result."""
    points = kills["points"]
    rows = Counter(_about(each["touch"]) for each in points)
    struck = Counter(_about(each["touch"]) for each in points if each["killed"])
    differing = [each for each in points if each["differs"]]
    return {
        **{name: kills[name] for name in ("touches", "kinds", "rounds", "seed")},
        "rows": [(name, number, struck[name]) for name, number in rows.most_common()],
        "done": len(points),
        "struck": sum(struck.values()),
        "differing": differing,
    }


def _about(touch: str) -> str:
    """What kind of thing a touch is about."""
    if touch.startswith("sql"):
        return "rows of MLflow's database"
    if touch.startswith("dvc"):
        return "DVC at work"
    for part, name in (
        ("records/", "records and the ledger"),
        ("checkpoints", "checkpoints, inside a training"),
        ("prefect/results", "references to finished steps"),
        ("artifacts", "models and files of runs"),
        ("steps/", "results of steps"),
        ("data/", "sites and their pointers"),
        ("reports/", "reports"),
    ):
        if part in touch:
            return name
    return "other files"


def render(results: dict[str, Any]) -> str:
    """The document, with the figures that there are."""
    distributed = results.get("distribution")
    return fill(
        "operations.md.j2",
        machine=machine(),
        kills=summarise(results["kills"]) if "kills" in results else None,
        drill=results.get("drill"),
        crowds=[results[name] for name in ("crowd-sqlite", "crowd-postgres") if name in results],
        distribution=distributed,
        rows=[target.row(distributed) for target in TARGETS] if distributed else [],
    )


def main() -> None:
    """Measure what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--render-only", action="store_true")
    asked = parser.parse_args()
    if not asked.render_only:
        for name in SCRIPTS:
            figures_of(name)
        points = ["--points", str(asked.points), "--rounds", str(asked.rounds)]
        _run(KEPT / "kills.json", str(FAULTS / "kill_points.py"), *points)  # goes on where it stopped
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in KEPT.glob("*.json")}
    print(write_whole(PROJECT / "docs" / "operations.md", render(results), "document"))


if __name__ == "__main__":
    main()
