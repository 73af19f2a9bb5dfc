"""What a service starts: on loopback alone, with secrets in the environment; and what it says of itself."""

import socket
from pathlib import Path
from threading import Event

import pytest

from outcrop.errors import WorkspaceError
from tasks.servers import Member, mlflow_server, prefect_server
from tasks.service import answers, forget_service, note_service, noted_service, require_free
from tasks.status import look, sentences
from tasks.workspace import Workspace

SECRET = "postgresql://prefect:secret@127.0.0.1/prefect"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def test_secrets_stand_in_no_command_line(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    made = prefect_server(workspace, "word", 4200, SECRET).process
    assert not any("secret" in word for word in made.command)
    address = made.environment["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert address == SECRET.replace("postgresql", "postgresql+asyncpg")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", SECRET)
    pages = mlflow_server(workspace, "word", 5000)
    assert pages is not None and not any("secret" in word for word in pages.process.command)
    assert pages.process.environment["MLFLOW_BACKEND_STORE_URI"] == SECRET


def test_all_listen_on_this_machine_alone(workspace: Workspace) -> None:
    for made in (prefect_server(workspace, "word", 4200, None), mlflow_server(workspace, "word", 5000)):
        assert made is not None
        command = list(made.process.command)
        assert command[command.index("--host") + 1] == "127.0.0.1"


def test_runs_that_are_tracked_elsewhere_are_looked_at_there(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example")
    assert mlflow_server(workspace, "word", 5000) is None


def test_what_cannot_be_started_is_refused(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match="no known kind"):
        prefect_server(workspace, "word", 4200, "oracle://here")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(WorkspaceError, match=r"the port is taken .*name another with --port"):
            require_free({"--port": port})


def test_a_server_that_ends_at_once_is_told_with_its_last_words(workspace: Workspace) -> None:
    made = prefect_server(workspace, "a-word-of-this-test", 4200, None).process
    made.command = [made.command[0], "-c", "raise SystemExit('no such database')"]
    made.start()
    with pytest.raises(WorkspaceError, match="prefect does not start: no such database"):
        Member(made, is_up=lambda: False).wait(Event())


def test_a_service_is_known_by_its_process(workspace: Workspace) -> None:
    assert noted_service(workspace) is None
    made = note_service(workspace, "word", ["tiny"], "http://127.0.0.1:1", "http://127.0.0.1:2")
    found = noted_service(workspace)
    assert found == made and found.runs and not answers(f"{found.api}/health")
    told = look(workspace)
    assert told["service"]["state"] == "running" and not told["prefect"]["answers"]
    lines = list(sentences(told))
    assert any(line.startswith("runs") and line.endswith("DOES NOT ANSWER") for line in lines)
    assert lines[-1] == "champion  none yet"
    forget_service(workspace)
    assert look(workspace)["service"] == {"state": "not running"}
