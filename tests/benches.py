"""Workspaces of their own for tests: parameters, lock, DVC, and the tiny survey's raw files."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import mlflow
import pytest
import yaml
from conftest import PROJECT, TinySurvey, make_tiny_survey

#: Small enough for seconds, large enough for several epochs, blocks and steps.
QUICK: dict[str, Any] = {
    "train": {
        "epochs": {"teacher": 4, "assistant": 4, "student": 4},
        "samples": 192,
        "val_samples": 60,
        "lr": {"teacher": 0.01, "student": 0.01},
    },
    "teacher": {"stages": [8, 8], "features": {"default": 8}, "token": 16, "heads": 2, "hidden": 8},
    "student": {"stages": [8, 8], "features": 8},
    "evaluate": {"bootstrap": 50, "latency_runs": 5, "stride": 1},
    "forest": {"trees": 10},
    "patches": {"batch": 16, "pairs": 300},
}


Damage = Callable[["Bench"], object]


def change(*keys: str, value: object) -> Damage:
    """Another value at one place of a bench's survey file."""

    def damage(bench: "Bench") -> None:
        inner = bench.tiny.entries
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
        bench.write_survey()

    return damage


@dataclass
class Bench:
    """A workspace and its survey; `run` calls the real command in a process of its own.

    ``servers`` are variables of the environment that name other stores than the workspace's own.
    """

    root: Path
    tiny: TinySurvey
    servers: dict[str, str] = field(default_factory=dict)

    @property
    def survey(self) -> Path:
        return self.root / "data" / "surveys" / "tiny.yaml"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_"))}
        own = {"OUTCROP_REAL_DATA": str(self.tiny.raw), "OMP_NUM_THREADS": "1", "PYTHONPATH": str(PROJECT)}
        return kept | own | self.servers

    def write_survey(self) -> None:
        self.survey.parent.mkdir(parents=True, exist_ok=True)
        self.survey.write_text(yaml.safe_dump(self.tiny.entries), encoding="utf-8")

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "flows.cli", *words, "--workspace", str(self.root)]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, check=False)

    def retrain(self, *words: str) -> dict[str, Any]:
        done = self.run("retrain", "--survey", str(self.survey), "--json", *words)
        assert done.returncode == 0, done.stderr
        result: dict[str, Any] = json.loads(done.stdout)
        return result


def make_bench(folder: Path) -> Bench:
    """A workspace with the tiny survey, under DVC but outside git, whose registry is empty."""
    bench = Bench(folder / "workspace", make_tiny_survey(folder))
    bench.root.mkdir()
    for name in ("params.yaml", "constraints.txt"):
        shutil.copy(PROJECT / name, bench.root / name)
    shutil.copytree(PROJECT / "data" / "expectations", bench.root / "data" / "expectations")
    subprocess.run([sys.executable, "-m", "dvc", "init", "--no-scm", "--quiet"], cwd=bench.root, check=True)
    # MLflow takes seconds to make its tables.
    (bench.root / ".outcrop").mkdir()
    mlflow.MlflowClient(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}").search_experiments()
    bench.tiny.entries["params"] |= deepcopy(QUICK)
    bench.write_survey()
    return bench


def copy_bench(bench: Bench, folder: Path) -> Bench:
    """The same workspace and raw files in another folder: quicker than to make them."""
    shutil.copytree(bench.root, folder / "workspace")
    shutil.copytree(bench.tiny.raw, folder / "raw")
    entries = deepcopy(bench.tiny.entries)
    return Bench(
        folder / "workspace",
        replace(bench.tiny, raw=folder / "raw", destination=folder / "sites", entries=entries),
    )


@contextmanager
def own_results(bench: Bench) -> Iterator[None]:
    """Prefect keeps results where a process of the workspace's own would, not those of all workspaces in one place."""
    from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: bench.root / ".outcrop" / "prefect" / "results"}):
        yield


class Said(NamedTuple):
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str


@dataclass(frozen=True)
class Caller:
    """Calls the command line's entry point in this process; ``flows``: also commands that need Prefect's server."""

    flows: bool = False

    def __call__(self, bench: Bench, *words: str) -> Said:
        from flows.cli import main

        code, out, err = 0, StringIO(), StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            own_results(bench) if self.flows else nullcontext(),
            redirect_stdout(out),
            redirect_stderr(err),
        ):
            patch.setenv("OUTCROP_REAL_DATA", str(bench.tiny.raw))
            patch.setattr(sys, "argv", ["outcrop", *words, "--workspace", str(bench.root)])
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    def told(self, bench: Bench, *words: str) -> dict[str, Any]:
        """What a command about the bench's survey says as JSON."""
        said = self(bench, *words, "--survey", str(bench.survey), "--json")
        assert said.code == 0, said.err
        result: dict[str, Any] = json.loads(said.out)
        return result
