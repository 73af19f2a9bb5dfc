"""Measure what Outcrop promises of its speed and memory, and write docs/performance.md.

Every benchmark runs in a process of its own, so that none meets another's caches, threads or memory. What was measured
at full size is kept in the workspace's state folder, so that the command resumes; the document is written when nothing
is missing.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.documents import fill, machine
from outcrop.record.drafts import write_whole
from tasks.workspace import Workspace

PROJECT = Path(__file__).parent.parent
DOCUMENT = PROJECT / "docs" / "performance.md"
#: What was found at full size, for documents that rest on it.
KEPT = Workspace(PROJECT).state / "benchmarks" / "performance"
Result = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """What one figure has to reach: ``limit`` at most, or more than that."""

    name: str
    what: str
    figure: Callable[[Result], float]
    limit: float
    shown: str = "{:.2f}"
    at_most: bool = True

    def row(self, result: Result) -> tuple[str, str, str, str]:
        """What was measured, the figure, the target, and whether it was met."""
        value = self.figure(result)
        met = value <= self.limit if self.at_most else value > self.limit
        sign = "at most" if self.at_most else "more than"
        return self.what, self.shown.format(value), f"{sign} {self.shown.format(self.limit)}", "yes" if met else "NO"


@dataclass(frozen=True)
class Benchmark:
    """Sizes of the smoke form of `measure_<name>` in the module of that name, and its targets."""

    name: str
    smoke: dict[str, int]
    targets: tuple[Target, ...]

    def run(self, smoke: bool) -> Result:
        """Measure in this process."""
        measure = getattr(importlib.import_module(f"benchmarks.{self.name}"), f"measure_{self.name}")
        result: Result = measure(**(self.smoke if smoke else {}))
        return result


def _target(name: str, what: str, path: str, limit: float, **options: Any) -> Target:
    def figure(result: Result) -> float:
        value: Any = result
        for key in path.split("."):
            value = value[key]
        return float(value)

    return Target(name, what, figure, limit, **options)


BENCHMARKS = (
    Benchmark(
        "loop",
        {"size": 96, "samples": 128, "repetitions": 2},
        (
            _target(
                "loop", "teacher: epoch of the training loop / of a bare loop", "teacher.ratio", 1.05, shown="{:.3f}"
            ),
            _target(
                "loop", "student: epoch of the training loop / of a bare loop", "student.ratio", 1.05, shown="{:.3f}"
            ),
        ),
    ),
    Benchmark(
        "delivery",
        {"size": 96, "samples": 128, "repetitions": 2},
        (
            _target("delivery", "teacher: patches delivered / consumed", "teacher.ratio", 1, at_most=False),
            _target("delivery", "student: patches delivered / consumed", "student.ratio", 1, at_most=False),
        ),
    ),
    Benchmark(
        "teaching",
        {"size": 96, "samples": 128, "repetitions": 1},
        (
            _target("teaching", "student: epoch of distillation / of training on labels", "step_ratio", 1.3),
            _target("teaching", "the chain of rungs / teacher and control", "chain_ratio", 2.5),
        ),
    ),
    Benchmark(
        "memory",
        {"small": 96, "large": 160},
        (
            _target("memory", "census: more memory on the larger site", "growth.census", 0.2, shown="{:.1%}"),
            _target("memory", "training: more memory on the larger site", "growth.train", 0.2, shown="{:.1%}"),
        ),
    ),
    Benchmark(
        "cubes",
        {"megabytes": 4},
        (_target("cubes", "ingest of a 2 GB cube: peak memory", "peak_mb", 500, shown="{:.0f} MB"),),
    ),
    Benchmark(
        "scenes",
        {"sites": 1},
        (_target("scenes", "ingest of the 85 scenes of `neon`", "seconds", 60, shown="{:.1f} s"),),
    ),
    Benchmark(
        "overhead",
        {"repetitions": 1},
        (
            _target("overhead", "`outcrop retrain` less its work", "overhead_seconds", 60, shown="{:.1f} s"),
            _target("overhead", "`outcrop retrain`, nothing changed", "unchanged_seconds", 20, shown="{:.1f} s"),
        ),
    ),
    Benchmark(
        "dense",
        {"side": 16, "repetitions": 1},
        (
            _target(
                "dense",
                "dense map / one patch a cell, footprint 9, by its 81 cells",
                "footprint9.share",
                0.7,
                at_most=False,
            ),
        ),
    ),
    Benchmark(
        "utilisation",
        {"matrix": 128, "repetitions": 1},
        (
            _target(
                "utilisation",
                "student: multiply-adds a second / of a matrix product",
                "footprint9.share",
                0.6,
                shown="{:.0%}",
                at_most=False,
            ),
        ),
    ),
    Benchmark(
        "mosaics",
        {"large": 2600, "small": 1300, "cells": 40, "starts": 1},
        (
            _target("mosaics", "teacher / student, from files to map", "faster", 10, shown="{:.1f}", at_most=False),
            _target("mosaics", "map of 20,000 x 20,000 pixels: peak memory", "large.peak_mb", 1000, shown="{:.0f} MB"),
            _target("mosaics", "its throughput / of 5,000 x 5,000 pixels", "flatness", 0.9, at_most=False),
            _target("mosaics", "two processes / one", "two_processes", 1.8, at_most=False),
            _target("mosaics", "cold start of `outcrop map`", "cold_start_seconds", 1.5, shown="{:.2f} s"),
        ),
    ),
)


def main() -> None:
    """Measure what is missing, print it, and write the document when nothing is."""
    chosen = _arguments()
    benchmarks = [entry for entry in BENCHMARKS if chosen.only in (None, entry.name)]
    if chosen.here:
        results = {entry.name: entry.run(chosen.smoke) for entry in benchmarks}
    elif chosen.smoke:
        results = {entry.name: _run_apart(entry, smoke=True) for entry in benchmarks}
    else:
        results = {entry.name: _kept(entry, again=bool(chosen.only)) for entry in benchmarks}
    if chosen.json:
        print(json.dumps(results))
    else:
        _print(benchmarks, results)
    if not chosen.smoke and not chosen.here and (everything := _all_kept()):
        write_whole(DOCUMENT, render(everything), "document")
        print(DOCUMENT, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.performance", description=__doc__.partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="tiny sizes: whether it runs, not how fast; kept nowhere")
    parser.add_argument(
        "--only", choices=[entry.name for entry in BENCHMARKS], help="measure this one, even if it is kept"
    )
    parser.add_argument("--here", action="store_true", help="in this process; kept nowhere")
    parser.add_argument("--json", action="store_true", help="print one JSON object on standard output")
    return parser.parse_args()


def figures_of(name: str) -> Result | None:
    """What a benchmark found when it last ran at full size; None where it has not."""
    kept = KEPT / f"{name}.json"
    return json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else None


def _run_apart(benchmark: Benchmark, smoke: bool) -> Result:
    print(f"measuring {benchmark.name} ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "benchmarks.performance", "--only", benchmark.name, "--here", "--json"]
    # Threads that wait for work must not take the cores from those that work.
    environment = {**os.environ, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    command += ["--smoke"] if smoke else []
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    result: Result = json.loads(done.stdout.splitlines()[-1])[benchmark.name]
    return result


def _kept(benchmark: Benchmark, again: bool) -> Result:
    found = None if again else figures_of(benchmark.name)
    if found is None:
        found = _run_apart(benchmark, smoke=False)
        write_whole(KEPT / f"{benchmark.name}.json", json.dumps(found, indent=1), "figures")
    return found


def _all_kept() -> dict[str, Result] | None:
    """What was measured, by benchmark; None while one of them is missing."""
    found = {entry.name: figures_of(entry.name) for entry in BENCHMARKS}
    whole = {name: figures for name, figures in found.items() if figures is not None}
    return whole if len(whole) == len(found) else None


def _rows(benchmarks: list[Benchmark], results: dict[str, Result]) -> list[tuple[str, str, str, str]]:
    return [target.row(results[entry.name]) for entry in benchmarks for target in entry.targets]


def _print(benchmarks: list[Benchmark], results: dict[str, Result]) -> None:
    print(f"{'':<54} {'measured':>10}  {'target':<16} met")
    for what, value, target, met in _rows(benchmarks, results):
        print(f"{what:<54} {value:>10}  {target:<16} {met}")


def render(results: dict[str, Result]) -> str:
    """The document of a complete set of figures."""
    rows = _rows(list(BENCHMARKS), results)
    return fill("performance.md.j2", machine=machine(), rows=rows, **results)


if __name__ == "__main__":
    main()
