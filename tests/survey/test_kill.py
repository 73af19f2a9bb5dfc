"""An ingest that is killed anywhere leaves the earlier site or the new one, whole, and the next ingest succeeds."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

KILLINGS, SEED = 40, 7


def test_a_killed_ingest_never_leaves_half_a_site(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).parents[1] / "killings.py"), str(tmp_path), str(SEED), str(KILLINGS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    for site, whole in (("new", {"nothing", "new"}), ("replacing", {"old", "new"})):
        for killing in told[site]:
            assert killing["kept"] in whole, killing
            assert (killing["next"], killing["there"]) == ("new", ["north"]), killing
    every = [killing for killings in told.values() for killing in killings]
    assert len(every) == KILLINGS
    named = [each for each in every if "rename" in each["touch"] or "json" in each["touch"]]
    assert len(named) >= KILLINGS / 2
    ended = Counter(each["ended"] for each in every)
    assert ended["SIGKILL"] >= 15 and ended["SIGXFSZ"] >= 8
    assert {each["left"] for each in told["replacing"]} == {"nothing", "old", "new"}
    assert any(each["again"] for each in every)
