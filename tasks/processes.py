"""Processes of a service: each with all that it starts, so that none is left behind.

What belongs together carries the same word in its environment, which is handed down to whatever it starts. So it is
found again by whoever asks, also after the process that started it was killed.
"""

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

#: Environment variable with the word.
VARIABLE = "OUTCROP_SERVICE"


@dataclass
class Process:
    """A program that runs beside this one, in a session of its own: Ctrl-C in the terminal does not reach it.

    Parameters
    ----------
    word : what it and whatever it starts carry in their environment
    log : the file that it writes to
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    word: str
    folder: Path
    log: Path
    _started: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    def start(self) -> None:
        """Start it; what an earlier start has left is killed first."""
        kill_all(self.word)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as stream:
            self._started = subprocess.Popen(
                self.command,
                env={**self.environment, VARIABLE: self.word},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._started is not None and self._started.poll() is None

    def end(self, patience: float = 10.0) -> None:
        """Ask it to end, and kill what is left of it after so many seconds."""
        if self._started is not None and self.runs:
            self._started.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._started.wait(patience)
        self.kill()

    def kill(self) -> None:
        """Kill it with all that it has started."""
        kill_all(self.word)
        if self._started is not None:
            self._started.wait()

    def last_words(self) -> str:
        """The last line that it wrote."""
        lines = self.log.read_text(errors="replace").strip().splitlines() if self.log.is_file() else []
        return lines[-1].strip() if lines else "it said nothing"


def carriers(word: str) -> list[psutil.Process]:
    """The processes of this user that carry a word, or one that begins with it."""
    found = []
    for process in psutil.process_iter():
        try:
            carries = process.environ().get(VARIABLE, "").startswith(word)
            if carries and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.Error, OSError):  # somebody else's, or gone meanwhile
            continue
    return [process for process in found if process.pid != os.getpid()]


def kill_all(word: str) -> int:
    """Kill every process that carries a word, until none is left; gives how many there were."""
    killed: set[int] = set()
    while left := carriers(word):
        for process in left:
            killed.add(process.pid)
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(left, timeout=1)
        time.sleep(0.01)
    return len(killed)
