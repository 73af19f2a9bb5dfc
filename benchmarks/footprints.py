"""How long a simulated site takes and how much memory it needs, each in a process of its own, and how both grow.

    python -m benchmarks.footprints SIDE

This module imports nothing heavy before it is that process: the kernel hands a parent's peak of memory down.
"""

import json
import subprocess
import sys
import tempfile
from math import log
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.memory import peak_mb

SITE = "iceland"
Result = dict[str, Any]


def measure_speed(size: int) -> Result:
    """Seconds and peak megabytes of sites of ``size``, twice and four times as many base cells a side."""
    found = [measure_site(side) for side in (size, 2 * size, 4 * size)]
    areas = [each["side"] ** 2 for each in found]
    return {
        "site": SITE,
        "sizes": found,
        "middle": found[1],
        "exponents": {key: exponent(areas, [each[key] for each in found]) for key in ("building", "peak_mb")},
    }


def measure_site(side: int) -> Result:
    """Seconds from the start of a process to its end; of these, the seconds of ``building``; its peak megabytes."""
    command = [sys.executable, "-m", "benchmarks.footprints", str(side)]
    start = perf_counter()
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return {"side": side, "seconds": perf_counter() - start, **result}


def exponent(areas: list[float], values: list[float]) -> float:
    """The power of the area with which values grow: the slope of their logarithms, by least squares."""
    x, y = ([log(value) for value in each] for each in (areas, values))
    middle = sum(x) / len(x)
    return sum((a - middle) * b for a, b in zip(x, y, strict=True)) / sum((a - middle) ** 2 for a in x)


def build(side: int) -> Result:
    """Build a site as `outcrop simulate` does."""
    from benchmarks.variants import survey_with
    from outcrop.survey.simulate import simulate_site

    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folder = Path(name)
        survey, params = survey_with({"simulate": {"size": side}}, folder)
        start_mb, start = peak_mb(), perf_counter()
        simulate_site(SITE, folder, survey, params)
        seconds = perf_counter() - start
        written = sum(path.stat().st_size for path in (folder / SITE).rglob("*") if path.is_file())
        return {"building": seconds, "start_mb": start_mb, "peak_mb": peak_mb(), "written_mb": written / 2**20}


if __name__ == "__main__":
    print(json.dumps(build(int(sys.argv[1]))))
