"""Writing a file all at once: it appears whole under its name, or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from outcrop.errors import WorkspaceError


@contextmanager
def drafted(path: Path, what: str) -> Iterator[Path]:
    """A file beside ``path`` that takes its place at the end; what cannot be written is told before any work.

    Raises
    ------
    WorkspaceError : the folder or the file cannot be written; ``what`` says what it would have been.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield draft
        draft.replace(path)
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        raise WorkspaceError(f"cannot write the {what}: {reason}", where=path, remedy="check the folder") from cause
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_whole(path: Path, text: str, what: str) -> Path:
    """Write a text, whole or not at all, and return its path.

    Raises
    ------
    WorkspaceError : the file cannot be written.
    """
    with drafted(path, what) as draft:
        draft.write_text(text, encoding="utf-8")
    return path
