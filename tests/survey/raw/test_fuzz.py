"""Thousands of damaged raw rasters: each is read, or refused in one sentence; never a crash, a hang or half a site."""

import json
import subprocess
import sys
from pathlib import Path

CASES = 2000


def test_damage_never_ends_in_anything_but_success_or_a_sentence(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parents[2] / "fuzzing.py"), str(tmp_path), "0", str(CASES)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = done.stdout.splitlines()
    assert done.returncode == 0, f"case {said[-1:]} ended with {done.returncode}: {done.stderr[-2000:]}"
    ends = json.loads(said[-1])
    assert sum(ends.values()) == CASES
    assert set(ends) == {"read", "DataError", "SurveyError"}
    assert min(ends.values()) > CASES / 20
