"""A PostgreSQL server of this machine's programs, for as long as a block lasts: on loopback, with a password."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from benchmarks.servers import free_port

#: Where Debian keeps its programs, which are not on the path.
DEBIAN = Path("/usr/lib/postgresql")
NAME = "outcrop"


@dataclass(frozen=True)
class Postgres:
    """A server that runs: its port, and the password of its only user, whom every database belongs to."""

    port: int
    password: str

    @property
    def environment(self) -> dict[str, str]:
        """What its clients read the password from."""
        return {"PGPASSWORD": self.password}

    def url(self, database: str) -> str:
        """The address of a database, without the password."""
        return f"postgresql://{NAME}@127.0.0.1:{self.port}/{database}"

    def ask(self, database: str, query: str) -> list[tuple[Any, ...]]:
        """The rows that a query gives, or nothing if it is a command."""
        connection = psycopg2.connect(self.url(database), password=self.password)
        connection.autocommit = True  # a database is not made within a transaction
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()


def postgres_programs() -> Path | None:
    """The folder of the newest PostgreSQL server's programs; None where there is none."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = [path.parent for path in DEBIAN.glob("*/bin/initdb")]
    return max(folders, key=lambda folder: int(folder.parent.name), default=None)


def require_postgres() -> Path:
    """The same.

    Raises
    ------
    RuntimeError : there is none.
    """
    if (programs := postgres_programs()) is None:
        raise RuntimeError("no PostgreSQL server here: install Debian's package postgresql")
    return programs


@contextmanager
def postgres(programs: Path, *databases: str) -> Iterator[Postgres]:
    """A server with these databases, all empty; its files go when the block ends."""
    # It refuses to be root's, and whoever runs it must reach its folder: below the test's own, nobody else does.
    other: dict[str, Any] = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="outcrop-postgres-") as name:
        folder, port, password = Path(name), free_port(), secrets.token_hex(16)
        data, secret, log = folder / "data", folder / "password", folder / "log"
        secret.write_text(password)
        if other:
            for path in (folder, secret):
                shutil.chown(path, "nobody", "nogroup")
        asked = ["--username", NAME, "--pwfile", secret, "--auth", "scram-sha-256", "--no-sync", "--encoding", "UTF8"]
        command = [programs / "initdb", "--pgdata", data, *asked]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, **other)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 400,
            "fsync": "off",
        }
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with log.open("wb") as stream:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-p", str(port), *options],
                cwd=folder,
                stdout=stream,
                stderr=subprocess.STDOUT,
                **other,
            )
        try:
            _wait(server, port, log)
            running = Postgres(port, password)
            for database in databases:
                running.ask("postgres", f"create database {database}")
            yield running
        finally:
            server.send_signal(signal.SIGINT)  # "fast": SIGTERM would wait for clients to go, of which we are one
            server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, log: Path, patience: float = 60.0) -> None:
    until = time.monotonic() + patience
    while time.monotonic() < until and server.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"PostgreSQL does not start: {log.read_text()}")
