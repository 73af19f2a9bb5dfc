"""A schedule that fires, a drift event that starts one more run, and a service that is killed: is anything lost?

    python tests/faults/drill.py [--database postgresql://...] [--output FILE]

A real service of the tiny survey, with a schedule of one retraining a minute. Prints one JSON object of what was seen
and how long it took; exit code 1 where something was not as promised.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

TESTS = Path(__file__).parents[1]
sys.path[:0] = [str(TESTS), str(TESTS.parent)]

from benches import Bench, make_bench  # noqa: E402
from services import Served, serving, wait_for  # noqa: E402

from tasks.processes import carriers  # noqa: E402

#: Runs of the schedule that are waited for, and the rest of the trigger in hours.
FIRED, REST = 3, 1.0
EMIT = """
import sys
from prefect.events import emit_event
survey = sys.argv[1]
emit_event("outcrop.drift", {"prefect.resource.id": f"outcrop.site.{survey}.north", "outcrop.survey": survey})
"""


def make(folder: Path) -> Bench:
    """The tiny survey, to be retrained every minute."""
    bench = make_bench(folder)
    resting = dict.fromkeys(("new_data", "recovered", "drift", "promotion"), REST)
    bench.tiny.entries["params"]["serve"] = {
        "retrain": "* * * * *",
        "watch": None,
        "monitor": None,
        "rest_hours": resting,
    }
    bench.write_survey()
    return bench


def ask(served: Served, what: str, **filters: Any) -> list[dict[str, Any]]:
    """What the Prefect server has of a kind."""
    url = f"{served.told['prefect']}/api/{what}/filter"
    request = urllib.request.Request(url, json.dumps(filters).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found: list[dict[str, Any]] = json.load(answer)
        return found


def runs(served: Served, *states: str) -> list[dict[str, Any]]:
    """The runs of deployments in some states."""
    wanted = {"state": {"type": {"any_": list(states)}}, "deployment_id": {"is_null_": False}}
    return ask(served, "flow_runs", flow_runs=wanted)


def done(served: Served, by: str | None = None) -> list[dict[str, Any]]:
    """The retrainings that have completed, and were not superfluous; ``by`` what they were started."""
    ended = [run for run in runs(served, "COMPLETED") if run["state_name"] == "Completed"]
    return [run for run in ended if is_retraining(run) and by in (None, creator(run))]


def is_retraining(run: dict[str, Any]) -> bool:
    """Whether a run is one of `retrain`, which is told the survey alone."""
    return set(run["parameters"]) == {"survey"}


def creator(run: dict[str, Any]) -> str | None:
    """What has started a run: SCHEDULE, AUTOMATION, ..."""
    made: str | None = (run["created_by"] or {}).get("type")
    return made


def triggered(served: Served) -> list[dict[str, Any]]:
    """All retrainings that an event has started, in whatever state."""
    everything = ask(served, "flow_runs", flow_runs={"deployment_id": {"is_null_": False}})
    return [run for run in everything if is_retraining(run) and creator(run) == "AUTOMATION"]


def emit(bench: Bench, served: Served) -> None:
    """A drift event, from a process of its own."""
    environment = bench.environment | {"PREFECT_API_URL": f"{served.told['prefect']}/api"}
    subprocess.run([sys.executable, "-c", EMIT, "tiny"], env=environment, check=True, capture_output=True)


def kept(served: Served) -> dict[str, Any]:
    """What must survive: finished runs with their states, deployments, automations."""
    return {
        "runs": {run["id"]: run["state_name"] for run in runs(served, "COMPLETED", "FAILED")},
        "deployments": sorted(each["id"] for each in ask(served, "deployments")),
        "automations": sorted(each["name"] for each in ask(served, "automations")),
    }


def lost(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is gone or changed."""
    gone = [f"run {each}" for each, state in before["runs"].items() if after["runs"].get(each) != state]
    return gone + [name for name in ("deployments", "automations") if before[name] != after[name]]


class Clock:
    """Seconds since it was asked last."""

    def __init__(self) -> None:
        self.last = time.perf_counter()

    def __call__(self) -> float:
        last, self.last = self.last, time.perf_counter()
        return round(self.last - last, 1)


def fire(bench: Bench, served: Served) -> dict[str, Any]:
    """The schedule, the event, and the server that dies alone."""
    clock = Clock()
    wait_for(f"{FIRED} scheduled runs", lambda: len(done(served, "SCHEDULE")) >= FIRED, 1800)
    told: dict[str, Any] = {"scheduled runs": len(done(served, "SCHEDULE")), "seconds for them": clock()}
    emit(bench, served)
    clock()
    wait_for("the run that the event starts", lambda: triggered(served))
    told["seconds from event to run"] = clock()
    emit(bench, served)
    first = triggered(served)[0]["id"]
    wait_for("its end", lambda: first in {run["id"] for run in runs(served, "COMPLETED")}, 900)
    told["seconds to its end"] = clock()
    told["runs of two events"] = len(triggered(served))
    before = kept(served)
    server = next(process for process in carriers(served.word) if "server" in process.cmdline())
    server.send_signal(signal.SIGKILL)
    clock()

    def back() -> Any:
        with suppress(OSError):
            return kept(served)

    after = wait_for("the server", back)
    told |= {"seconds without a server": clock(), "lost with the server": lost(before, after)}
    number = len(done(served, "SCHEDULE"))
    wait_for("one more scheduled run", lambda: len(done(served, "SCHEDULE")) > number, 900)
    told["seconds to the next run"] = clock()
    return told


def cut_off(served: Served) -> tuple[dict[str, Any], str]:
    """Kill everything while a run is under way; gives what was there, and the run."""
    under_way = wait_for("a run under way", lambda: runs(served, "RUNNING"), 900)[0]["id"]
    before = kept(served)
    served.process.kill()
    for process in carriers(served.word):
        with suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)
    return before, under_way


def go_on(served: Served, before: dict[str, Any], under_way: str) -> dict[str, Any]:
    """A service that takes up what another was killed in."""
    clock, after = Clock(), kept(served)
    wait_for("the run that was cut off", lambda: under_way in {r["id"] for r in runs(served, "COMPLETED")}, 900)
    told: dict[str, Any] = {"lost with the service": lost(before, after), "seconds to the end of the cut run": clock()}
    number = len(done(served, "SCHEDULE"))
    wait_for("one more scheduled run", lambda: len(done(served, "SCHEDULE")) > number, 900)
    found = served.status()
    ended = sorted({f"`{run['run']}` {run['state'].lower()}" for run in found["ended"]})
    return told | {"how runs have ended": ended, "champions": len(found["champions"])}


def main(words: list[str], output: Path | None) -> int:
    """Do all of it; gives the exit code."""
    with tempfile.TemporaryDirectory() as scratch:
        bench, clock = make(Path(scratch)), Clock()
        with serving(bench, *words) as served:
            told: dict[str, Any] = {"seconds to be up": clock(), **fire(bench, served)}
            before, under_way = cut_off(served)
        clock()
        with serving(bench, *words) as served:
            told["seconds to be up again"] = clock()
            told |= go_on(served, before, under_way)
            clock()
            told |= {"exit code": served.end(), "seconds to end": clock(), "left behind": served.left}
    promised = {"runs of two events": 1, "lost with the server": [], "lost with the service": [], "exit code": 0}
    told["broken"] = [name for name, value in {**promised, "left behind": []}.items() if told[name] != value]
    text = json.dumps(told, indent=1)
    print(text)
    if output:
        output.write_text(text)
    return int(bool(told["broken"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database")
    parser.add_argument("--output", type=Path)
    asked = parser.parse_args()
    sys.exit(main(["--database", asked.database] if asked.database else [], asked.output))
