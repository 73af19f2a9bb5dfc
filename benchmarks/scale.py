"""What large surveys cost, from figures that were measured, and write docs/scale.md.

Speeds are those that `benchmarks.performance` and `benchmarks.operations` keep; what is missing is measured, and kept.
What is assumed of the surveys stands in `THOUSAND_SITES` and `WIDE`, and in the document.

    python -m benchmarks.scale [--tasks 100000]
"""

import argparse
import importlib
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import operations, performance
from benchmarks.documents import fill, machine
from benchmarks.scheduling import measure_scheduling
from benchmarks.variants import PROJECT, survey_with
from outcrop.field.energy import modelled
from outcrop.params import Params, load_params
from outcrop.record.drafts import write_whole
from tasks.workspace import Workspace

DOCUMENT = PROJECT / "docs" / "scale.md"
DAY, HOUR, GIGA = 86_400.0, 3600.0, 1e9
#: Cores of the machines that are counted, and bytes a second of the network to the storage: 1 Gbit/s.
CORES, NETWORK = 16, 125e6
#: Cells a side of the simulated site whose files are weighed, and the place.
SIDE, PLACE = 256, "iceland"
#: Sizes at which speeds are measured where `benchmarks.performance` has not kept them at full size.
SMALLER: dict[str, dict[str, int]] = {
    "mosaics": {"large": 5000, "small": 2500, "cells": 96, "starts": 1},
    "delivery": {"repetitions": 3},
    "overhead": {"repetitions": 1},
}


@dataclass(frozen=True)
class ThousandSites:
    """Sites of a square kilometre with every sensor at the resolutions of the simulated survey, flown every month."""

    sites: int = 1000
    km2: float = 1.0
    scenes_a_year: int = 12
    monitored_a_day: int = 1
    retrained_a_year: int = 52


@dataclass(frozen=True)
class Wide:
    """RGB of a million square kilometres at 1 m, mapped once, from mosaics as large as the one that was measured."""

    km2: float = 1e6
    pixel_m: float = 1.0
    days: float = 30.0


THOUSAND_SITES, WIDE = ThousandSites(), Wide()


@dataclass(frozen=True)
class Rates:
    """What was measured, of one busy core of this machine where nothing else is said.

    ``pixels`` of RGB a second, from files to map; ``map_bytes`` and ``rgb_bytes`` a pixel; ``patches`` a second in
    training, by role; ``scene_bytes`` a base cell, by modality; ``monitor`` core-seconds and ``tasks`` of a monitoring;
    ``recorded`` tasks a second on the Prefect server, and ``row`` bytes of its database for each; ``overhead`` seconds
    of a retraining beside its work, for each site.
    """

    pixels: float
    map_bytes: float
    rgb_bytes: float
    patches: Mapping[str, float]
    scene_bytes: Mapping[str, float]
    monitor: float
    tasks: float
    recorded: float
    row: float
    overhead: float

    @classmethod
    def read(cls, figures: Mapping[str, Any]) -> "Rates":
        """From the results of the benchmarks, by name."""
        large, herd, load = figures["mosaics"]["large"], figures["crowd"], figures["scheduling"]
        first, last = load["stages"][0], load["stages"][-1]
        weighed = figures["scenes"]
        return cls(
            pixels=large["pixels"] / large["wall"],
            map_bytes=large["bytes"] / large["pixels"],
            rgb_bytes=weighed["bytes"]["rgb"] / weighed["fine"] ** 2,
            patches={role: figures["delivery"][role]["consumed"] for role in ("teacher", "student")},
            scene_bytes=weighed["bytes"],
            monitor=herd["cpu_seconds"] / herd["flows"],
            tasks=herd["tasks"] / herd["flows"],
            recorded=load["tasks_per_second"],
            row=(last["bytes"] - first["bytes"]) / (last["tasks"] - first["tasks"]),
            overhead=figures["overhead"]["overhead_seconds"] / weighed["sites"],
        )


def weigh_scenes() -> dict[str, Any]:
    """Bytes that each modality's raster takes a base cell, labels included, of a simulated site."""
    from outcrop.survey.simulate import simulate_site

    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        survey, params = survey_with({"simulate": {"size": SIDE}}, Path(name))
        site = simulate_site(PLACE, Path(name) / "sites", survey, params)
        scene = site.scenes[0]
        cells = scene.grid.height * scene.grid.width
        rasters = {name: raster.path for name, raster in scene.rasters.items()} | {"labels": scene.labels}
        return {
            "bytes": {name: path.stat().st_size / cells for name, path in sorted(rasters.items())},
            "fine": scene.rasters["rgb"].nesting.fine,
            "cell_m": abs(scene.grid.transform.a),
            "sites": len(survey.sites),
        }


def cost_of_sites(rates: Rates, params: Params, cell_m: float, asked: ThousandSites = THOUSAND_SITES) -> dict[str, Any]:
    """Storage, core hours, energy and the server's load of a year of a survey of many sites."""
    cells = asked.km2 * 1e6 / cell_m**2
    scenes = asked.sites * asked.scenes_a_year
    monitored = asked.sites * asked.monitored_a_day * 365
    pixels = scenes * cells * rates.scene_bytes["rgb"] / rates.rgb_bytes
    epochs, samples = params.train.epochs, params.train.samples
    # The chain's assistants train on fewer modalities than the teacher: they are counted as it, which is too much.
    training = samples * (
        epochs.of("teacher") / rates.patches["teacher"]
        + epochs.of("assistant") / rates.patches["teacher"]
        + 2 * epochs.of("student") / rates.patches["student"]  # and the control
    )
    seconds = {
        "monitoring": monitored * rates.monitor,
        "mapping": pixels / rates.pixels,
        "training": asked.retrained_a_year * training,
        "around the training": asked.retrained_a_year * asked.sites * rates.overhead,
    }
    total = sum(seconds.values())
    tasks = monitored * rates.tasks
    shares = {
        f"{CORES} cores": total / (365 * DAY * CORES),
        "the Prefect server's recording of tasks": tasks / rates.recorded / (365 * DAY),
    }
    return {
        "asked": asdict(asked),
        "scenes": scenes,
        "scene_gb": cells * sum(rates.scene_bytes.values()) / GIGA,
        "storage_tb": scenes * cells * sum(rates.scene_bytes.values()) / 1e12,
        "maps_tb": pixels * rates.map_bytes / 1e12,
        "core_hours": {name: value / HOUR for name, value in seconds.items()},
        "kwh": _kwh(total),
        "tasks": tasks,
        "database_gb": tasks * rates.row / GIGA,
        "daily_backlog_minutes": asked.sites * rates.tasks / rates.recorded / 60,
        "shares": shares,
        "bottleneck": max(shares, key=lambda name: shares[name]),
        "largest": max(seconds, key=lambda name: seconds[name]),
    }


def cost_of_area(rates: Rates, mosaic: float, asked: Wide = WIDE) -> dict[str, Any]:
    """Storage, machines, hours and energy of mapping an area once; ``mosaic`` is the pixels of a scene."""
    pixels = asked.km2 * 1e6 / asked.pixel_m**2
    seconds = pixels / rates.pixels
    machines = seconds / (asked.days * DAY * CORES)
    needed = rates.pixels * (rates.rgb_bytes + rates.map_bytes)
    whole = max(1, math.ceil(machines))
    tasks = pixels / mosaic * rates.tasks
    shares = {
        f"{CORES} cores of each of {whole} machines": machines / whole,
        "1 Gbit/s to the storage, of each machine": machines / whole * CORES * needed / NETWORK,
        "the Prefect server's recording of tasks": tasks / rates.recorded / (asked.days * DAY),
    }
    return {
        "asked": asdict(asked),
        "pixels": pixels,
        "scenes": pixels / mosaic,
        "rgb_tb": pixels * rates.rgb_bytes / 1e12,
        "maps_tb": pixels * rates.map_bytes / 1e12,
        "core_hours": seconds / HOUR,
        "machines": machines,
        "kwh": _kwh(seconds),
        "cores_on_network": NETWORK / needed,
        "shares": shares,
        "bottleneck": max(shares, key=lambda name: shares[name]),
    }


def _kwh(seconds: float) -> dict[str, float]:
    energy = modelled(seconds)
    return {"typical": energy.joules / 3.6e6, "low": energy.low / 3.6e6, "high": energy.high / 3.6e6}


def gather(folder: Path, tasks: int) -> dict[str, Any]:
    """The figures by name: kept, or measured now."""

    def scheduling() -> dict[str, Any]:
        return measure_scheduling(tasks=tasks)

    measures = {"scenes": weigh_scenes, "scheduling": scheduling, **{name: _smaller(name) for name in SMALLER}}
    found = {name: performance.figures_of(name) or _kept(folder / f"{name}.json", measures[name]) for name in measures}
    return found | {"crowd": operations.figures_of("crowd-sqlite")}


def _smaller(name: str) -> Callable[[], dict[str, Any]]:
    """A benchmark of `benchmarks.performance` at the size that is enough here."""

    def measure() -> dict[str, Any]:
        module = importlib.import_module(f"benchmarks.{name}")
        found: dict[str, Any] = getattr(module, f"measure_{name}")(**SMALLER[name])
        return found

    return measure


def _kept(file: Path, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What is kept, or else is measured and kept."""
    if not file.is_file():
        print(f"measuring {file.stem} ...", file=sys.stderr, flush=True)
        write_whole(file, json.dumps(measure(), indent=1), "figures")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def render(figures: Mapping[str, Any], params: Params) -> str:
    """The document."""
    rates = Rates.read(figures)
    return fill(
        "scale.md.j2",
        machine=machine(),
        cores=CORES,
        rates=rates,
        cell_m=figures["scenes"]["cell_m"],
        load=figures["scheduling"],
        sites=cost_of_sites(rates, params, figures["scenes"]["cell_m"]),
        area=cost_of_area(rates, figures["mosaics"]["large"]["pixels"]),
        joules=modelled(1),
    )


def main() -> None:
    """Measure what is missing and write the document."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=100_000)
    asked = parser.parse_args()
    folder = Workspace(PROJECT).state / "benchmarks" / "scale"
    text = render(gather(folder, asked.tasks), load_params(PROJECT / "params.yaml"))
    print(write_whole(DOCUMENT, text, "document"))


if __name__ == "__main__":
    main()
