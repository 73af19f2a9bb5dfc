"""Measure whether carbon estimates, change and drift keep what they promise, and write docs/carbon.md.

Every realisation is kept in the workspace's state folder when it is done, so that the command resumes; the document is
written of those that are there.

    python -m benchmarks.carbon [--realisations 200] [--render-only]
"""

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import coverage, drifting, heads
from benchmarks.documents import fill
from benchmarks.realisations import SIZE, YEARS
from outcrop.field.carbon.estimates import SCREENING
from outcrop.field.carbon.profiles import Composition
from outcrop.record.digests import digest_value
from tasks.progress import Progress
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
REALISATIONS = 200
#: What the sources promise.
TARGETS = {"coverage": 0.87, "error": 0.15}
Result = dict[str, Any]


class Journal:
    """Results by seed, a line each; those of another composition are of no use."""

    def __init__(self, path: Path, key: str) -> None:
        self.path, self.key = path, key

    def read(self) -> dict[int, Result]:
        """What is finished; a last line that was cut off is not."""
        found = {}
        for line in self.path.read_text(encoding="utf-8").splitlines() if self.path.is_file() else ():
            try:
                result = json.loads(line)
            except ValueError:
                continue
            if result["key"] == self.key:
                found[int(result["seed"])] = result
        return found

    def fill(self, title: str, seeds: range, realise: Callable[[int], Result]) -> list[Result]:
        """Realise what is missing; gives all."""
        done = self.read()
        with Progress(title, len(seeds)) as bar, self.path.open("a", encoding="utf-8") as file:
            for seed in seeds:
                if seed not in done:
                    done[seed] = {"key": self.key, **realise(seed)}
                    file.write(json.dumps(done[seed]) + "\n")
                    file.flush()
                bar.advance(1)
        return [done[seed] for seed in seeds]


def main() -> None:
    """Realise what is missing, print what was found, and write the document."""
    asked, workspace = _arguments(), find_workspace(HERE)
    folder = workspace.state / "carbon"
    folder.mkdir(parents=True, exist_ok=True)
    composition = _composition(folder / "composition.json")
    journal = Journal(folder / "coverage.jsonl", digest_value(composition.model_dump()))
    flags = Journal(folder / "change.jsonl", "1")
    if asked.render_only:
        results, changes = list(journal.read().values()), list(flags.read().values())
    else:
        results = journal.fill("Realising", range(asked.realisations), lambda seed: coverage.realise(seed, composition))
        changes = flags.fill("Changing", range(asked.realisations), drifting.realise_change)
    drift = _drift(folder / "drift.json", asked.again)
    if not results or not changes:
        sys.exit("the document is not written: nothing was realised")
    rows = [row | {"verdict": verdict(row)} for row in coverage.summarise(results)]
    for row in rows:
        print(json.dumps(row))
    alarms = {"curve": drifting.alarm_curve(changes), "pairs": len(changes), "drift": drift}
    print(json.dumps(alarms))
    print(
        write(rows, len(results), alarms, asked.output or workspace.root / "docs", heads.kept_section(workspace.state))
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.carbon", description=__doc__.partition("\n")[0])
    parser.add_argument("--realisations", type=int, default=REALISATIONS, help="of the site")
    parser.add_argument("--again", action="store_true", help="measure drift again")
    parser.add_argument("--render-only", action="store_true", help="write the document from what is kept")
    parser.add_argument("--output", type=Path, help="folder of the document; default: docs")
    return parser.parse_args()


def _composition(path: Path) -> Composition:
    """What the rocks are made of, learnt once."""
    if not path.is_file():
        path.write_text(coverage.learn().model_dump_json(indent=1), encoding="utf-8")
    return Composition.model_validate_json(path.read_text(encoding="utf-8"))


def _drift(path: Path, again: bool) -> Result:
    """What was measured of drift, measured now if it is not kept."""
    if again or not path.is_file():
        path.write_text(json.dumps(drifting.measure_drift(), indent=1), encoding="utf-8")
    found: Result = json.loads(path.read_text(encoding="utf-8"))
    return found


def verdict(row: Result) -> str:
    """Whether a row meets the targets; the error of a rate has none."""
    faults = []
    if row["coverage"] < TARGETS["coverage"]:
        faults.append("covers too little")
    if row["quantity"] != "rate" and row["error"] > TARGETS["error"]:
        faults.append("errs too much")
    return "missed: " + ", ".join(faults) if faults else "met"


def write(rows: list[Result], realisations: int, alarms: Result, folder: Path, heads: str = "") -> Path:
    """Write the document; ``heads`` is the section of `benchmarks.heads`."""
    text = fill(
        "carbon.md.j2",
        rows=rows,
        realisations=realisations,
        wanted=REALISATIONS,
        size=SIZE,
        years=f"{YEARS:g}",
        screening=SCREENING,
        check=coverage.field_check(),
        targets=TARGETS,
        alarms=alarms,
        heads=heads,
        drifting=vars(drifting),
        inputs=coverage.inputs_told(),
        learnt=len(coverage.LEARNT_FROM),
    )
    path = folder / "carbon.md"
    path.write_text(text, encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
