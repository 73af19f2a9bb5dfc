"""An MLflow server that asks for a password: the workspace's runs are there, and nobody else gets in.

`make services-test` runs it.
"""

import secrets
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from benches import Bench, copy_bench
from services import wait_for

from benchmarks.servers import free_port
from tasks.service import answers

pytest.importorskip("flask_wtf", reason="MLflow's passwords: install the extra `services`")

pytestmark = [pytest.mark.services, pytest.mark.timeout(900)]
#: As docs/operations.md has it: without a memory for passwords, hashing one costs more than what is asked for.
SETTINGS = """[mlflow]
database_uri = sqlite:///{folder}/users.db
default_permission = READ
admin_username = admin
auth_cache_ttl_seconds = 60
"""


class Guarded(NamedTuple):
    """Where the server is, its administrator's password, and the folder where it keeps files."""

    url: str
    password: str
    files: Path

    def known_to(self, bench: Bench, password: str) -> Bench:
        bench.servers |= {
            "MLFLOW_TRACKING_URI": self.url,
            "MLFLOW_TRACKING_USERNAME": "admin",
            "MLFLOW_TRACKING_PASSWORD": password,
        }
        bench.write_survey()
        return bench


@pytest.fixture(scope="module")
def guarded(pristine_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder, port = tmp_path_factory.mktemp("guarded"), free_port()
    server = Guarded(f"http://127.0.0.1:{port}", secrets.token_hex(8), folder / "files")
    words = ["--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    stores = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", str(server.files)]
    settings = folder / "auth.ini"
    settings.write_text(SETTINGS.format(folder=folder))
    secret = {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": server.password,
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(16),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *words, *stores],
            env=pristine_bench.environment | secret,
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        wait_for("the MLflow server", lambda: answers(f"{server.url}/health"))
        yield server
    finally:
        process.terminate()
        process.wait()


def test_nobody_gets_in_without_the_password(guarded: Guarded) -> None:
    request = urllib.request.Request(f"{guarded.url}/api/2.0/mlflow/experiments/search?max_results=1")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request)
    assert refused.value.code == 401


def test_a_wrong_password_is_told_in_one_sentence(guarded: Guarded, pristine_bench: Bench, tmp_path: Path) -> None:
    bench = guarded.known_to(copy_bench(pristine_bench, tmp_path), "wrong")
    done = bench.run("retrain", "--survey", str(bench.survey), "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr and "MLFLOW_TRACKING_PASSWORD" in done.stderr


def test_runs_and_files_are_on_the_server(guarded: Guarded, pristine_bench: Bench, tmp_path: Path) -> None:
    bench = guarded.known_to(copy_bench(pristine_bench, tmp_path), guarded.password)
    assert bench.retrain()["promotion"]["verdict"] == "promoted"
    assert {path.name for path in guarded.files.rglob("*.safetensors")}
    assert not any((bench.root / ".outcrop" / "artifacts").iterdir())
    again = bench.retrain()
    assert set(again["cached"]) >= {"teacher", "evaluate"}
