"""A team's own stores: Prefect and MLflow on PostgreSQL, sites and MLflow's files in S3-compatible storage.

Through the real commands, against real servers that the test starts; `make services-test` runs it.
"""

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from benches import Bench, copy_bench
from services import serving

from tasks.workspace import Workspace

moto = pytest.importorskip("moto.server", reason="an S3-compatible server: install the extra `services`")
databases = pytest.importorskip("databases", reason="PostgreSQL's driver: install the extra `services`")

pytestmark = [pytest.mark.services, pytest.mark.timeout(1800)]
BUCKET = "outcrop"


class Team(NamedTuple):
    """A workspace whose stores are all elsewhere, after two retrainings under a service, and what each of them said."""

    bench: Bench
    first: dict[str, Any]
    second: dict[str, Any]
    status: dict[str, Any]
    postgres: Any

    def keys(self, prefix: str) -> list[str]:
        """What the bucket holds below a prefix."""
        return stored(self.bench, prefix)


def bucket(bench: Bench) -> Any:
    import boto3

    names = {"endpoint_url": "AWS_ENDPOINT_URL", "region_name": "AWS_DEFAULT_REGION"}
    names |= {"aws_access_key_id": "AWS_ACCESS_KEY_ID", "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY"}
    return boto3.resource("s3", **{name: bench.servers[key] for name, key in names.items()}).Bucket(BUCKET)


def stored(bench: Bench, prefix: str) -> list[str]:
    return [each.key for each in bucket(bench).objects.filter(Prefix=prefix)]


def dvc(bench: Bench, *words: str) -> None:
    command = [sys.executable, "-m", "dvc", "--cd", str(bench.root), *words]
    done = subprocess.run(command, env=bench.environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def team(pristine_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    programs = databases.postgres_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server here: install Debian's package postgresql")
    bench = copy_bench(pristine_bench, tmp_path_factory.mktemp("team"))
    bench.write_survey()
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # else it tells of every file
    storage = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    storage.start()
    try:
        with databases.postgres(programs, "prefect", "mlflow") as postgres:
            host, port = storage.get_host_and_port()
            bench.servers |= postgres.environment | {
                "OUTCROP_DATABASE": postgres.url("prefect"),
                "MLFLOW_TRACKING_URI": postgres.url("mlflow"),
                "MLFLOW_DEFAULT_ARTIFACT_ROOT": f"s3://{BUCKET}/mlflow",
                "AWS_ENDPOINT_URL": f"http://{host}:{port}",
                "AWS_ACCESS_KEY_ID": "team",
                "AWS_SECRET_ACCESS_KEY": "secret",
                "AWS_DEFAULT_REGION": "us-east-1",
                "NO_PROXY": "127.0.0.1",
            }
            bucket(bench).create()
            dvc(bench, "remote", "add", "--default", "store", f"s3://{BUCKET}/sites")
            with serving(bench) as served:
                first, second = bench.retrain(), bench.retrain()
                status = served.status()
            yield Team(bench, first, second, status, postgres)
    finally:
        storage.stop()


def test_a_retraining_is_done_once_and_known_afterwards(team: Team) -> None:
    assert team.first["promotion"]["verdict"] == "promoted" and not team.first["cached"]
    assert set(team.second["cached"]) >= {"teacher", "evaluate"}
    assert team.second["student"] == team.first["student"]
    assert [(each["model"], each["version"]) for each in team.status["champions"]] == [("tiny-student", "1")]


def test_prefect_and_mlflow_are_on_postgresql_alone(team: Team) -> None:
    query = (
        "select r.state_type from flow_run r join flow f on f.id = r.flow_id"
        " where f.name = 'retrain' and r.state_type <> 'SCHEDULED'"
    )
    assert team.postgres.ask("prefect", query) == [("COMPLETED",)] * 2
    (unfinished,) = team.postgres.ask("mlflow", "select count(*) from runs where status <> 'FINISHED'")
    (finished,) = team.postgres.ask("mlflow", "select count(*) from runs where status = 'FINISHED'")
    assert unfinished == (0,) and finished[0] > 5
    state = team.bench.root / ".outcrop"
    assert not (state / "prefect" / "prefect.db").exists()
    assert not any(path.is_file() for path in (state / "artifacts").rglob("*"))


def test_files_of_runs_and_models_are_in_the_storage(team: Team) -> None:
    names = {key.rpartition("/")[2] for key in team.keys("mlflow/")}
    assert {"MLmodel", "metrics.json"} <= names
    assert any(name.endswith(".safetensors") for name in names)


def test_an_audit_takes_sites_and_models_from_the_storage(team: Team) -> None:
    dvc(team.bench, "push", "--quiet")
    assert team.keys("sites/")
    shutil.rmtree(team.bench.root / ".dvc" / "cache")
    assert not any((Workspace(team.bench.root).state / "artifacts").iterdir())
    done = team.bench.run("audit", "tiny-student", "--json")
    told = json.loads(done.stdout)
    failed = {each["part"] for each in told["checks"] if each["status"] == "failed"}
    assert failed == {"code"}, "a bench is outside of version control"
