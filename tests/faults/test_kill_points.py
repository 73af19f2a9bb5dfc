"""A round in small: an ingest, with DVC, that is killed comes to the same sites when it is run again.

The full one, of retrainings, is `python tests/faults/kill_points.py`; figures stand in docs/operations.md.
"""

import json
import subprocess
import sys
from pathlib import Path

POINTS = 3


def test_what_was_killed_comes_to_the_same_when_it_is_run_again() -> None:
    command = [sys.executable, str(Path(__file__).with_name("kill_points.py"))]
    asked = ["--command", "ingest", "--points", str(POINTS), "--rounds", "1"]
    done = subprocess.run([*command, *asked], capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["kinds"] > 10
    assert [each["differs"] for each in told["points"]] == [[]] * POINTS
    assert sum(each["killed"] for each in told["points"]) >= POINTS - 1
