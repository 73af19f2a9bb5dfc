"""Where work is shared out: processes of this machine, or a Dask cluster.

A cluster that is started here is for its owner alone: it listens on loopback, and its processes know each other by a
certificate that is made for it and never written down. For one that runs elsewhere, Dask's own settings hold.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from typing import Any

from outcrop.errors import ParamsError, WorkspaceError

#: Seconds in which a cluster must answer, and have a worker.
PATIENCE = 30
#: A cluster on this machine: a thread a worker, no pages, nothing that another user could talk to.
LOCAL: dict[str, Any] = {
    "processes": True,
    "threads_per_worker": 1,
    "host": "127.0.0.1",
    "dashboard_address": None,
    "security": True,
}


class Runner(StrEnum):
    """What runs the workers."""

    threads = "threads"
    processes = "processes"
    dask = "dask"


@dataclass(frozen=True)
class Workers:
    """Who works: so many threads, processes or Dask workers of this machine, or those of the cluster at an address."""

    runner: Runner = Runner.threads
    count: int = 1
    cluster: str | None = None


def choose_workers(runner: Runner | None, count: int | None, cluster: str | None) -> Workers:
    """What is left open follows from the rest: a cluster is Dask's, several workers are processes.

    Raises
    ------
    ParamsError : the choices contradict one another.
    """
    several = count is not None and count > 1
    chosen = runner or (Runner.dask if cluster else Runner.processes if several else Runner.threads)
    if cluster and chosen is not Runner.dask:
        raise ParamsError("a cluster is Dask's", where="--cluster", remedy="leave --runner out, or make it dask")
    if cluster and count:
        raise ParamsError("a cluster has the workers it has", where="--workers", remedy="leave it out")
    if several and chosen is Runner.threads:
        raise ParamsError("threads are one worker", where="--workers", remedy="add --runner processes, or dask")
    return Workers(chosen, count or (1 if chosen is Runner.threads else os.cpu_count() or 1), cluster)


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
    WorkspaceError : Dask is not installed, or no cluster with a worker answers.
    """
    distributed = require("distributed")
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
