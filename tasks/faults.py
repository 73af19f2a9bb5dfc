"""What stops a command from outside, told in one sentence: a full disk, forbidden files, stores or workers gone."""

import errno
import sys
from concurrent.futures import BrokenExecutor

from outcrop.errors import OutcropError, WorkspaceError

#: Why a file cannot be written, where only a person can mend it.
FOR_A_PERSON = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM})
AGAIN = "then run the command again: it goes on from here"


def is_for_a_person(failure: object) -> bool:
    """Whether it is a disk or a file that will not mend itself."""
    return isinstance(failure, OSError) and failure.errno in FOR_A_PERSON


def as_told(failure: Exception) -> OutcropError | None:
    """The sentence for what a user can mend; None for what only a traceback explains."""
    if isinstance(failure, OSError) and is_for_a_person(failure):
        reason = (failure.strerror or str(failure)).lower()
        return WorkspaceError(reason, where=failure.filename, remedy=f"check free space and permissions, {AGAIN}")
    # They take long to import, and what was not imported has not failed.
    tracking, httpx, dask = (sys.modules.get(name) for name in ("tasks.tracking", "httpx", "distributed"))
    if isinstance(failure, BrokenExecutor) or (dask is not None and isinstance(failure, dask.KilledWorker)):
        return WorkspaceError("a worker ended before its work", remedy=f"give them more memory or start fewer, {AGAIN}")
    if httpx is not None and isinstance(failure, httpx.TransportError):
        return WorkspaceError(f"the Prefect server does not answer: {failure}", remedy=f"see that it runs, {AGAIN}")
    if tracking is not None and tracking.is_passing(failure):
        reason = (str(failure).splitlines() or ["it does not say why"])[0]
        return WorkspaceError(f"MLflow's store does not work: {reason}", remedy=f"see that it answers, {AGAIN}")
    return None
