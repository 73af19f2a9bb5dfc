"""Prefect's task runners, by what a user chose."""

from collections.abc import Callable
from typing import Any

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner

from tasks.sharing import LOCAL, dask_client, require
from tasks.workers import Runner, Workers


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
