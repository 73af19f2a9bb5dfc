"""`outcrop compare` and `outcrop search` through their real commands, on a survey of seconds."""

import re
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml
from benches import Bench, Caller, change, copy_bench
from lost_workers import killing_a_worker

from tasks.records import archive_of
from tasks.workspace import Workspace

METHODS = ["control", "direct", "direct_equal_compute", "progressive", "shuffled_teacher"]
RUNGS = ["all", ["thermal"], ["rgb"]]
SEARCH = {
    "population": 5,
    "iterations": 1,
    "fidelity": 0.5,
    "promote": 1,
    "seeds": 1,
    "repeats": 1,
    "space": {"distil.temperature.start": None, "distil.temperature.end": None, "distil.class_balance": None},
}


Told = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def told(bench: Bench, call: Caller) -> Told:
    """What a command says as JSON."""

    def ask(*words: str) -> dict[str, Any]:
        return call.told(bench, *words)

    return ask


@pytest.fixture(scope="module")
def bench(pristine_bench: Bench, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return survey_of(copy_bench(pristine_bench, tmp_path_factory.mktemp("ladder")))


def survey_of(bench: Bench) -> Bench:
    """A bench whose survey has three rungs, and little to search."""
    change("params", "distil", "rungs", value=RUNGS)(bench)
    change("params", "search", value=SEARCH)(bench)
    return bench


@pytest.fixture(scope="module")
def compared(told: Told) -> dict[str, Any]:
    return told("compare", "--seeds", "2")


def test_every_rung_is_measured_by_every_method(compared: dict[str, Any]) -> None:
    assert compared["seeds"] == [7, 8]
    assert list(compared["rungs"]) == ["thermal", "rgb"]
    for rung in compared["rungs"].values():
        assert list(rung["methods"]) == METHODS
    first, last = (compared["rungs"][name]["methods"] for name in ("thermal", "rgb"))
    # Above the first rung there is no assistant: the chain is direct distillation.
    assert first["progressive"]["scores"] == first["direct"]["scores"] == first["direct_equal_compute"]["scores"]
    assert last["progressive"]["scores"] != last["direct"]["scores"]
    assert compared["costs"]["thermal"]["power_w"]["typical"] < compared["costs"]["all"]["power_w"]["typical"]
    assert sum(next(iter(compared["attention"].values())).values()) == pytest.approx(1)
    assert len(compared["answers"]) == 2


def test_the_page_needs_nothing_from_elsewhere(compared: dict[str, Any]) -> None:
    page = Path(compared["report"]).read_text(encoding="utf-8")
    assert page.count("<img ") == 3 and compared["answers"][1].split(";")[0] in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)
    kept = {path.name for path in Path(compared["folder"]).iterdir()}
    assert kept == {"ladder.json", "comparison.html", "power.png", "retention.png", "attention.png"}


def facts(compared: dict[str, Any]) -> dict[str, Any]:
    """All that does not name the run."""
    return {name: value for name, value in compared.items() if name not in ("run_id", "report", "folder")}


def test_workers_take_up_what_was_compared(bench: Bench, told: Told, compared: dict[str, Any]) -> None:
    for scores in (bench.root / ".outcrop" / "steps").glob("score-*"):
        shutil.rmtree(scores)
    assert facts(told("compare", "--seeds", "2", "--workers", "2")) == facts(compared)


@pytest.mark.services
@pytest.mark.timeout(1800)
def test_workers_that_train_change_nothing(
    pristine_bench: Bench, call: Caller, tmp_path: Path, compared: dict[str, Any]
) -> None:
    """Two processes, a seed each, of which one is killed first: the same to the last digit, and every run in MLflow."""
    apart = survey_of(copy_bench(pristine_bench, tmp_path))
    checkpoints = apart.root / ".outcrop" / "work" / "checkpoints"
    with killing_a_worker(lambda: any(checkpoints.glob("*.safetensors"))) as watched:
        said = call(apart, "compare", "--seeds", "2", "--workers", "2", "--survey", str(apart.survey))
    assert watched.killed and said.code == 2
    assert said.err.splitlines()[-1].startswith("outcrop: a worker ended before its work;")
    told = call.told(apart, "compare", "--seeds", "2", "--workers", "2")
    assert facts(told) == facts(compared)
    client = mlflow.MlflowClient(f"sqlite:///{apart.root / '.outcrop' / 'mlflow.db'}")
    runs = client.search_runs([client.get_run(told["run_id"]).info.experiment_id], max_results=500)
    assert {run.info.status for run in runs} == {"FINISHED"}
    names = Counter(run.info.run_name for run in runs)
    assert names["compare tiny"] == names["score"] == names["teacher all"] == 2 and names["distil rgb"] == 8


def test_retraining_takes_up_what_was_compared(told: Told, compared: dict[str, Any]) -> None:
    """The chain's models of the first seed are those of a retraining."""
    result = told("retrain")
    assert {"teacher", "guide teacher", "assistant thermal", "control rgb", "distilled"} <= set(result["cached"])
    assert set(result["models"]) == {"teacher", "assistant-thermal", "student"}
    first = compared["rungs"]["rgb"]["methods"]
    assert result["distilled"]["macro_f1"] == pytest.approx(first["progressive"]["scores"]["by_seed"][0])
    assert result["kept"] in ("distilled", "control")
    assert result["student"] == result[result["kept"]]


@pytest.fixture(scope="module")
def searched(told: Told) -> dict[str, Any]:
    return told("search")


def test_a_search_writes_parameters_that_a_retraining_takes(bench: Bench, told: Told, searched: dict[str, Any]) -> None:
    changes = yaml.safe_load(Path(searched["params_file"]).read_text())
    assert changes == ({} if searched["found_by"] == "defaults" else searched["winner"])
    result = told("retrain", "--params", searched["params_file"])
    within = told("retrain", "--set", "search.enabled=true", "--runner", "processes")
    assert within["distilled"]["macro_f1"] == result["distilled"]["macro_f1"]
    assert within["control"]["macro_f1"] == result["control"]["macro_f1"]
    assert within["search"] == {"winner": searched["winner"], "found_by": searched["found_by"]}
    assert result["search"] is None
    archive = archive_of(Workspace(bench.root))
    (_, search), *_ = archive.of_kind("search")
    assert search.facts["winner"] == searched["winner"]
    assert {archive.read(name).kind for name in search.inputs.values()} == {"validation", "guide"}
    # What was trained with the file names the search that wrote it, as what was trained right after a search does.
    told_of = {record.inputs.get("search") for _, record in archive.of_kind("model") if record.name == "distilled"}
    assert (search.id in told_of) == bool(changes)
    assert Path(searched["picture"]).read_bytes()[:4] == b"\x89PNG"


def test_a_search_is_not_run_again_wherever_it_runs(bench: Bench, told: Told, searched: dict[str, Any]) -> None:
    trials = next((bench.root / ".outcrop" / "searches").glob("*.jsonl"))
    before = trials.read_bytes()
    again = told("search")
    assert trials.read_bytes() == before
    assert {**again, "rows": None} == {**searched, "rows": None}
    lines = before.splitlines(keepends=True)
    trials.write_bytes(b"".join(lines[: -len(lines) // 3]))
    apart = told("search", "--runner", "processes")
    assert len(trials.read_bytes().splitlines()) == len(lines)
    assert (apart["winner"], apart["gains"]) == (searched["winner"], searched["gains"])


def test_a_search_on_dask_outlives_a_worker(bench: Bench, told: Told, searched: dict[str, Any]) -> None:
    trials = next((bench.root / ".outcrop" / "searches").glob("*.jsonl"))
    lines = trials.read_bytes().splitlines(keepends=True)
    trials.write_bytes(b"".join(lines[:-6]))
    left = trials.stat().st_size
    with killing_a_worker(lambda: trials.stat().st_size > left) as watched:
        apart = told("search", "--runner", "dask", "--workers", "2")
    assert watched.killed and watched.addresses == {"127.0.0.1"}
    assert len(trials.read_bytes().splitlines()) == len(lines)
    assert (apart["winner"], apart["gains"]) == (searched["winner"], searched["gains"])


def test_every_trial_is_a_run_of_its_own(bench: Bench, searched: dict[str, Any]) -> None:
    client = mlflow.MlflowClient(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}")
    experiment = client.get_run(searched["run_id"]).info.experiment_id
    runs = client.search_runs([experiment], f"tags.`mlflow.parentRunId` = '{searched['run_id']}'", max_results=500)
    trials = [run for run in runs if run.info.run_name.startswith("trial ")]
    lines = next((bench.root / ".outcrop" / "searches").glob("*.jsonl")).read_text().splitlines()
    assert len(trials) == len(lines) == len({run.info.run_name for run in trials})
    assert all(run.data.metrics["macro_f1"] >= 0 and "distil.feature_weight" in run.data.params for run in trials)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("compare", "--seeds", "0"), "seeds"),
        (("search", "--set", "search.space={distil.rungs: {low: 1, high: 2, scale: log}}"), "distil.rungs"),
        (("search", "--set", "search.population=2"), "search.population"),
        (("retrain", "--params", "nowhere.yaml"), "nowhere.yaml"),
        (("search", "--runner", "threads", "--workers", "2"), "threads are one worker"),
        (("search", "--cluster", "tcp://127.0.0.1:1", "--workers", "2"), "has the workers it has"),
        (("compare", "--set", "distil.rungs=[all, [radar]]"), "`radar` of a rung"),
    ],
)
def test_bad_input_is_one_sentence(bench: Bench, call: Caller, words: tuple[str, ...], message: str) -> None:
    said = call(bench, *words, "--survey", str(bench.survey))
    assert said.code == 2
    assert message in said.err
    assert "Traceback" not in said.err


def test_without_dask_a_search_on_it_says_so(bench: Bench, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_dask", None)
    said = call(bench, "search", "--runner", "dask", "--survey", str(bench.survey))
    assert (said.code, said.out) == (2, "")
    assert said.err == "outcrop: prefect-dask is not installed; pip install -c constraints.txt '.[dask]'.\n"
