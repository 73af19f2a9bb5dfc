"""Measure what monitoring can tell of drift from few dates, and write docs/monitoring.md.

python -m benchmarks.monitoring
"""

import argparse
import json
from pathlib import Path
from typing import Any

from benchmarks import drifting
from benchmarks.documents import fill
from outcrop.field.drift import FEWEST, Measured
from outcrop.field.watched import MANY_BANDS
from outcrop.params import load_params
from outcrop.upkeep import Monitor
from tasks.announce import DRIFT, EXPIRED
from tasks.progress import Progress
from tasks.workspace import find_workspace

HERE = Path(__file__).parent
#: Earlier dates that a scene is compared with.
DATES = (1, 2, 4)


def main() -> None:
    """Measure, print what was found, and write the document."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.monitoring", description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, help="folder of the document; default: docs")
    asked, workspace = parser.parse_args(), find_workspace(HERE)
    params = load_params(workspace.params).monitor
    stated = Measured(params.gain, params.shift_nm, params.new)
    rates = {}
    with Progress("Drifting", len(DATES) + 1) as bar:
        for dates in DATES:
            rates[dates] = drifting.measure_drift(dates, stated)
            bar.advance(1)
        seasons = drifting.measure_seasons(stated)
        bar.advance(1)
    print(json.dumps({"rates": rates, "seasons": seasons}))
    print(write(params, rates, seasons, asked.output or workspace.root / "docs"))


def write(params: Monitor, rates: dict[int, dict[str, Any]], seasons: dict[str, Any], folder: Path) -> Path:
    """Write the document."""
    text = fill(
        "monitoring.md.j2",
        params=params,
        rates=rates,
        seasons=seasons,
        many=MANY_BANDS,
        fewest=FEWEST,
        drifting=vars(drifting),
        events={"drift": DRIFT, "expired": EXPIRED},
    )
    path = folder / "monitoring.md"
    path.write_text(text, encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
