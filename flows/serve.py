"""Flow `serve`: a Prefect server, MLflow's pages, and what starts the runs; watched, and ended together."""

import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.deployments import plan
from flows.openings import held
from outcrop.errors import WorkspaceError
from tasks.processes import kill_all
from tasks.progress import say
from tasks.servers import Member, executor, mlflow_server, prefect_server
from tasks.service import Service, forget_service, note_service, noted_service, require_free
from tasks.workspace import Workspace

#: Seconds between two looks at the processes, and at most between two tries to start one again.
LOOK, REST = 1.0, 60.0


@dataclass(frozen=True)
class Asked:
    """What the command was asked for; ``database`` None: SQLite in the workspace."""

    surveys: tuple[Path, ...]
    database: str | None
    port: int
    mlflow_port: int


def run_serve(workspace: Workspace, asked: Asked, ready: Callable[[Service], None]) -> None:
    """Serve until Ctrl-C, SIGTERM or SIGHUP; ``ready`` is called when all of it is up.

    What dies by itself is started again. Runs that the end cuts off are taken up by the next service.

    Raises
    ------
    BusyError : the workspace is served already.
    WorkspaceError : a port is taken, or a server does not start.
    SurveyError, ParamsError : what is to be served cannot be used.
    """
    plan(workspace, asked.surveys)
    lock = held(workspace.state / "serve.lock", "this workspace is served already", workspace.root)
    with lock, _asked_to_end() as ended:
        os.umask(0o077)  # databases and logs are for their owner alone
        workspace.state.chmod(0o700)
        for database in (*workspace.state.glob("*.db*"), *workspace.state.glob("prefect/*.db*")):
            database.chmod(0o600)
        if earlier := noted_service(workspace):
            kill_all(earlier.word)  # it was killed, its processes were not
        word = uuid.uuid4().hex
        servers = [prefect_server(workspace, word, asked.port, asked.database)]
        if made := mlflow_server(workspace, word, asked.mlflow_port):
            servers.append(made)
        require_free({member.option: member.port for member in servers if member.option})
        runs = executor(workspace, word, servers[0].url, asked.surveys)
        pages = servers[1].url if made else workspace.tracking_uri
        service = note_service(workspace, word, [path.stem for path in asked.surveys], servers[0].url, pages)
        try:
            for member in servers:
                member.process.start()
            if all(member.wait(ended) for member in servers):
                runs.process.start()
                if runs.wait(ended):
                    ready(service)
                    _keep_alive([*servers, runs], ended)
        finally:
            runs.process.kill()
            for member in servers:
                member.process.end()
            kill_all(word)
            forget_service(workspace)


@contextmanager
def _asked_to_end() -> Iterator[threading.Event]:
    """An event that is set by Ctrl-C and its like; a second one changes nothing: the end has begun."""
    ended = threading.Event()
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {name: signal.signal(name, lambda *_: ended.set()) for name in names}
    try:
        yield ended
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def _keep_alive(members: Sequence[Member], ended: threading.Event) -> None:
    """Start again what has ended, ever more patiently where it ends again and again."""
    tries = dict.fromkeys((member.process.name for member in members), 0)
    after = dict.fromkeys(tries, 0.0)
    while not ended.wait(LOOK):
        for member in members:
            name = member.process.name
            if member.process.runs or time.monotonic() < after[name]:
                continue
            say(f"{name} has ended ({member.process.last_words()}); it is started again")
            tries[name] += 1
            after[name] = time.monotonic() + min(2.0 ** tries[name], REST)
            member.process.start()
            try:
                if member.wait(ended):
                    tries[name] = 0
            except WorkspaceError as error:
                say(str(error))
