"""What fails for a while in mid-run is tried again; what a person must mend is told, and gone on from."""

import errno
import re
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import httpx
import pytest
from benches import Bench, Caller
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import TEMPORARILY_UNAVAILABLE

from tasks import forest
from tasks.faults import as_told

Trained = tuple[Bench, dict[str, Any]]
GONE = MlflowException("(psycopg2.OperationalError) connection refused", error_code=TEMPORARILY_UNAVAILABLE)
TRIES = 4


@pytest.fixture
def bench(trained_copy: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A trained workspace that has lost one cheap step, which waits for nothing before it is tried again."""
    for folder in (trained_copy.root / ".outcrop" / "steps").glob("forest-*"):
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()
    monkeypatch.setattr(forest.forest, "retry_delay_seconds", [0] * (TRIES - 1))
    return trained_copy


def fail(monkeypatch: pytest.MonkeyPatch, failure: Exception, times: int) -> list[int]:
    """Have the step fail so many times before it can write; gives what counts its tries."""
    tries: list[int] = []
    write = forest.save_scores

    def fickle(*arguments: Any) -> None:
        tries.append(len(tries))
        if len(tries) <= times:
            raise failure
        write(*arguments)

    monkeypatch.setattr(forest, "save_scores", fickle)
    return tries


@pytest.mark.parametrize("failure", [GONE, OSError(errno.EIO, "Input/output error")], ids=["database", "disk"])
def test_what_passes_is_tried_again(
    failure: Exception, bench: Bench, trained: Trained, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = fail(monkeypatch, failure, TRIES - 1)
    again = call.told(bench, "retrain")
    assert len(tries) == TRIES
    assert "forest" not in again["cached"] and {"teacher", "evaluate"} <= set(again["cached"])
    assert (again["models"], again["forest"]) == (trained[1]["models"], trained[1]["forest"])


FULL = OSError(errno.ENOSPC, "No space left on device", "scores.npz")


@pytest.mark.parametrize(
    ("failure", "tried", "sentence"),
    [(FULL, 1, "no space left on device (scores.npz)"), (GONE, TRIES, "MLflow's store does not work")],
    ids=["disk full", "database gone for long"],
)
def test_what_a_person_must_mend_is_one_sentence_and_nothing_is_lost(
    failure: Exception,
    tried: int,
    sentence: str,
    bench: Bench,
    trained: Trained,
    call: Caller,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tries = fail(monkeypatch, failure, tried)
    said = call(bench, "retrain", "--survey", str(bench.survey))
    assert (said.code, len(tries)) == (2, tried)
    assert sentence in said.err and "it goes on from here" in said.err and "Traceback" not in said.err
    assert not list((bench.root / ".outcrop" / "steps").glob("forest-*"))
    assert call.told(bench, "retrain")["forest"] == trained[1]["forest"]


@pytest.mark.parametrize(
    ("failure", "sentence"),
    [
        (OSError(errno.EROFS, "Read-only file system"), "read-only file system; check free space and permissions"),
        (PermissionError(errno.EACCES, "Permission denied", "a.json"), r"permission denied \(a.json\); check"),
        (httpx.ConnectError("connection refused"), "the Prefect server does not answer: connection refused; see that"),
        (
            BrokenProcessPool("terminated abruptly"),
            "a worker ended before its work; give them more memory or start fewer",
        ),
        (GONE, "MLflow's store does not work: .*connection refused; see that it answers"),
    ],
)
def test_what_stops_a_command_from_outside_has_a_sentence(failure: Exception, sentence: str) -> None:
    assert re.match(sentence, str(as_told(failure)))


@pytest.mark.parametrize("failure", [FileNotFoundError(errno.ENOENT, "No such file"), ValueError("no"), OSError("?")])
def test_what_only_a_traceback_explains_has_none(failure: Exception) -> None:
    assert as_told(failure) is None


@pytest.mark.parametrize("content", [b"{", b'{"result": "AAAA"}'], ids=["cut short", "altered"])
def test_a_corrupted_entry_of_the_cache_is_a_step_not_done(
    content: bytes, trained_copy: Bench, trained: Trained, call: Caller
) -> None:
    (entry,) = (trained_copy.root / ".outcrop" / "prefect" / "results").glob("forest-*")
    entry.write_bytes(content)
    again = call.told(trained_copy, "retrain")
    assert "forest" not in again["cached"] and {"teacher", "evaluate"} <= set(again["cached"])
    assert again["forest"] == trained[1]["forest"]
