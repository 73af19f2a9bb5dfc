"""Whether memory stays bounded when a site grows: peak resident memory of the census and of training the control.

Every measurement is a fresh process that does one thing and tells its own peak. The kernel hands a parent's peak down
to the processes that it starts, so this module imports nothing heavy before it is one of them.

    python -m benchmarks.memory make SIDE FOLDER
    python -m benchmarks.memory census|train FOLDER
"""

import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outcrop.params import Params
    from outcrop.survey.sites import Site
    from outcrop.survey.surveys import Survey

SITE = "iceland"
#: Every labelled cell, so that every training block is read in every epoch; a pool smaller than the small site.
CHANGES: dict[str, dict[str, Any]] = {
    "labels": {"per_class": "all"},
    "train": {"epochs": {"teacher": 2, "assistant": 2, "student": 2}, "samples": 4096},
    "patches": {"pool_mb": 12},
}
#: Without the spectrometer's 224 bands the large site is written in a minute or two.
LEFT_OUT = "hyperspectral"


def measure_memory(*, small: int = 384, large: int = 1216) -> dict[str, Any]:
    """Peak megabytes by task and size, their growth, and what each read."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folders = {"small": Path(name) / "small", "large": Path(name) / "large"}
        for size, side in (("small", small), ("large", large)):
            _run("make", str(side), str(folders[size]))
        found = {task: {size: _run(task, str(folders[size])) for size in folders} for task in ("census", "train")}
    growth = {task: by["large"]["peak_mb"] / by["small"]["peak_mb"] - 1 for task, by in found.items()}
    return {
        "sides": {"small": small, "large": large},
        "pool_mb": CHANGES["patches"]["pool_mb"],
        **found,
        "growth": growth,
    }


def _run(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.memory", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def peak_mb() -> float:
    """Peak resident memory of this process in megabytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _survey(folder: Path, changes: dict[str, dict[str, Any]] = CHANGES) -> "tuple[Survey, Params]":
    from benchmarks.variants import survey_with
    from outcrop.survey.surveys import Survey

    survey, params = survey_with(changes, folder)
    entries = survey.model_dump(by_alias=True)
    del entries["modalities"][LEFT_OUT]
    return Survey.model_validate(entries), params


def make(folder: Path, side: int) -> dict[str, Any]:
    """Write one simulated site."""
    from outcrop.survey.simulate import simulate_site

    folder.mkdir(parents=True)
    survey, params = _survey(folder, {**CHANGES, "simulate": {"size": side}})
    simulate_site(SITE, folder / "sites", survey, params)
    return {}


def census(folder: Path) -> dict[str, Any]:
    """Take the census: every pixel of every modality is read."""
    from outcrop.survey.census import take_census
    from outcrop.survey.declarations import declared_ranges

    survey, params = _survey(folder)
    site, ranges = _site(folder), declared_ranges(survey)
    start = peak_mb()
    found = take_census([site], params.footprint, ranges, folder / "census")
    return {"start_mb": start, "peak_mb": peak_mb(), "blocks": len(found.blocks), "data_mb": _megabytes(site)}


def train(folder: Path) -> dict[str, Any]:
    """Train the control; says how often the pool was filled in an epoch."""
    from outcrop.learning.material import Material
    from outcrop.learning.recipes import train_on_labels
    from outcrop.survey.census import load_census
    from outcrop.survey.patches import BlockPool

    survey, params = _survey(folder)
    site, taken = _site(folder), load_census(folder / "census")
    material = Material.gather(survey.survey, [site], taken, params, folder / "work", accelerator="cpu")
    start = peak_mb()
    train_on_labels(material.last, material, "benchmark")
    peak = peak_mb()
    modalities, blocks = material.last.modalities, len(taken.of_split("train"))
    slots = BlockPool(material.reader, modalities, params.patches.pool_mb * 3 // 4).slots
    return {
        "start_mb": start,
        "peak_mb": peak,
        "blocks": blocks,
        "fillings": -(-blocks // slots),
        "data_mb": _megabytes(site, *modalities),
    }


def _site(folder: Path) -> "Site":
    from outcrop.survey.sites import read_site

    return read_site(folder / "sites" / SITE)


def _megabytes(site: "Site", *modalities: str) -> float:
    """What the site's rasters would take in memory as float32."""
    rasters = site.scenes[0].rasters
    chosen = [rasters[name] for name in modalities or rasters]
    return sum(4 * len(r.bands) * r.grid.height * r.grid.width for r in chosen) / 2**20


def main(task: str, *arguments: str) -> None:
    """One process's work."""
    if task == "make":
        result = make(Path(arguments[1]), int(arguments[0]))
    else:
        result = {"census": census, "train": train}[task](Path(arguments[0]))
    print(json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
