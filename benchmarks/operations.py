"""Measure what a service promises, and write docs/operations.md.

The tests of faults and `benchmarks.distribution` do the work; what each found is kept in the workspace's state folder,
so that the command resumes.

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
from tasks.workspace import find_workspace

FAULTS = Path(__file__).parents[1] / "tests" / "faults"


def measure(folder: Path, points: int, rounds: int) -> None:
    """Run what is missing; the kill points go on where they stopped."""
    asked = {"kills": ["kill_points.py", "--points", str(points), "--rounds", str(rounds)], "drill": ["drill.py"]}
    for name, (script, *words) in asked.items():
        output = folder / f"{name}.json"
        if name == "kills" or not output.is_file():
            command = [sys.executable, str(FAULTS / script), *words, "--output", str(output)]
            subprocess.run(command, check=False, stdout=sys.stderr)
    if not (folder / "distribution.json").is_file():
        command = [sys.executable, "-m", "benchmarks.distribution", "--output", str(folder / "distribution.json")]
        subprocess.run(command, check=False, stdout=sys.stderr)


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
    found = results.get("distribution")
    return fill(
        "operations.md.j2",
        machine=machine(),
        kills=summarise(results["kills"]) if "kills" in results else None,
        drill=results.get("drill"),
        distribution=found,
        rows=[target.row(found) for target in TARGETS] if found else [],
    )


def main() -> None:
    """Measure what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--render-only", action="store_true")
    asked = parser.parse_args()
    workspace = find_workspace(Path())
    folder = workspace.state / "benchmarks" / "operations"
    folder.mkdir(parents=True, exist_ok=True)
    if not asked.render_only:
        measure(folder, asked.points, asked.rounds)
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")}
    document = workspace.root / "docs" / "operations.md"
    document.write_text(render(results), encoding="utf-8")
    print(document)


if __name__ == "__main__":
    main()
