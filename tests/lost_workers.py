"""Workers that are killed while a command runs, and what its processes listen on meanwhile."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from pkgutil import resolve_name
from threading import Event, Thread

import psutil

from outcrop.errors import DataError


@dataclass
class Watched:
    """Processes that were started, the one that was killed, and the addresses that they listened on until then."""

    started: set[int] = field(default_factory=set)
    killed: int | None = None
    addresses: set[str] = field(default_factory=set)


@contextmanager
def killing_a_worker(ready: Callable[[], bool]) -> Iterator[Watched]:
    """Kill one of the worker processes that this process starts within the block, once it is ``ready`` for that."""
    watched, ended, before = Watched(), Event(), set(_workers())

    def watch() -> None:
        while not ended.wait(0.02):
            started = {process for process in _workers() if process not in before}
            watched.started |= {process.pid for process in started}
            if len(started) > 1 and ready():
                watched.addresses |= {address for each in (psutil.Process(), *started) for address in _listens(each)}
                victim = min(started, key=lambda process: process.pid)
                watched.killed = victim.pid
                victim.kill()
                return

    thread = Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield watched
    finally:
        ended.set()
        thread.join()


def _workers() -> Iterator[psutil.Process]:
    """Processes of ours that multiprocessing has spawned for work."""
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            if "spawn_main" in " ".join(process.cmdline()):
                yield process


def _listens(process: psutil.Process) -> Iterator[str]:
    with suppress(psutil.Error):
        for connection in process.net_connections("inet"):
            if connection.status == psutil.CONN_LISTEN:
                yield connection.laddr.ip


def doom(owner: str, name: str) -> None:
    """Have this process killed when a function is called."""

    def die(*args: object, **kwargs: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(resolve_name(owner), name, die)


def die_once(note: str) -> str:
    """Kill the process that is the first to take up some work."""
    try:
        Path(note).touch(exist_ok=False)
    except FileExistsError:
        return note
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def die(note: str) -> None:
    """Kill every process that takes up some work."""
    os.kill(os.getpid(), signal.SIGKILL)


def refuse(note: str) -> None:
    """Work that a user has to mend."""
    raise DataError("the raster cannot be read", where=note, remedy="restore the file")
