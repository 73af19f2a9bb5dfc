"""Where a result comes from: the code's commit and digest, the packages, the machine's kind."""

import platform
import subprocess
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import grimp

from outcrop.record.digests import digest_files

#: What "dirty" speaks of: code, parameters and lock; data that were added do not count.
TRACKED = (
    *("outcrop", "tasks", "flows", "data/surveys", "data/expectations"),
    *("params.yaml", "pyproject.toml", "constraints.txt", "dvc.yaml"),
)
PACKAGES = ("torch", "lightning-fabric", "numpy", "scipy", "scikit-learn", "rasterio", "prefect", "mlflow", "dvc")
#: Tables and templates that the modules beside them read.
DATA_FILES = ("*.csv", "templates/*")
#: The folder that holds the packages outcrop and tasks.
SOURCE = Path(__file__).parents[2]


@dataclass(frozen=True)
class Commit:
    """The git commit of a workspace (None outside git) and whether code, parameters or lock differ from it."""

    sha: str | None
    dirty: bool


def read_commit(root: Path) -> Commit:
    """Ask git what is checked out at ``root``."""
    sha = _git(root, "rev-parse", "HEAD")
    if sha is None:
        return Commit(None, True)
    # Not knowing counts as dirty, and so does a path that was removed.
    return Commit(sha.strip(), _git(root, "status", "--porcelain", "--", *TRACKED) != "")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        found = subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout


def package_versions() -> dict[str, str]:
    """Versions of Python and of the packages that decide results."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


@cache
def _imports() -> grimp.ImportGraph:
    # What is imported for its type alone decides nothing.
    return grimp.build_graph("outcrop", "tasks", exclude_type_checking_imports=True, cache_dir=None)


@cache
def code_digest(module: str) -> str:
    """Digest of a module and of every module of ``outcrop`` that it imports, directly or not, and their data files.

    Editing a module that a step does not use leaves the step's digest, and with it its cached result, as it was.
    """
    used = {module, *(name for name in _imports().find_upstream_modules(module) if name.startswith("outcrop"))}
    modules = {_file(name) for name in used}
    beside = {file for path in modules for pattern in DATA_FILES for file in path.parent.glob(pattern)}
    return digest_files(modules | beside, SOURCE)


def _file(module: str) -> Path:
    path = SOURCE.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
