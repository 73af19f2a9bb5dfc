"""The Prefect server dies in the middle of a retraining and is back half a minute later: the run goes on to its end.

`make services-test` runs it.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from benches import Bench
from services import wait_for

from benchmarks.servers import free_port
from tasks.processes import kill_all
from tasks.servers import Member, prefect_server
from tasks.workspace import Workspace

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]
GONE = 30.0


@pytest.fixture
def mortal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Member]:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    word = f"gone-{os.getpid()}"
    member = prefect_server(Workspace(tmp_path), word, free_port(), None)
    member.process.start()
    try:
        member.wait(Event())
        yield member
    finally:
        kill_all(word)


def test_a_server_that_comes_back_is_waited_for(
    bench: Bench, trained: tuple[Bench, dict[str, Any]], mortal: Member
) -> None:
    bench.servers["PREFECT_API_URL"] = f"{mortal.url}/api"
    command = bench.command("retrain", "--survey", str(bench.survey), "--json")
    checkpoints = bench.root / ".outcrop" / "work" / "checkpoints"
    with subprocess.Popen(command, env=bench.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        wait_for("a training", lambda: running.poll() is not None or list(checkpoints.glob("*.safetensors")))
        mortal.process.kill()
        time.sleep(GONE)
        mortal.process.start()
        mortal.wait(Event())
        said, complaint = running.communicate()
    assert running.returncode == 0, complaint.decode()
    result = json.loads(said)
    for role in ("teacher", "control", "student"):
        assert result[role]["macro_f1"] == trained[1][role]["macro_f1"]
