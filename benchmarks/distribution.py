"""Mapping and search by two Dask workers of this machine, against one: how many times as fast, and whether they agree.

Both run through their commands, cluster and all. Of a search, only what the trials take is compared: what the command
takes when all of them are known is subtracted.

    python -m benchmarks.distribution [--smoke] [--output FILE]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.material import Stopwatch
from benchmarks.overhead import SURVEY, call_in, make_workspace
from benchmarks.scenery import write_mosaic
from benchmarks.targets import Target
from benchmarks.untrained import untrained, write_untrained
from outcrop.record.digests import digest_folder
from tasks.workspace import Workspace

FOOTPRINT = 9
WORKERS = (1, 2)
TARGETS = (
    Target("mapping.ratio", "mapping: two workers / one", low=1.7, shown="{:.2f}"),
    Target("search.ratio", "search: two workers / one", low=1.7, shown="{:.2f}"),
)
#: The default search, with training as long as by default; in its smoke form a few short trials.
FULL: dict[str, Any] = {"search": {"repeats": 1}}
SMOKE: dict[str, Any] = {
    "train": {"epochs": {"teacher": 2, "assistant": 2, "student": 2}, "samples": 256},
    "simulate": {"size": 96},
    "search": {"population": 5, "iterations": 1, "repeats": 0, "seeds": 1, "promote": 1},
}
Result = dict[str, Any]


def measure_distribution(*, side: int = 20_000, smoke: bool = False) -> Result:
    """Figures of a mosaic of ``side`` pixels a side, and of a search on the simulated survey."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        workspace = make_workspace(Path(name) / "workspace", SMOKE if smoke else FULL)
        return {"mapping": measure_mapping(workspace, side), "search": measure_search(workspace)}


def measure_mapping(workspace: Workspace, side: int) -> Result:
    """Seconds that a map takes with one worker and with two; whether the maps are the same to the byte."""
    export = write_untrained(*untrained("student", ["rgb"], FOOTPRINT), workspace.root / "export")
    scene = workspace.root / "mosaic.tif"
    write_mosaic(scene, side)
    told, digests = {}, []
    for count in (0, *WORKERS):  # first this process by itself, which gives no figure of the ratio
        folder = workspace.root / "maps" / str(count)
        words = ["--threads", "1", *(["--runner", "dask", "--workers", str(count)] if count else [])]
        told[count] = _told(workspace, "map", str(export), str(scene), "-o", str(folder), *words)["seconds"]
        digests.append(digest_folder(folder))
    return {
        "side": side,
        "alone": told[0],
        "seconds": {str(count): told[count] for count in WORKERS},
        "ratio": told[1] / told[2],
        "identical": len(set(digests)) == 1,
    }


def measure_search(workspace: Workspace) -> Result:
    """Seconds that the trials take with one worker and with two; whether they score the same."""
    call_in(workspace, sys.executable, "-m", "dvc", "repro", "--quiet")
    _told(workspace, "search")  # trains the guides
    memo = next((workspace.state / "searches").glob("*.jsonl"))
    known, _ = _timed(workspace)
    seconds, outcomes = {}, []
    for count in WORKERS:
        memo.unlink()
        took, found = _timed(workspace, "--runner", "dask", "--workers", str(count))
        seconds[count] = took - known
        outcomes.append((found["winner"], found["gains"], found["rank_correlation"]))
    return {
        "trials": len(memo.read_bytes().splitlines()),
        "known": known,
        "seconds": {str(count): seconds[count] for count in WORKERS},
        "ratio": seconds[1] / seconds[2],
        "identical": outcomes[0] == outcomes[1],
    }


def _timed(workspace: Workspace, *words: str) -> tuple[float, Result]:
    with Stopwatch() as watch:
        found = _told(workspace, "search", *words)
    return watch.seconds, found


def _told(workspace: Workspace, command: str, *words: str) -> Result:
    survey = ["--survey", SURVEY] if command == "search" else []
    told: Result = json.loads(
        call_in(workspace, sys.executable, "-m", "flows.cli", command, *words, *survey, "--json").splitlines()[-1]
    )
    return told


def main() -> None:
    """Measure, and print or write the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.distribution", description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--output", type=Path, help="file to write instead of standard output")
    asked = parser.parse_args()
    found = json.dumps(measure_distribution(side=2600, smoke=True) if asked.smoke else measure_distribution())
    if asked.output:
        asked.output.write_text(found, encoding="utf-8")
    else:
        print(found)


if __name__ == "__main__":
    main()
