"""Writers of one ledger that are killed at random, and cut short in the middle of a line: what is left in the end.

Every writer notes what was acknowledged to it, in a file of its own. A killed one is started again and goes on.
"""

import os
import random
import resource
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from outcrop.record.archives import Archive
from outcrop.record.ledger import check_chain
from outcrop.record.records import Record

#: Share of the records before which a writer has its files limited, so that the system kills it in mid-write.
CUT = 0.02


@dataclass(frozen=True)
class Writers:
    """How many writers, how many records each, and how often, in seconds, one of them is killed."""

    writers: int
    records: int
    every: float
    seed: int = 0


@dataclass(frozen=True)
class Left:
    """What was left: kills from outside, kills in mid-write, lines, and the faults that were found."""

    kills: int
    cuts: int
    acknowledged: int
    lines: int
    lost: int
    twice: int
    faults: tuple[str, ...]


def run(plan: Writers, folder: Path) -> Left:
    """Let the writers write below ``folder`` until each is done."""
    rng, archive = random.Random(plan.seed), open_archive(folder)
    archive.found()
    running = {_start(plan, folder, place, 0): place for place in range(plan.writers)}
    starts, kills, cuts = dict.fromkeys(range(plan.writers), 1), 0, 0
    due = time.monotonic() + plan.every
    while running:
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            place = running.pop(child)
            if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
                raise RuntimeError(f"writer {place} failed of itself")
            cuts += os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXFSZ
            if os.WIFSIGNALED(status):
                running[_start(plan, folder, place, starts[place])] = place
                starts[place] += 1
        elif time.monotonic() >= due:
            os.kill(rng.choice(list(running)), signal.SIGKILL)
            kills, due = kills + 1, time.monotonic() + rng.uniform(0.2, 1.8) * plan.every
        else:
            time.sleep(0.002)
    return examine(plan, folder, kills, cuts)


def open_archive(folder: Path) -> Archive:
    """The archive that all write to."""
    return Archive(folder / "records", folder, folder / "lock")


def acknowledged(folder: Path, place: int) -> list[str]:
    """The records that a writer was told of."""
    path = folder / f"writer-{place}"
    return path.read_text().split("\n")[:-1] if path.is_file() else []


def _start(plan: Writers, folder: Path, place: int, start: int) -> int:
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        _write(plan, folder, place, random.Random(hash((plan.seed, place, start))))
        code = 0
    finally:
        os._exit(code)


def _write(plan: Writers, folder: Path, place: int, rng: random.Random) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    archive = open_archive(folder)
    for number in range(len(acknowledged(folder, place)), plan.records):
        if rng.random() < CUT and archive.ledger.path.is_file():
            size = archive.ledger.path.stat().st_size + rng.randrange(1, 400)
            resource.setrlimit(resource.RLIMIT_FSIZE, (max(size, 4096), resource.RLIM_INFINITY))
        record = Record(
            project=archive.project, survey="faults", kind="model", name="a model", subject=f"{place}-{number}"
        )
        kept = archive.keep(record)
        with (folder / f"writer-{place}").open("a") as told:
            told.write(f"{kept}\n")


def examine(plan: Writers, folder: Path, kills: int, cuts: int) -> Left:
    """Hold the ledger against what was acknowledged."""
    archive = open_archive(folder)
    lines = archive.ledger.lines()
    faults = check_chain(lines, archive.project)
    entries = archive.ledger.readable()
    entered = [entry.record for entry in entries]
    promised = [name for place in range(plan.writers) for name in acknowledged(folder, place)]
    for name in promised:
        archive.read(name)
    return Left(
        kills,
        cuts,
        len(set(promised)),
        len(lines),
        len(set(promised) - set(entered)),
        len(entered) - len(set(entered)),
        tuple(faults),
    )
