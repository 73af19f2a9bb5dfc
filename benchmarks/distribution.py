"""Mapping and search by two Dask workers of this machine, against one: how many times as fast, and whether they agree.

Both run through their commands, cluster and all. Of a search, only what the trials take is compared: what the command
takes when all of them are known is subtracted. The ratio says something only where each worker has a core to itself:
`--prepare` makes what is needed beforehand.

    python -m benchmarks.distribution [--smoke] [--folder FOLDER [--prepare]] [--output FILE]
"""

import argparse
import json
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.material import Stopwatch
from benchmarks.overhead import SURVEY, call_in, make_workspace
from benchmarks.scenery import write_mosaic
from benchmarks.targets import Target
from benchmarks.untrained import untrained, write_untrained
from outcrop.record.digests import digest_folder
from outcrop.record.drafts import write_whole
from tasks.workspace import Workspace

FOOTPRINT = 9
#: Pixels a side of the mosaic.
SIDE, SMOKE_SIDE = 24_000, 2600
WORKERS = (1, 2)
TARGETS = (
    Target("mapping.ratio", "mapping: two workers / one", low=1.7, shown="{:.2f}"),
    Target("search.ratio", "search: two workers / one", low=1.7, shown="{:.2f}"),
)
#: A search of two generations, whose guides need not know much; in its smoke form a few short trials.
FULL: dict[str, Any] = {
    "train": {"epochs": {"teacher": 2, "assistant": 2, "student": 10}},
    "search": {"population": 6, "iterations": 1, "repeats": 0, "promote": 1, "seeds": 1},
}
SMOKE: dict[str, Any] = {
    "train": {"epochs": {"teacher": 2, "assistant": 2, "student": 2}, "samples": 256},
    "simulate": {"size": 96},
    "search": {"population": 5, "iterations": 1, "repeats": 0, "seeds": 1, "promote": 1},
}
#: What trains the guides of a search, and is over soon after.
BRIEF = ("search.population=5", "search.fidelity=0.05")
Result = dict[str, Any]


def prepare(root: Path, *, side: int, smoke: bool) -> Workspace:
    """A workspace with a model and a mosaic of ``side`` pixels a side, and the simulated survey with trained guides."""
    workspace, done = Workspace(root), root / "prepared"
    if not done.is_file():
        make_workspace(root, SMOKE if smoke else FULL)
        write_untrained(*untrained("student", ["rgb"], FOOTPRINT), root / "export")
        write_mosaic(root / "mosaic.tif", side)
        call_in(workspace, sys.executable, "-m", "dvc", "repro", "--quiet")
        _told(workspace, "search", *(word for change in BRIEF for word in ("--set", change)))
        done.touch()
    return workspace


def measure_mapping(workspace: Workspace, side: int) -> Result:
    """Seconds that a map takes with one worker and with two; whether the maps are the same to the byte."""
    told, digests = {}, []
    for count in (0, *WORKERS):  # first this process by itself, which gives no figure of the ratio
        folder = workspace.root / "maps" / str(count)
        shutil.rmtree(folder, ignore_errors=True)
        words = ["--threads", "1", *(["--runner", "dask", "--workers", str(count)] if count else [])]
        with Stopwatch() as watch:
            _told(workspace, "map", "export", "mosaic.tif", "-o", str(folder), *words)
        told[count] = watch.seconds
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
    memo = next((workspace.state / "searches").glob("*.jsonl"))
    took, outcomes = {}, []
    for count in WORKERS:
        memo.unlink(missing_ok=True)
        took[count], found = _timed(workspace, "--runner", "dask", "--workers", str(count))
        outcomes.append((found["winner"], found["gains"], found["rank_correlation"]))
    known, _ = _timed(workspace)
    seconds = {count: took[count] - known for count in WORKERS}
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: whether it runs, not how fast")
    parser.add_argument("--folder", type=Path, help="a new folder, or one that was prepared; default: a temporary one")
    parser.add_argument("--prepare", action="store_true", help="prepare the folder, and measure nothing")
    parser.add_argument("--output", type=Path, help="file to write instead of standard output")
    asked = parser.parse_args()
    side = SMOKE_SIDE if asked.smoke else SIDE
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        workspace = prepare(asked.folder or Path(name) / "workspace", side=side, smoke=asked.smoke)
        if asked.prepare:
            return
        found = json.loads(asked.output.read_text()) if asked.output and asked.output.is_file() else {}
        parts = {"mapping": partial(measure_mapping, workspace, side), "search": partial(measure_search, workspace)}
        for part, measure in parts.items():
            found[part] = found.get(part) or measure()
            if asked.output:
                write_whole(asked.output, json.dumps(found, indent=1), "figures")
    if not asked.output:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
