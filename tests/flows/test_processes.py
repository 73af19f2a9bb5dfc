"""Processes of a service: whatever they start is found and ended with them."""

import os
import signal
import sys
from pathlib import Path

import psutil
from services import wait_for

from tasks.processes import Process, carriers, kill_all

#: Starts another process in a session of its own, and ignores being asked to end.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("here", flush=True)
time.sleep(600)
"""


def process(folder: Path, word: str, code: str = STUBBORN) -> Process:
    return Process("stubborn", [sys.executable, "-c", code], os.environ, word, folder, folder / "its.log")


def started(folder: Path, word: str) -> Process:
    made = process(folder, word)
    made.start()
    wait_for("both processes", lambda: len(carriers(word)) == 2 and made.last_words() == "here")
    return made


def test_it_is_ended_with_what_it_has_started(tmp_path: Path) -> None:
    made = started(tmp_path, f"a-{tmp_path.name}")
    made.end(patience=0.2)
    assert not made.runs and carriers(made.word) == []


def test_what_a_killed_one_has_left_is_found_by_its_word(tmp_path: Path) -> None:
    made = started(tmp_path, f"b-{tmp_path.name}")
    first = next(each for each in carriers(made.word) if "SIG_IGN" in " ".join(each.cmdline()))
    first.send_signal(signal.SIGKILL)
    wait_for("its end", lambda: not made.runs)
    assert len(carriers(made.word)) == 1
    assert kill_all(made.word[:5]) == 1
    assert carriers(made.word) == []


def test_starting_again_ends_what_was_left(tmp_path: Path) -> None:
    made = started(tmp_path, f"c-{tmp_path.name}")
    before = {each.pid for each in carriers(made.word)}
    made.start()
    wait_for("both processes", lambda: len(carriers(made.word)) == 2)
    assert not before & {each.pid for each in carriers(made.word)}
    made.kill()
    assert not any(psutil.pid_exists(pid) for pid in before)


def test_its_last_words_are_told(tmp_path: Path) -> None:
    made = process(tmp_path, f"d-{tmp_path.name}", "print('one', flush=True); raise SystemExit('the port is taken')")
    assert made.last_words() == "it said nothing"
    made.start()
    wait_for("its end", lambda: not made.runs)
    assert made.last_words() == "the port is taken"
