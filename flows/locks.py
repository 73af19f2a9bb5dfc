"""One flow that trains on a survey at a time: they share steps, whose results would be mixed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from outcrop.errors import WorkspaceError
from tasks.workspace import Workspace


@contextmanager
def alone(workspace: Workspace, survey: str, path: Path) -> Iterator[None]:
    """Hold the lock of a survey, whose file is ``path``.

    Raises
    ------
    WorkspaceError : another run on it is under way.
    """
    lock = FileLock(workspace.state / f"train-{survey}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as cause:
        raise WorkspaceError(
            "another run on this survey is under way", where=path, remedy="wait until it ends"
        ) from cause
    try:
        yield
    finally:
        lock.release()
