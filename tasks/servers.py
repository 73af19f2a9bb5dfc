"""What a service consists of: the Prefect server, MLflow's pages, and the process that starts the runs."""

import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from outcrop.errors import WorkspaceError
from tasks.processes import Process
from tasks.service import HOST, answers, service_folder
from tasks.workspace import ELSEWHERE, Workspace

#: Seconds in which a member must be up.
PATIENCE = 120.0
#: How Prefect's database is spoken to, by how a user names it.
DRIVERS = {"postgresql": "postgresql+asyncpg", "postgres": "postgresql+asyncpg", "sqlite": "sqlite+aiosqlite"}


@dataclass
class Member:
    """A process of a service, and how to tell that it is up.

    ``option`` names the port on the command line; ``url`` is where its pages are, ``None`` where it has none.
    """

    process: Process
    is_up: Callable[[], bool]
    url: str = ""
    option: str = ""
    port: int = 0

    def wait(self, ended: threading.Event) -> bool:
        """Wait until it is up; False if the service is to end before that.

        Raises
        ------
        WorkspaceError : it ended, or did not come up in time.
        """
        until = time.monotonic() + PATIENCE
        while not self.is_up():
            if ended.wait(0.1):
                return False
            if not self.process.runs or time.monotonic() > until:
                raise WorkspaceError(
                    f"{self.process.name} does not start: {self.process.last_words()}",
                    where=self.process.log,
                    remedy="read that file",
                )
        return True


def _process(workspace: Workspace, word: str, name: str, command: Sequence[str], **environment: str) -> Process:
    return Process(
        name,
        [sys.executable, "-m", *command],
        {**os.environ, **environment},
        f"{word}:{name}",
        workspace.root,
        service_folder(workspace) / f"{name}.log",
    )


def prefect_server(workspace: Workspace, word: str, port: int, database: str | None) -> Member:
    """The Prefect server: its API and pages, the scheduler, the triggers.

    Raises
    ------
    WorkspaceError : the database's kind is not known.
    """
    url, stored = f"http://{HOST}:{port}", {}
    if database:
        kind, colon, rest = database.partition(":")
        if kind not in DRIVERS or not colon:
            raise WorkspaceError(
                "the database is of no known kind", where=kind, remedy="write it as postgresql://USER@HOST/NAME"
            )
        stored = {"PREFECT_SERVER_DATABASE_CONNECTION_URL": f"{DRIVERS[kind]}:{rest}"}
    process = _process(
        workspace,
        word,
        "prefect",
        ["prefect", "server", "start", "--host", HOST, "--port", str(port)],
        PREFECT_UI_API_URL=f"{url}/api",  # else its pages ask port 4200
        PREFECT_SERVER_LOGGING_LEVEL="WARNING",
        PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT="false",
        **stored,
    )
    return Member(process, lambda: answers(f"{url}/api/health"), url, "--port", port)


def mlflow_server(workspace: Workspace, word: str, port: int) -> Member | None:
    """MLflow's pages over the workspace's store; None where the workspace uses a server that runs elsewhere."""
    store, artifacts = workspace.tracking_uri, workspace.artifacts
    if store.startswith(ELSEWHERE) or artifacts is None:
        return None
    url = f"http://{HOST}:{port}"
    process = _process(
        workspace,
        word,
        "mlflow",
        ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1", "--no-serve-artifacts"],
        MLFLOW_BACKEND_STORE_URI=store,  # not on the command line, which others can read
        MLFLOW_DEFAULT_ARTIFACT_ROOT=artifacts,
        MLFLOW_SERVER_ENABLE_JOB_EXECUTION="false",
    )
    return Member(process, lambda: answers(f"{url}/health"), url, "--mlflow-port", port)


def executor(workspace: Workspace, word: str, prefect: str, surveys: Sequence[Path]) -> Member:
    """The process that starts the runs; it is up when the server knows what there is to run."""
    known = service_folder(workspace) / "deployed"
    process = _process(
        workspace,
        word,
        "runs",
        ["flows.executor", word, *map(str, surveys)],
        PREFECT_API_URL=f"{prefect}/api",
        PREFECT_LOGGING_LEVEL="INFO",
        PREFECT_LOGGING_TO_API_ENABLED="true",
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false",
    )
    return Member(process, lambda: known.is_file() and known.read_text() == word)
