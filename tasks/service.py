"""The service of a workspace: where its servers answer, who runs it, and what of it is still alive."""

import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

from outcrop.errors import WorkspaceError
from outcrop.record.drafts import write_whole
from tasks.workspace import Workspace

#: Servers answer on this machine alone.
HOST = "127.0.0.1"
#: Asks a server of this machine, whatever proxies the environment names.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Service:
    """A service that was started: the process that runs it, the word that its processes carry, and its servers.

    ``born`` is when the system says that the process was started: another process may get its number later.
    """

    pid: int
    born: float
    word: str
    since: str
    surveys: list[str]
    prefect: str
    mlflow: str

    @property
    def runs(self) -> bool:
        """Whether the process that started it is alive."""
        try:
            return bool(psutil.Process(self.pid).create_time() == self.born)
        except psutil.NoSuchProcess:
            return False

    @property
    def api(self) -> str:
        """Where programs speak to its Prefect server."""
        return f"{self.prefect}/api"


def service_folder(workspace: Workspace) -> Path:
    """Where a service notes what it is, and where its processes write what they have to say."""
    return workspace.state / "service"


def _file(workspace: Workspace) -> Path:
    return service_folder(workspace) / "service.json"


def note_service(workspace: Workspace, word: str, surveys: list[str], prefect: str, mlflow: str) -> Service:
    """Note that this process runs the workspace's service."""
    me = psutil.Process()
    since = datetime.now(UTC).isoformat(timespec="seconds")
    service = Service(me.pid, me.create_time(), word, since, surveys, prefect, mlflow)
    write_whole(_file(workspace), json.dumps(asdict(service), indent=1), "note of the service")
    return service


def noted_service(workspace: Workspace) -> Service | None:
    """The service that was noted last and did not end by itself; it may be dead."""
    try:
        return Service(**json.loads(_file(workspace).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # none, or one of another version
        return None


def forget_service(workspace: Workspace) -> None:
    """Take back what was noted."""
    _file(workspace).unlink(missing_ok=True)


def use_service(workspace: Workspace) -> None:
    """Let a command's flows be told to the service's Prefect server where there is one, instead of a server of its own.

    Must come before prefect is imported.
    """
    service = noted_service(workspace)
    if service is not None and service.runs and answers(f"{service.api}/health"):
        os.environ.setdefault("PREFECT_API_URL", service.api)


def answers(url: str, timeout: float = 5.0) -> bool:
    """Whether a server of this machine answers, and says that it is well."""
    try:
        with _OPENER.open(url, timeout=timeout) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def require_free(ports: Mapping[str, int]) -> None:
    """Refuse ports that somebody listens on; ``ports`` by the option that names each.

    Raises
    ------
    WorkspaceError : the first that is taken.
    """
    for option, port in ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as cause:
                raise WorkspaceError(
                    "the port is taken", where=f"{HOST}:{port}", remedy=f"name another with {option}"
                ) from cause
