"""Sharing work out to processes of this machine, or to a Dask cluster.

A cluster that is started here is for its owner alone: it listens on loopback, and its processes know each other by a
certificate that is made for it and never written down. For one that runs elsewhere, Dask's own settings hold.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, CancelledError, Executor, as_completed
from contextlib import AbstractContextManager, ExitStack, contextmanager
from importlib import import_module
from typing import Any, TypeVar

from outcrop.errors import WorkspaceError
from tasks.progress import say
from tasks.workers import Runner, Workers

Part = TypeVar("Part")
Result = TypeVar("Result")
#: Seconds in which a cluster must answer, and have a worker.
PATIENCE = 30
#: How often in a row workers may be lost before one of them has finished anything.
LIVES = 3
#: A cluster on this machine: a thread a worker, no pages, nothing that another user could talk to.
LOCAL: dict[str, Any] = {
    "processes": True,
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    "dashboard_address": None,
    "security": True,
}


def require(package: str) -> Any:
    """A package of the optional dependencies `dask`.

    Raises
    ------
    WorkspaceError : it is not installed.
    """
    try:
        return import_module(package)
    except ImportError as cause:
        name = package.replace("_", "-")
        raise WorkspaceError(f"{name} is not installed", remedy="pip install -c constraints.txt '.[dask]'") from cause


@contextmanager
def dask_client(workers: Workers) -> Iterator[Any]:
    """A client of the cluster that is named, or of one that is started for the block.

    Raises
    ------
    WorkspaceError : Dask is not installed, or no cluster with a worker answers, or lets us in.
    """
    distributed = require("distributed")
    if workers.cluster:
        _require_certificates(distributed, workers.cluster)
    with ExitStack() as stack:
        try:
            cluster = workers.cluster or stack.enter_context(distributed.LocalCluster(n_workers=workers.count, **LOCAL))
            client = stack.enter_context(distributed.Client(cluster, timeout=PATIENCE, set_as_default=False))
            client.wait_for_workers(1, timeout=PATIENCE)
        except (OSError, ValueError) as cause:  # a timeout is an OSError
            raise WorkspaceError(
                "no Dask cluster with a worker answers",
                where=workers.cluster,
                remedy="start `dask scheduler` and `dask worker`, or name another address",
            ) from cause
        yield client


def _require_certificates(distributed: Any, address: str) -> None:
    """Dask itself only says what its sockets lack, and takes a minute over it."""
    settings = distributed.Security().get_connection_args("client")
    if not settings["ssl_context"] if address.startswith("tls://") else settings["require_encryption"]:
        raise WorkspaceError(
            "Dask's settings of certificates do not fit the cluster's address",
            where=address,
            remedy="name certificates and a tls:// address, or neither: see docs/operations.md",
        )


def share_out(workers: Workers, work: Callable[[Part], Result], parts: Sequence[Part]) -> Iterator[Result]:
    """Results of work over parts, by processes or Dask workers, in the order in which they come.

    What a worker that dies was about is done again by another one. ``work``, ``parts`` and results are sent from
    process to process.

    Raises
    ------
    WorkspaceError : workers die before they finish anything, or there is no cluster; also what ``work`` raises.
    """
    left, lives = dict(enumerate(parts)), LIVES
    while left:
        before = len(left)
        try:
            with _engine(workers) as engine:
                under_way = {engine.submit(work, part): place for place, part in left.items()}
                for future in as_completed(under_way):
                    result = future.result()
                    # Nothing holds a result once it is given away: there may be more of them than memory.
                    del left[under_way.pop(future)], future
                    yield result
        except (BrokenExecutor, CancelledError) as cause:
            lives = lives - 1 if len(left) == before else LIVES
            if not lives:
                raise WorkspaceError(
                    "the workers end before they finish anything",
                    where=workers.cluster or f"{workers.count} {workers.runner}",
                    remedy="give them more memory or start fewer, then run the command again: it goes on from here",
                ) from cause
            say("a worker was lost: going on with others")


def _engine(workers: Workers) -> AbstractContextManager[Executor]:
    return _dask_executor(workers) if workers.runner is Runner.dask else _processes(workers.count)


@contextmanager
def _dask_executor(workers: Workers) -> Iterator[Executor]:
    with dask_client(workers) as client:
        from distributed import KilledWorker

        try:
            yield client.get_executor(pure=False)
        except KilledWorker as cause:  # several workers in turn died of the same part
            raise BrokenExecutor(str(cause)) from cause


@contextmanager
def _processes(count: int) -> Iterator[Executor]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    # Spawned, not forked: threads of this process may hold locks.
    with ProcessPoolExecutor(count, get_context("spawn"), initializer=end_with_parent) as pool:
        try:
            yield pool
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def end_with_parent() -> None:
    """Have this worker end when its parent does: one whose parent is killed would work on, and wait for ever."""
    from multiprocessing import parent_process
    from multiprocessing.connection import wait
    from threading import Thread

    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        wait([parent.sentinel])
        os._exit(1)

    Thread(target=watch, daemon=True).start()
