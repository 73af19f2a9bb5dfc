"""Prefect's task runners, by what a user chose, and whole parts of a flow on them."""

from collections.abc import Callable, Sequence
from multiprocessing import parent_process
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tasks.progress import Progress, hush
from tasks.sharing import LOCAL, dask_client, end_with_parent, require
from tasks.workers import Runner, Workers

Part = TypeVar("Part")
Result = TypeVar("Result")


def task_runner(workers: Workers) -> TaskRunner[Any]:
    """The task runner of a flow.

    Raises
    ------
    WorkspaceError : prefect-dask is not installed, or the cluster does not answer.
    """
    if workers.runner is Runner.processes:
        return ProcessPoolTaskRunner(max_workers=workers.count)
    if workers.runner is Runner.threads:
        return ThreadPoolTaskRunner()
    runner: Callable[..., TaskRunner[Any]] = require("prefect_dask").DaskTaskRunner
    if not workers.cluster:
        return runner(cluster_kwargs={**LOCAL, "n_workers": workers.count})
    with dask_client(workers):  # a flow that began could only fail
        return runner(address=workers.cluster)


def on_workers(workers: Workers, work: Callable[[Part], Result], parts: Sequence[Part], title: str) -> list[Result]:
    """Results of work that runs steps, in the order of its parts: here in turn, or on the flow's task runner.

    Parts must not share a step. A worker computes with as many threads as this process would: sums depend on it.
    """
    if workers.runner is Runner.threads:  # torch's random numbers belong to a process
        return [work(part) for part in parts]
    import torch

    threads = torch.get_num_threads()
    with Progress(title, len(parts)) as bar:
        futures = [run_part.submit(work, part, threads) for part in parts]
        for future in as_completed(futures):
            future.result()
            bar.advance()
    return [future.result() for future in futures]


@task(name="part", cache_policy=NO_CACHE)
def run_part(work: Any, part: Any, threads: int) -> Any:
    """One part, in a worker."""
    import torch

    if parent_process() is not None:
        end_with_parent()
    hush()
    torch.set_num_threads(threads)
    return work(part)
