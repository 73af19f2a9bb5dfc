"""A Prefect server for benchmarks and tests of faults: one for all that a process starts."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

from tasks.processes import kill_all
from tasks.servers import prefect_server
from tasks.workspace import Workspace


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def one_server(folder: Path, database: str | None = None) -> Iterator[Path]:
    """A Prefect server, its state below ``folder``; gives the file that it writes to.

    Must come before prefect is imported: the environment names it to this process and all that this one starts.
    """
    word = f"one-server-{os.getpid()}"
    os.environ["PREFECT_HOME"] = str(folder / "prefect")
    server = prefect_server(Workspace(folder), word, free_port(), database)
    server.process.start()
    try:
        server.wait(Event())
        os.environ["PREFECT_API_URL"] = f"{server.url}/api"
        yield server.process.log
    finally:
        server.process.end()
        kill_all(word)
