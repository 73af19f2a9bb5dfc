"""Kill a command at points all over it, run it again, and compare with what nobody disturbed.

    python tests/faults/kill_points.py [--command retrain] [--points 40] [--rounds 3] [--seed 7] [--output FILE]

Each point has a workspace of its own, on the tiny survey. All runs speak to one Prefect server, which is not killed.
Prints one JSON object; what is in ``output`` already is not done again. Exit code 1 where something differed.
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS / "faults")]

from benches import Bench, copy_bench, make_bench  # noqa: E402
from remains import differences, remains  # noqa: E402
from strikes import Strike, choose, struck  # noqa: E402

from benchmarks.servers import one_server  # noqa: E402
from outcrop.record.drafts import write_whole  # noqa: E402
from tasks.workspace import ENVIRONMENT  # noqa: E402

#: What each command imports, except Prefect: that reads the environment when it is imported.
HEAVY = {
    "retrain": ("great_expectations", "matplotlib.pyplot", "mlflow.pyfunc", "sklearn.ensemble", "torch"),
    "ingest": ("tasks.data", "outcrop.survey.surveys"),
}


def heavy(command: str) -> None:
    """Import what a command imports, for those that are forked from this process."""
    for name in HEAVY[command]:
        import_module(name)


def run(command: str, bench: Bench, strike: Strike | None, touches: Path | None = None) -> int:
    """The command on the bench's survey; gives the signal that ended it."""
    about = ["--survey"] if command == "retrain" else []
    words = [command, *about, str(bench.survey), "--json"]
    return struck(bench, words, strike, bench.root.parent / "said", touches)


def kill_and_compare(
    command: str, pristine: Bench, whole: dict[str, Any], strike: Strike, folder: Path
) -> dict[str, Any]:
    """Kill, run again, and tell what is not as it should be."""
    started = time.perf_counter()
    bench = copy_bench(pristine, folder)
    bench.write_survey()
    ended = run(command, bench, strike)
    try:
        run(command, bench, None)
        differs = differences(whole, remains(bench, folder / "said"))
    except RuntimeError as error:  # it does not go on: that, too, is a finding
        differs = [str(error)[-2000:]]
    shutil.rmtree(folder)
    return {
        "touch": strike.touch,
        "occurrence": strike.occurrence,
        "killed": ended == 9,
        "differs": differs,
        "seconds": round(time.perf_counter() - started, 1),
    }


def main(command: str, points: int, rounds: int, seed: int, output: Path | None) -> int:
    """Do all rounds; gives the exit code."""
    os.environ.update(ENVIRONMENT)
    heavy(command)
    done: list[dict[str, Any]] = json.loads(output.read_text())["points"] if output and output.is_file() else []
    with tempfile.TemporaryDirectory() as scratch, one_server(Path(scratch)) if command == "retrain" else nullcontext():
        folder = Path(scratch)
        pristine = make_bench(folder / "pristine")
        bench = copy_bench(pristine, folder / "whole")
        bench.write_survey()
        run(command, bench, None, folder / "touches.json")
        whole, touches = remains(bench, folder / "whole" / "said"), json.loads((folder / "touches.json").read_text())
        told = {"touches": len(touches), "kinds": len(set(touches)), "rounds": rounds, "seed": seed}
        for number in range(rounds):
            for place, strike in enumerate(choose(touches, points, random.Random(seed + number).randrange)):
                if any((each["round"], each["place"]) == (number, place) for each in done):
                    continue
                found = kill_and_compare(command, pristine, whole, strike, folder / f"{number}-{place}")
                done.append({"round": number, "place": place, **found})
                print(done[-1], file=sys.stderr, flush=True)
                if output:
                    write_whole(output, json.dumps({**told, "points": done}, indent=1), "figures")
    print(json.dumps({**told, "points": done}))
    return int(any(each["differs"] for each in done))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--command", choices=HEAVY, default="retrain")
    parser.add_argument("--points", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    sys.exit(main(asked.command, asked.points, asked.rounds, asked.seed, asked.output))
