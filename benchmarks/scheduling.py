"""What a Prefect server bears: a thousand deployments with schedules, and a hundred thousand recorded tasks.

A real server, spoken to as a service does: the deployments get schedules, flows run through Prefect's own engine, and
their tasks do nothing. As the database fills it is asked, again and again, what a service and its pages ask.

    python -m benchmarks.scheduling [--tasks 100000] [--deployments 1000] [--folder FOLDER]
        [--database postgresql://...] [--output FILE]
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.servers import one_server
from outcrop.record.drafts import write_whole
from tasks.workspace import ENVIRONMENT

#: Tasks of a run, about as many as a monitoring has, runs at a time, and looks at each stage, whose median counts.
A_RUN, AT_ONCE, LOOKS = 10, 16, 9
#: What Prefect's filters take for what has come to its end.
COMPLETED = {"state": {"type": {"any_": ["COMPLETED"]}}}
#: Seconds in which the server must have written what it was told.
PATIENCE = 900.0


def measure_scheduling(
    folder: Path, *, tasks: int = 100_000, deployments: int = 1000, stages: int = 6, database: str | None = None
) -> dict[str, Any]:
    """Seconds until everything has a scheduled run; then, as tasks add up, of recording them and of the looks.

    Parameters
    ----------
    folder : of the server's database and of what was found; where it holds some of it, that is gone on with
    tasks : rounded up to whole runs
    stages : how often is looked; at each the number of tasks has doubled, the last at ``tasks``
    database : of the server, as `outcrop serve` takes it; ``None``: SQLite, in ``folder``
    """
    os.environ.update(ENVIRONMENT)
    file = folder / "found.json"
    with one_server(folder, database):
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        # A heartbeat makes every run last a second longer, and writes nothing.
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else _deploy(deployments)
            wanted = {-(-(tasks >> each) // A_RUN) for each in range(stages)}
            for stage in _stages(sorted(wanted), found["ids"], None if database else folder / "prefect"):
                found["stages"].append(stage)
                write_whole(file, json.dumps(found), "figures")
    last = found["stages"][-1]
    return {
        "database": "PostgreSQL" if database else "SQLite",
        "deployments": len(found["ids"]),
        "seconds_to_schedule": found["seconds_to_schedule"],
        "tasks_a_run": A_RUN,
        "at_once": AT_ONCE,
        "stages": found["stages"],
        "tasks": last["tasks"],
        "lost": last["lost"],
        "tasks_per_second": sum(each["ran"] for each in found["stages"])
        / sum(each["seconds"] for each in found["stages"]),
    }


def _asked(client: Any, path: str, **filters: Any) -> Any:
    answer = client.request("POST", path, json=filters)
    answer.raise_for_status()
    return answer.json()


def _deploy(number: int) -> dict[str, Any]:
    """Deployments that are due once a day each; seconds from the last until the scheduler has made runs of all."""
    from prefect import flow
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate
    from prefect.client.schemas.schedules import CronSchedule

    with get_client(sync_client=True) as client:
        made = client.create_flow(flow(lambda: None, name="due"))
        ids = []
        for each in range(number):
            daily = CronSchedule(cron=f"{each % 60} {each // 60 % 24} * * *", timezone="UTC")
            schedule = DeploymentScheduleCreate(schedule=daily, active=True)
            ids.append(str(client.create_deployment(made, f"site-{each:04d}", schedules=[schedule])))
        started, states = time.perf_counter(), {"state": {"type": {"any_": ["SCHEDULED"]}}}
        while time.perf_counter() - started < PATIENCE:
            # The scheduler makes three runs or more of each.
            if _asked(client, "/flow_runs/count", flow_runs=states) >= 3 * number:
                return {"ids": ids, "seconds_to_schedule": time.perf_counter() - started, "stages": []}
            time.sleep(1)
    raise RuntimeError(f"the scheduler made no runs of {number} deployments in {PATIENCE:.0f} s")


def _stages(wanted: list[int], ids: list[str], folder: Path | None) -> Iterator[dict[str, Any]]:
    """Run flows until there are so many in all, and look; stages that were reached are passed over."""
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.client.orchestration import get_client

    nothing = task(lambda: None, name="nothing", cache_policy=NO_CACHE)

    @flow(name="load")
    def load() -> None:
        for _ in range(A_RUN):
            nothing()

    with get_client(sync_client=True) as client:
        done = _asked(client, "/flow_runs/count", flow_runs=COMPLETED)
        for number in (each for each in wanted if each > done):
            started = time.perf_counter()
            contexts = [copy_context() for _ in range(number - done)]  # settings go with the context
            with ThreadPoolExecutor(AT_ONCE) as pool:
                list(pool.map(lambda context: context.run(load), contexts))
            ran = time.perf_counter() - started
            recorded = _recorded(client, number * A_RUN)
            seconds = time.perf_counter() - started
            yield {
                "tasks": number * A_RUN,
                "ran": (number - done) * A_RUN,
                "lost": number * A_RUN - recorded,
                "seconds": seconds,
                "run_seconds": ran * AT_ONCE / len(contexts),
                "backlog_seconds": seconds - ran,
                "looks": {name: _timed(look) for name, look in _looks(client, ids).items()},
                "bytes": folder and sum(path.stat().st_size for path in folder.glob("prefect.db*")),
            }
            done = number


def _recorded(client: Any, wanted: int) -> int:
    """How many tasks of completed runs the server has as completed, when it has all or gets no more."""
    last, since = -1, time.perf_counter()
    while (found := _asked(client, "/task_runs/count", task_runs=COMPLETED, flow_runs=COMPLETED)) < wanted:
        if found != last:
            last, since = found, time.perf_counter()
        elif time.perf_counter() - since > 60:
            break
        time.sleep(0.5)
    return int(found)


def _looks(client: Any, ids: list[str]) -> dict[str, Callable[[], object]]:
    """What is asked of the server: by the service every three seconds, by its pages, by `outcrop status`."""
    load = {"name": {"any_": ["load"]}}
    last = _asked(client, "/flow_runs/filter", flows=load, sort="START_TIME_DESC", limit=1)[0]["id"]
    return {
        "what is due": lambda: _asked(client, "/deployments/get_scheduled_flow_runs", deployment_ids=ids, limit=50),
        "the last 200 runs": lambda: _asked(client, "/flow_runs/filter", sort="START_TIME_DESC", limit=200),
        "the tasks of a run": lambda: _asked(client, "/task_runs/filter", flow_runs={"id": {"any_": [last]}}),
        "how many tasks": lambda: _asked(client, "/task_runs/count"),
    }


def _timed(look: Callable[[], object]) -> float:
    """Median seconds."""
    seconds = []
    for _ in range(LOOKS):
        started = time.perf_counter()
        look()
        seconds.append(time.perf_counter() - started)
    return median(seconds)


def main() -> None:
    """Measure, print, and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--deployments", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="of the database, to go on with; default: a temporary one")
    parser.add_argument("--database")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folder, asks = asked.folder or Path(name), {"tasks": asked.tasks, "deployments": asked.deployments}
        found = measure_scheduling(folder, **asks, database=asked.database)
    text = json.dumps(found, indent=1)
    print(text)
    if asked.output:
        write_whole(asked.output, text, "figures")
    sys.exit(int(found["lost"] > 0))


if __name__ == "__main__":
    main()
