"""Many sites are monitored at the same moment: does each run come to its end, with its record, and nothing lost?

    python tests/faults/crowd.py [--flows 16] [--postgres] [--output FILE]

Each run is `outcrop monitor` in a process of its own, all begun at once, on one workspace of the tiny survey with one
Prefect server. That and MLflow keep what they know in SQLite, or in a PostgreSQL server that is started for it. Prints
one JSON object; exit code 1 where a run failed or something is missing.
"""

import argparse
import gc
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from datetime import date
from importlib import import_module
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent), str(TESTS / "faults")]

import mlflow  # noqa: E402
from benches import Bench, make_bench  # noqa: E402
from kill_points import heavy  # noqa: E402
from strikes import begin, end, struck  # noqa: E402

from benchmarks.servers import one_server  # noqa: E402
from outcrop.record.ledger import check_chain  # noqa: E402
from tasks.records import archive_of  # noqa: E402
from tasks.workspace import ENVIRONMENT, Workspace  # noqa: E402

#: What a database says that lets one writer in at a time, and how a log tells a failure.
LOCKED = re.compile(r"database (table )?is locked", re.IGNORECASE)
#: What Prefect's client notes, if told to, of a request that it sends again: the answer's status, or what came instead.
AGAIN = re.compile(r"Received response with retryable status code (\d+)|^httpx\.(\w+)", re.MULTILINE)
NOTES = {"PREFECT_LOGGING_LOGGERS_PREFECT_CLIENT_LEVEL": "DEBUG"}
#: The day on which every site is looked at.
SEEN = date(2025, 3, 1).isoformat()
#: What Prefect's filters take for tasks that have ended well; seconds without any more of them after which all are in.
COMPLETED = {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
QUIET = 20.0


def make(folder: Path, sites: int) -> Bench:
    """The tiny survey with so many more sites, each with one scene: the ground of the first, which is trained on."""
    bench = make_bench(folder)
    entries = bench.tiny.entries
    first = entries["sites"]["north"]["scenes"]["first"]
    more = {
        f"site-{number:02d}": {"title": "One of many", "scenes": {"seen": first | {"acquired": SEEN}}}
        for number in range(sites)
    }
    entries["sites"] |= more
    entries["params"] |= {"sites": {"train": ["north"], "test": ["north"]}}
    entries["params"]["monitor"] = {"inputs": {"depth": "0.1+-0.02"}, "feedstock": ["olivine"], "products": ["calcite"]}
    bench.write_survey()
    return bench


def monitor_all(bench: Bench, sites: list[str], folder: Path) -> dict[str, Any]:
    """Monitor all sites at once; seconds until the last had ended, those on a core, and what those said that failed."""
    asked = {site: ["monitor", site, "--model", "student", "--survey", str(bench.survey), "--json"] for site in sites}
    started, before = time.perf_counter(), getrusage(RUSAGE_CHILDREN)
    children = {site: begin(bench, words, None, folder / site) for site, words in asked.items()}
    failed = {}
    for site, child in children.items():
        try:
            end(child, asked[site], folder / site)
        except RuntimeError as error:
            failed[site] = str(error)[-2000:]
    after = getrusage(RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": round(time.perf_counter() - started, 1), "cpu_seconds": round(cpu, 1), "failed": failed}


def with_prefect() -> dict[str, Any]:
    """What the Prefect server has of `monitor`: states of runs, sites with several, tasks, and runs that lack some."""
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowFilter

    which = {"name": {"any_": ["monitor"]}}
    with get_client(sync_client=True) as client:
        runs = client.read_flow_runs(flow_filter=FlowFilter.model_validate(which), limit=200)
        tasks, behind = _tasks_of(client, [str(run.id) for run in runs])
    of_site = Counter(run.parameters["asked"]["site"] for run in runs)
    return {
        "states": dict(Counter(str(run.state_name) for run in runs)),
        "several": {site: number for site, number in of_site.items() if number > 1},
        "tasks": sum(tasks),
        "runs that lack tasks": sum(each < max(tasks) for each in tasks),
        "seconds behind": behind,
    }


def _tasks_of(client: Any, runs: list[str]) -> tuple[list[int], float]:
    """How many tasks of each run the server has as completed, and seconds in which it wrote them after the last run.

    Tasks are told to it as events, which it writes when it comes to it; all runs have as many.
    """
    ended = time.perf_counter()
    last, since = [0], ended
    while time.perf_counter() - since < QUIET:
        found = [
            client.request("POST", "/task_runs/count", json=COMPLETED | {"flow_runs": {"id": {"any_": [run]}}}).json()
            for run in runs
        ]
        if found != last:
            last, since = found, time.perf_counter()
        time.sleep(1)
    return last, round(since - ended, 1)


def what_is_missing(bench: Bench, sites: list[str]) -> list[str]:
    """Sites without exactly one finished run or one record, and what is wrong with the ledger."""
    workspace = Workspace(bench.root)
    archive = archive_of(workspace)
    records = Counter(record.facts["site"] for _, record in archive.of_kind("monitoring"))
    client = mlflow.MlflowClient(workspace.tracking_uri)
    runs = client.search_runs([each.experiment_id for each in client.search_experiments()], max_results=5000)
    ended = Counter(run.info.run_name for run in runs if run.info.status == "FINISHED")
    wanted = {name: ended[name] for name in (f"monitor {site} seen tiny" for site in sites)}
    return [
        *check_chain(archive.ledger.lines(), archive.project),
        *(f"record of {site}: {records[site]}" for site in sites if records[site] != 1),
        *(f"{number} x {name}" for name, number in wanted.items() if number != 1),
        *(f"unfinished: {run.info.run_name}" for run in runs if run.info.status != "FINISHED"),
    ]


def main(flows: int, on_postgres: bool, output: Path | None) -> int:
    """Do it; gives the exit code."""
    os.environ.update(ENVIRONMENT)
    heavy("retrain")
    with tempfile.TemporaryDirectory() as name, ExitStack() as running:
        folder = Path(name)
        bench = make(folder, flows)
        database = None
        if on_postgres:
            from databases import postgres, require_postgres

            server = running.enter_context(postgres(require_postgres(), "prefect", "mlflow"))
            os.environ.update(server.environment)
            bench.servers |= server.environment | {"MLFLOW_TRACKING_URI": server.url("mlflow")}
            database = server.url("prefect")
        log = running.enter_context(one_server(folder, database))
        sites = [site for site in bench.tiny.entries["sites"] if site != "north"]
        struck(bench, ["retrain", "--survey", str(bench.survey), "--json"], None, folder / "retrain")
        os.environ.update(bench.servers | NOTES)
        bench.servers |= NOTES
        import_module("flows.monitor")  # once, not by each of them: memory
        gc.freeze()  # nor shall the collector of each write to it
        herd = monitor_all(bench, sites, folder)
        said = "".join(path.read_text(errors="replace") for path in [log, *folder.glob("*.err")])
        told = {
            "flows": flows,
            "database": "PostgreSQL" if on_postgres else "SQLite",
            **with_prefect(),
            "missing": what_is_missing(bench, sites),
            "locked": len(LOCKED.findall(said)),
            "sent again": dict(Counter(code or error for code, error in AGAIN.findall(said))),
            **herd,
        }
    print(json.dumps(told, indent=1))
    if output:
        output.write_text(json.dumps(told, indent=1))
    lacking = told["missing"] or told["failed"] or told["runs that lack tasks"]
    return int(bool(lacking) or told["states"] != {"Completed": flows})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--flows", type=int, default=16)
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    sys.exit(main(asked.flows, asked.postgres, asked.output))
