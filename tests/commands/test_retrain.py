"""The main job through its real command: what it prints, records and registers; cached, damaged, killed."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pytest
from benches import Bench, Caller
from prefect.settings import PREFECT_API_URL

from tasks.tracking import RECORD, Tracker
from tasks.workspace import Workspace

#: What is done, in order, and what the runs in MLflow are called.
STEPS = {
    "validate": "validate",
    "teacher": "teacher all",
    "guide teacher": "guide",
    "control rgb": "control rgb",
    "distilled": "distil rgb",
    "choose": "choose",
    "forest": "forest",
    "evaluate": "evaluate",
    "report": "report",
}
PROMISED = {
    "survey",
    "run_id",
    "sites",
    "teacher",
    "control",
    "distilled",
    "student",
    "kept",
    "assistants",
    "forest",
    "retention",
    "gap_recovered",
    "models",
    "report",
    "seconds",
    "cached",
}
METRICS = {
    "macro_f1",
    "overall_accuracy",
    "average_accuracy",
    "kappa",
    "ece",
    "nll",
    "iou",
    "per_class",
    "interval",
    "latency_ms_p50",
    "parameters",
}
Trained = tuple[Bench, dict[str, Any]]


def client(bench: Bench) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}")


def scores(result: dict[str, Any]) -> list[float]:
    return [
        result[role][name]
        for role in ("teacher", "control", "distilled", "student")
        for name in ("macro_f1", "nll", "ece")
    ]


def test_the_command_prints_what_it_promises(trained: Trained) -> None:
    _, result = trained
    assert set(result) >= PROMISED
    for metrics in (result["teacher"], result["control"], result["student"], *result["forest"].values()):
        assert set(metrics) == METRICS
        low, high = metrics["interval"]["macro_f1"]
        assert 0 <= low <= high <= 1
        assert sum(entry["support"] for entry in metrics["per_class"].values()) > 0
    assert result["cached"] == []
    assert result["forest"]["student"]["latency_ms_p50"] is None
    assert result["retention"] == pytest.approx(result["distilled"]["macro_f1"] / result["teacher"]["macro_f1"])
    assert re.fullmatch(r"[0-9a-f]{32}\.dir", result["sites"]["north"])


def test_colours_that_tell_the_classes_apart_are_learnt(trained: Trained) -> None:
    _, result = trained
    assert result["control"]["macro_f1"] > 0.6
    assert result["forest"]["student"]["macro_f1"] > 0.9


def test_the_report_needs_nothing_from_elsewhere(trained: Trained) -> None:
    _, result = trained
    page = Path(result["report"]).read_text(encoding="utf-8")
    assert "Tiny survey" in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)
    assert "<script" not in page


def test_mlflow_holds_the_run_its_steps_and_the_models(trained: Trained) -> None:
    bench, result = trained
    store = client(bench)
    parent = store.get_run(result["run_id"])
    assert parent.info.status == "FINISHED"
    assert {item.dataset.digest for item in parent.inputs.dataset_inputs} == {result["sites"]["north"]}
    children = store.search_runs(
        [parent.info.experiment_id], f"tags.`mlflow.parentRunId` = '{result['run_id']}'", max_results=50
    )
    assert sorted(child.info.run_name for child in children) == sorted(STEPS.values())
    teacher = next(child for child in children if child.info.run_name == "teacher all")
    assert len(store.get_metric_history(teacher.info.run_id, "val_macro_f1")) == 4
    names = {version.name for version in store.search_model_versions()}
    assert names == {"tiny-teacher", "tiny-student"}


def test_the_registered_student_answers_without_pickle(trained: Trained) -> None:
    bench, result = trained
    mlflow.set_tracking_uri(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}")
    student = mlflow.pyfunc.load_model(result["models"]["student"])
    side = student.metadata.signature.inputs.inputs[0].shape[-1]
    patches = {"rgb": np.full((2, 3, side, side), 120, dtype=np.float32)}
    assert student.predict(patches).sum(axis=1) == pytest.approx([1, 1], abs=1e-5)
    stored = [path.suffix for path in (bench.root / ".outcrop" / "artifacts").rglob("*") if path.is_file()]
    assert ".safetensors" in stored
    assert not {".pkl", ".pickle", ".pt", ".pth"} & set(stored)


def test_unchanged_it_is_cached_and_damaged_it_is_made_again(
    trained: Trained, trained_copy: Bench, call: Caller
) -> None:
    bench, first = trained_copy, trained[1]
    again = call.told(bench, "retrain")
    assert again["cached"] == list(STEPS)
    assert (again["run_id"], again["models"]) == (first["run_id"], first["models"])
    weights = next((bench.root / ".outcrop" / "steps").glob("teacher-*/model/weights.safetensors"))
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    mended = call.told(bench, "retrain")
    assert "teacher" not in mended["cached"]
    assert {"validate", "control rgb", "forest"} <= set(mended["cached"])
    assert scores(mended) == scores(first)
    curves = client(bench).search_runs(
        [client(bench).get_run(first["run_id"]).info.experiment_id], "attributes.run_name = 'teacher all'"
    )
    assert [len(client(bench).get_metric_history(run.info.run_id, "val_macro_f1")) for run in curves] == [4, 4]
    assert len(client(bench).search_model_versions("name = 'tiny-teacher'")) == 1


def test_killed_in_training_it_goes_on_to_the_same_result(bench: Bench, trained: Trained) -> None:
    """Both runs are processes of their own; the first is told of a server, the second starts one by itself."""
    (bench.root / ".outcrop" / "mlflow.db").unlink()
    process = subprocess.Popen(
        bench.command("retrain", "--survey", str(bench.survey)),
        env=bench.environment | {"PREFECT_API_URL": PREFECT_API_URL.value()},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    checkpoints = bench.root / ".outcrop" / "work" / "checkpoints"
    try:
        while not list(checkpoints.glob("*.safetensors")):
            assert process.poll() is None, "ended before it could be killed"
            time.sleep(0.01)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    result = bench.retrain()
    assert result["cached"][0] == "validate"
    assert scores(result) == scores(trained[1])
    store = client(bench)
    assert len(store.search_model_versions("name = 'tiny-student'")) == 1
    unfinished = store.search_runs(
        [store.get_run(result["run_id"]).info.experiment_id], "attributes.status != 'FINISHED'"
    )
    assert unfinished == []


def test_of_a_step_that_was_cut_off_before_it_was_recorded_one_run_stays(bench: Bench) -> None:
    tracker = Tracker.open(Workspace(bench.root), "tiny")

    def make() -> str:
        with tracker.step("0" * 32, "guide", "key") as run:
            return run.run_id

    def left() -> set[str]:
        return {run.info.run_id for run in tracker.client.search_runs([tracker.experiment])}

    make()
    second = make()
    assert left() == {second}
    tracker.of(second).tags({RECORD: "the record's id"})
    third = make()
    assert left() == {second, third}
