"""What is announced: data that the last retraining did not see, or that it had to refuse and that pass now."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from benches import Bench

from flows import watch
from flows.openings import BusyError, alone
from flows.watch import changed, run_watch
from outcrop.errors import DataError
from tasks.announce import NEW_DATA, RECOVERED
from tasks.tracking import SITE, Attempt, Tracker
from tasks.workspace import Workspace

Trained = tuple[Bench, dict[str, Any]]
A, B = {"north": "a.dir"}, {"north": "b.dir"}


@pytest.mark.parametrize(
    ("last", "hashes", "event", "told"),
    [
        (None, A, None, "never retrained"),
        (Attempt(A, False), A, None, "no site has changed"),
        (Attempt(A, False), B, NEW_DATA, "changed: north"),
        (Attempt(A, False), {**A, "south": "c.dir"}, NEW_DATA, "changed: south"),
        (Attempt({**A, "south": "c.dir"}, False), A, NEW_DATA, "changed: south"),
    ],
)
def test_data_are_new_until_a_retraining_has_begun_on_them(
    last: Attempt | None, hashes: dict[str, str], event: str | None, told: str
) -> None:
    found, reason = changed(last, hashes)
    assert found == event and reason.startswith(told)


def test_the_last_retraining_is_the_one_that_was_begun_last(tmp_path: Path, trained: Trained) -> None:
    bench, result = trained
    state = tmp_path / ".outcrop"
    state.mkdir(exist_ok=True)
    shutil.copy(bench.root / ".outcrop" / "mlflow.db", state)
    tracker = Tracker.open(Workspace(tmp_path), "tiny")
    assert tracker.last_attempt("retrain tiny") == Attempt(result["sites"], False)
    assert tracker.last_attempt("retrain mars") is None
    refused = tracker.parent("a", "retrain tiny", {f"{SITE}north": "a.dir"})
    with pytest.raises(DataError), tracker.step(refused, "validate", "key") as run:
        run.tags({"validation": "critical"})
        raise DataError("unfit")
    tracker.close(refused, "FAILED")
    assert tracker.last_attempt("retrain tiny") == Attempt(A, True)
    tracker.close(tracker.parent("b", "retrain tiny", {f"{SITE}north": "b.dir"}), "FAILED")
    assert tracker.last_attempt("retrain tiny") == Attempt(B, False)
    tracker.parent("a", "retrain tiny", {})
    assert tracker.last_attempt("retrain tiny") == Attempt(A, False)


def test_what_was_retrained_on_is_not_announced(trained: Trained, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, _ = trained
    monkeypatch.setenv("OUTCROP_REAL_DATA", str(bench.tiny.raw))
    sighting = run_watch(Workspace(bench.root), bench.survey)
    assert (sighting.survey, sighting.event, sighting.reason) == ("tiny", None, "no site has changed")


@pytest.fixture
def refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A workspace whose last retraining refused the data; DVC and MLflow are not asked."""
    (bench.root / ".outcrop").mkdir(exist_ok=True)

    class Refused:
        def last_attempt(self, name: str) -> Attempt:
            return Attempt(A, True)

    monkeypatch.setattr(watch.Tracker, "open", lambda *given: Refused())
    monkeypatch.setattr(watch, "ensure_sites", lambda *given: A)
    return bench


def test_unfit_data_are_judged_again_when_something_has_changed(
    refused: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged: list[Path] = []

    def unfit(workspace: Workspace, path: Path) -> None:
        judged.append(path)
        raise DataError("too few cells")

    def ask() -> tuple[str | None, str]:
        sighting = run_watch(Workspace(refused.root), refused.survey)
        return sighting.event, sighting.reason

    monkeypatch.setattr(watch, "run_validate", unfit)
    assert ask() == (None, "too few cells.")
    assert ask() == (None, "still not fit to train on: nothing has changed")
    assert len(judged) == 1
    expectations = next((refused.root / "data" / "expectations").glob("*.yaml"))
    expectations.write_text(expectations.read_text() + "\n# mended\n")
    monkeypatch.setattr(watch, "run_validate", lambda *given: None)
    assert ask() == (RECOVERED, "the data are fit to train on again")
    assert ask()[0] == RECOVERED, "until a retraining has begun"


def test_it_does_not_disturb_a_retraining(refused: Bench) -> None:
    workspace = Workspace(refused.root)
    with alone(workspace, refused.survey, {}), pytest.raises(BusyError, match="under way"):
        run_watch(workspace, refused.survey)
