"""A service of a bench through the real command: started, spoken to, ended."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benches import Bench

from benchmarks.servers import free_port
from tasks.processes import carriers, kill_all
from tasks.service import noted_service
from tasks.workspace import Workspace

#: Seconds in which what was asked for must have happened, on a machine that does much else.
PATIENCE = 240.0


@dataclass
class Served:
    """A service that runs: its process, and what it said when it was up."""

    bench: Bench
    process: subprocess.Popen[str]
    told: dict[str, Any]
    word: str

    def status(self) -> dict[str, Any]:
        """What `outcrop status` says."""
        done = self.bench.run("status", "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def end(self, how: signal.Signals = signal.SIGINT) -> int:
        """Send a signal to the command; gives its exit code."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    @property
    def left(self) -> list[str]:
        """The processes of the service that are alive."""
        return [" ".join(process.cmdline()) for process in carriers(self.word)]


@contextmanager
def serving(bench: Bench, *words: str) -> Iterator[Served]:
    """`outcrop serve` of a bench's survey, up; whatever is left of it at the end is killed."""
    ports = ["--port", str(free_port()), "--mlflow-port", str(free_port())]
    process = subprocess.Popen(
        bench.command("serve", "--survey", str(bench.survey), *ports, "--json", *words),
        env=bench.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    word = ""
    try:
        assert process.stdout is not None and process.stderr is not None
        line = process.stdout.readline()
        assert line, process.stderr.read()
        service = noted_service(Workspace(bench.root))
        assert service is not None
        word = service.word
        yield Served(bench, process, json.loads(line), word)
    finally:
        process.kill()
        process.wait()
        if word:
            kill_all(word)


def wait_for(what: str, seen: Any, patience: float = PATIENCE) -> Any:
    """Ask again until something is there; gives it."""
    until = time.monotonic() + patience
    while time.monotonic() < until:
        if found := seen():
            return found
        time.sleep(0.5)
    raise AssertionError(f"in vain waited for {what}")
