"""One run of a flow on a survey at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from outcrop.errors import WorkspaceError
from tasks.workspace import Workspace


@contextmanager
def alone(workspace: Workspace, flow: str, survey: str, path: Path) -> Iterator[None]:
    """Hold the lock of a flow on a survey, whose file is ``path``.

    Raises
    ------
    WorkspaceError : another run of it is under way.
    """
    lock = FileLock(workspace.state / f"{flow}-{survey}.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout as cause:
        raise WorkspaceError(
            f"another {flow} of this survey is running", where=path, remedy="wait until it ends"
        ) from cause
    try:
        yield
    finally:
        lock.release()
