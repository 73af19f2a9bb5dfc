"""What the repository still holds of the commits that records name."""

import subprocess
from pathlib import Path


def is_checkout(root: Path) -> bool:
    """Whether git knows this folder."""
    return _ask(root, "rev-parse", "--git-dir") is not None


def has_commit(root: Path, sha: str) -> bool:
    """Whether the repository still holds a commit."""
    return _ask(root, "cat-file", "-e", f"{sha}^{{commit}}") is not None


def file_at(root: Path, sha: str, path: str) -> bytes | None:
    """A file as it was in a commit; None where it was not there."""
    return _ask(root, "show", f"{sha}:./{path}")


def _ask(root: Path, *arguments: str) -> bytes | None:
    """What git answers; None where it refuses, or is not there."""
    try:
        done = subprocess.run(["git", "-C", root, *arguments], capture_output=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout
