"""Provenance: a step's digest follows the code it uses and no other, and a commit is dirty when it should be."""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from outcrop.record.provenance import Commit, package_versions, read_commit

PROJECT = Path(__file__).parents[2]
STEPS = ("tasks.validate", "tasks.teacher", "tasks.control", "tasks.distil", "tasks.forest", "tasks.evaluate")
DIGESTS = """
import json
from outcrop.record.provenance import SOURCE, code_digest
print(json.dumps([str(SOURCE), {step: code_digest(step) for step in STEPS}]))
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the source that a test may edit."""
    for package in ("outcrop", "tasks"):
        shutil.copytree(PROJECT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def digests(tree: Path) -> dict[str, str]:
    """What a fresh process, running from ``tree``, says of every step."""
    code = DIGESTS.replace("STEPS", repr(STEPS))
    environment = {**os.environ, "PYTHONPATH": str(tree)}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tree, env=environment, capture_output=True, text=True, check=True
    )
    source, found = json.loads(done.stdout)
    assert source == str(tree)
    return dict(found)


#: A module, and the steps whose results may change with it.
LEARNING = set(STEPS) - {"tasks.validate"}
EDITS = {
    "outcrop/record/report.py": set(),
    "outcrop/record/pages/templates/report.html": set(),
    "outcrop/field/pictures.py": set(),
    "outcrop/survey/simulate.py": set(),
    "outcrop/survey/simulation/mixing.py": set(),
    "outcrop/survey/checks.py": {"tasks.validate"},
    "outcrop/survey/augment.py": LEARNING,
    "outcrop/learning/encoders.py": LEARNING,
    "outcrop/survey/census.py": set(STEPS),
    "tasks/teacher.py": {"tasks.teacher"},
}


def test_editing_a_module_changes_the_steps_that_use_it_and_no_others(tree: Path) -> None:
    before = digests(tree)
    assert len(set(before.values())) == len(STEPS)
    for name, expected in EDITS.items():
        path = tree / name
        original = path.read_text()
        path.write_text(original + "\n# edited\n")
        after = digests(tree)
        assert {step for step in STEPS if after[step] != before[step]} == expected, name
        path.write_text(original)
    assert digests(tree) == before


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", root, *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "workspace"
    (root / "outcrop").mkdir(parents=True)
    (root / "data/surveys").mkdir(parents=True)
    for name in ("outcrop/code.py", "params.yaml", "constraints.txt", "data/surveys/mars.yaml", "README.md"):
        (root / name).write_text(name)
    git(root.parent, "init", "-q", str(root))
    git(root, "add", ".")
    git(root, "commit", "-q", "-m", "all")
    return root


CHANGES: dict[str, tuple[Callable[[Path], object], bool]] = {
    "nothing": (lambda root: None, False),
    "data added": (lambda root: (root / "data/north.dvc").write_text("x"), False),
    "readme edited": (lambda root: (root / "README.md").write_text("x"), False),
    "parameters edited": (lambda root: (root / "params.yaml").write_text("x"), True),
    "parameters removed": (lambda root: (root / "params.yaml").unlink(), True),
    "lock removed": (lambda root: (root / "constraints.txt").unlink(), True),
    "code added": (lambda root: (root / "outcrop/new.py").write_text("x"), True),
    "code removed": (lambda root: shutil.rmtree(root / "outcrop"), True),
    "staged": (lambda root: ((root / "params.yaml").write_text("x"), git(root, "add", ".")), True),
    "survey edited": (lambda root: (root / "data/surveys/mars.yaml").write_text("x"), True),
    "index damaged": (lambda root: (root / ".git/index").write_text("x"), True),
}


@pytest.mark.parametrize("name", CHANGES)
def test_dirty_means_that_code_parameters_or_lock_differ(name: str, workspace: Path) -> None:
    change, dirty = CHANGES[name]
    head = (workspace / ".git/refs/heads").iterdir().__next__().read_text().strip()
    change(workspace)
    assert read_commit(workspace) == Commit(head, dirty)


def test_outside_git_there_is_no_commit(tmp_path: Path) -> None:
    assert read_commit(tmp_path) == Commit(None, True)
    assert read_commit(tmp_path / "missing") == Commit(None, True)


def test_versions_are_those_of_what_runs() -> None:
    found = package_versions()
    assert found["python"] == platform.python_version()
    assert torch.__version__.startswith(found["torch"].split("+")[0])
    assert all(found.values())
