"""A command that is killed, with all that it has started, when it touches what is kept.

A touch is whatever changes a workspace: a file that is made, opened for writing, renamed or removed (told by Python's
audit events), a row that is written to MLflow's database (told by SQLAlchemy, before it is committed), and each start
of DVC, which is struck while it works. Touches go by names without digests: the same ones come in every workspace.
"""

import json
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

from benches import Bench
from killings import TOUCHES

#: What differs from run to run in the name of a file.
VARYING = re.compile(r"[0-9a-f]{8,}(-[0-9a-f]{4,})*|(?<=\.)\d+$|\d{4,}|(?<=\.uploading\.)\w+")
#: What others may write at any time, or that nothing depends on.
BESIDE = ("/.outcrop/service/", ".lock", "/__pycache__/", "/.dvc/tmp/", ".pyc")


class Strike(NamedTuple):
    """Where a command is killed: at which occurrence of which touch, and how many seconds after it."""

    touch: str
    occurrence: int
    after: float = 0.0


class Watch:
    """Notes the touches of a workspace, and kills its process group at the one that ``strike`` tells."""

    def __init__(self, root: Path, strike: Strike | None) -> None:
        self.root, self.strike = str(root), strike
        self.touches: list[str] = []
        self.busy = threading.RLock()

    def file_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Hear an audit event."""
        if event == "subprocess.Popen" and "dvc" in (arguments[1] or ()):
            words = [str(word) for word in arguments[1]]
            self.note(f"dvc {' '.join(words[words.index('--cd') + 2 :][:2])}")
        if event not in TOUCHES or not isinstance(arguments[0], str | os.PathLike):
            return
        path = os.fspath(arguments[0])
        if event == "open" and not set(str(arguments[1])) & set("wax+"):
            return
        if path.startswith(self.root) and not any(part in path for part in BESIDE):
            self.note(f"{event.removeprefix('os.')} {path.removeprefix(self.root).lstrip('/')}")

    def sql_event(self, connection: Any, cursor: Any, statement: str, *others: Any) -> None:
        """Hear that a statement was executed."""
        words = statement.split(maxsplit=3)
        if words[0] in ("INSERT", "UPDATE", "DELETE"):
            self.note(f"sql {words[0].lower()} {words[1] if words[0] == 'UPDATE' else words[2]}")

    def note(self, touch: str) -> None:
        """Note a touch; kill where it is the one."""
        with self.busy:
            name = VARYING.sub("*", touch)
            self.touches.append(name)
            if self.strike and (name, self.touches.count(name)) == self.strike[:2]:
                if self.strike.after:
                    threading.Timer(self.strike.after, kill).start()
                else:
                    kill()


def kill() -> None:
    """Kill this process and whatever it has started: as if the machine had lost its power."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
    time.sleep(60)


def struck(bench: Bench, words: Sequence[str], strike: Strike | None, said: Path, touches: Path | None = None) -> int:
    """Run a command in a process of its own; see `begin` and `end`."""
    return end(begin(bench, words, strike, said, touches), words, said)


def begin(bench: Bench, words: Sequence[str], strike: Strike | None, said: Path, touches: Path | None = None) -> int:
    """Begin a command in a process of its own, which is forked: what is imported here is not imported again.

    Parameters
    ----------
    said : file for what the command prints on standard output; what it prints on the other stands beside it
    touches : file for the names of all touches

    Returns
    -------
    The process's number.
    """
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _run(bench, words, strike, said, touches)
        except BaseException:  # noqa: BLE001 (told, and the process ends)
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)
    return child


def end(child: int, words: Sequence[str], said: Path) -> int:
    """Wait for a command; gives the signal that ended it, 0 for none.

    Raises
    ------
    RuntimeError : it failed by itself.
    """
    status = os.waitpid(child, 0)[1]
    if not os.WIFSIGNALED(status) and os.WEXITSTATUS(status):
        raise RuntimeError(f"`outcrop {' '.join(words)}` failed by itself: {said.with_suffix('.err').read_text()}")
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def _run(bench: Bench, words: Sequence[str], strike: Strike | None, said: Path, touches: Path | None) -> int:
    os.setsid()
    for name in [name for name in os.environ if name.startswith(("PREFECT_", "MLFLOW_"))]:
        if name != "PREFECT_API_URL":
            del os.environ[name]
    os.environ.update({"OUTCROP_REAL_DATA": str(bench.tiny.raw), "OMP_NUM_THREADS": "1", **bench.servers})
    watch = Watch(bench.root, strike)
    sys.addaudithook(watch.file_event)
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    event.listen(Engine, "after_cursor_execute", watch.sql_event)
    sys.argv = ["outcrop", *words, "--workspace", str(bench.root)]
    code = 0
    with said.open("w") as out, said.with_suffix(".err").open("w") as err, redirect_stdout(out), redirect_stderr(err):
        for stream, file in ((1, out), (2, err)):  # log handlers of before the fork keep their streams
            os.dup2(file.fileno(), stream)
        code = _call()
    if touches is not None:
        touches.write_text(json.dumps(watch.touches))
    return code


def _call() -> int:
    from flows.cli import main

    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def choose(touches: Sequence[str], count: int, draw: Callable[[int], int]) -> list[Strike]:
    """Strikes at so many kinds of touches, spread from the first to the last; ``draw(n)`` gives one of 0 to n - 1.

    DVC writes in a process of its own: it is struck some time after its start.
    """
    kinds = list(dict.fromkeys(touches))
    places = [kinds[round(each * (len(kinds) - 1) / max(1, count - 1))] for each in range(count)]
    strikes = []
    for kind in places:
        after = (draw(10) + 1) / 10 if kind.startswith("dvc") else 0.0
        strikes.append(Strike(kind, draw(touches.count(kind)) + 1, after))
    return strikes
