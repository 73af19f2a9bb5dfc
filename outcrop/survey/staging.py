"""Writing a folder all at once: it appears whole under its name, or not at all."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from outcrop.errors import WorkspaceError


@contextmanager
def staged(destination: Path, name: str) -> Iterator[Path]:
    """Yield an empty hidden folder that becomes ``destination/name`` when the block ends without an error.

    Whatever stood there before is replaced. What an earlier, killed run left is removed first. Runs that write to the
    same destination wait for each other.

    Raises
    ------
    WorkspaceError : the destination cannot be written (also for an OSError raised inside the block).
    """
    building, retired = destination / f".{name}.building", destination / f".{name}.retired"
    try:
        destination.mkdir(parents=True, exist_ok=True)
        with _locked(destination):
            _recover(destination / name, building, retired)
            building.mkdir()
            try:
                yield building
                _swap(building, destination / name, retired)
            finally:
                _remove(building)
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        raise WorkspaceError(
            f"cannot write `{name}`: {reason}", where=destination, remedy="check free space and write permission"
        ) from cause


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    # The lock is on the folder itself and dies with the process: no lock file to forget.
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _recover(final: Path, building: Path, retired: Path) -> None:
    if retired.exists() and not final.exists():
        retired.rename(final)
    _remove(retired)
    _remove(building)


def _swap(building: Path, final: Path, retired: Path) -> None:
    if final.exists():
        final.rename(retired)
    try:
        building.rename(final)
    except OSError:
        if retired.exists():
            retired.rename(final)
        raise
    _remove(retired)


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)
