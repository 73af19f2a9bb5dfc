"""What `outcrop retrain` takes beside training and evaluation, and what it takes when nothing changed.

The command runs in a copy of the workspace, code included, so that neither this one's records nor its edits are
touched or seen. Training is short: only what surrounds it is measured.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import yaml

from benchmarks.material import Stopwatch
from benchmarks.variants import PROJECT
from tasks.tracking import Tracker
from tasks.workspace import Workspace

#: The steps whose time is not overhead.
WORK = ("teacher", "control", "guide", "distil", "choose", "forest", "evaluate")
PARTS = (
    *("outcrop", "tasks", "flows", "data/surveys", "data/expectations"),
    *("params.yaml", "dvc.yaml", "constraints.txt", "pyproject.toml"),
)
SURVEY = "data/surveys/simulated.yaml"
CHANGES = {"train": {"epochs": {"teacher": 2, "assistant": 2, "student": 2}, "samples": 512}}
#: What would lead a command back to another workspace's stores.
FOREIGN = ("PREFECT_", "MLFLOW_", "OUTCROP_")


def measure_overhead(*, repetitions: int = 3) -> dict[str, Any]:
    """Seconds of the first `outcrop retrain`, of the work in it, of the rest; and of runs in which nothing changed."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        workspace = make_workspace(Path(name) / "workspace", CHANGES)
        call_in(workspace, sys.executable, "-m", "dvc", "repro", "--quiet")
        first = _retrain(workspace)
        steps = _step_seconds(workspace)
        work = sum(steps[step] for step in WORK)
        repeated = [_retrain(workspace) for _ in range(repetitions)]
    return {
        "first_seconds": first,
        "steps": steps,
        "work_seconds": work,
        "overhead_seconds": first - work,
        "unchanged_seconds": sorted(repeated)[len(repeated) // 2],
        "repetitions": repetitions,
    }


def make_workspace(root: Path, changes: Mapping[str, Any]) -> Workspace:
    """Make a copy of the project under DVC without git, its code compiled as after any earlier command."""
    root.mkdir()
    for part in PARTS:
        source, target = PROJECT / part, root / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    entries = yaml.safe_load((root / SURVEY).read_text())
    (root / SURVEY).write_text(yaml.safe_dump({**entries, "params": dict(changes)}, sort_keys=False))
    config = ConfigParser()
    config.read(PROJECT / ".dvc/config")
    config["core"]["no_scm"] = "true"
    (root / ".dvc").mkdir()
    with (root / ".dvc/config").open("w") as file:
        config.write(file)
    shutil.copy(PROJECT / ".dvcignore", root)
    workspace = Workspace(root)
    call_in(workspace, sys.executable, "-m", "compileall", "-q", "outcrop", "tasks", "flows")
    return workspace


def call_in(workspace: Workspace, *command: str) -> str:
    """Run a command with the copied code; gives its standard output, and shows all of it only if it fails."""
    own = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    # `dvc repro` finds `outcrop` beside this interpreter.
    path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", "")])
    environment = {**own, "PATH": path, "PYTHONPATH": str(workspace.root)}
    done = subprocess.run(command, cwd=workspace.root, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _retrain(workspace: Workspace) -> float:
    with Stopwatch() as watch:
        call_in(workspace, sys.executable, "-m", "flows.cli", "retrain", "--json")
    return watch.seconds


def _step_seconds(workspace: Workspace) -> Mapping[str, float]:
    """Duration of the MLflow runs of every step."""
    workspace.prepare()
    survey = yaml.safe_load((workspace.root / SURVEY).read_text())["survey"]
    tracker = Tracker.open(workspace, survey)
    runs = [run.info for run in tracker.client.search_runs([tracker.experiment])]
    seconds: Counter[str] = Counter()
    for run in runs:  # a run is called by its step, and by its rung if it has one
        seconds[run.run_name.split(" ")[0]] += (run.end_time - run.start_time) / 1000
    del seconds["retrain"]
    return seconds
