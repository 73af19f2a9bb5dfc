"""Who works: threads or processes of this machine, or a Dask cluster; light enough for every command to import."""

import os
from dataclasses import dataclass
from enum import StrEnum

from outcrop.errors import ParamsError

#: For how many workers work is cut where nobody knows: those of a cluster come and go.
MANY = 16


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
    if cluster:
        return Workers(chosen, MANY, cluster)
    return Workers(chosen, count or (1 if chosen is Runner.threads else os.cpu_count() or 1))


#: This process by itself.
ALONE = Workers()
