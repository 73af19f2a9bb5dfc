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
HOUR, YEAR, GIGA = 3600.0, 365 * 86_400.0, 1e9
#: Cores of the machines that are counted, and bytes a second of the network to the storage: 1 Gbit/s.
CORES, NETWORK = 16, 125e6
SERVER = "the Prefect server's recording of tasks"
#: Bytes of a map, a base cell: three layers of one byte, and a third of that for overviews; compressed, it is less.
MAP_BYTES = 4.0
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
    """RGB of a million square kilometres, mapped once, from mosaics as large as the one that was measured.

    A base cell is as many pixels a side as in the simulated survey.
    """

    km2: float = 1e6
    pixel_m: float = 1.0


THOUSAND_SITES = ThousandSites()
#: Photographs of 1 m; and those of which maps of 1 m are made.
WIDE = (Wide(), Wide(pixel_m=0.25))


@dataclass(frozen=True)
class Rates:
    """What was measured, of one busy core of this machine where nothing else is said.

    ``pixels`` of RGB a second, from files to map, ``fine`` of them a side in a base cell; ``map_bytes`` and
    ``rgb_bytes`` a pixel; ``patches`` a second in training, by role, on all cores; ``scene_bytes`` a base cell, by
    modality; ``monitor`` core-seconds and ``tasks`` of a monitoring; ``recorded`` tasks a second on the Prefect server,
    and ``row`` bytes of its database for each; ``overhead`` seconds of a retraining beside its work, for each site.
    """

    pixels: float
    fine: int
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
        weighed = figures["weights"]
        return cls(
            pixels=large["pixels"] / large["wall"],
            fine=weighed["fine"],
            map_bytes=MAP_BYTES / weighed["fine"] ** 2,
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
    training = (
        machine()["cores"]
        * samples
        * (
            epochs.of("teacher") / rates.patches["teacher"]
            + epochs.of("assistant") / rates.patches["teacher"]
            + 2 * epochs.of("student") / rates.patches["student"]  # and the control
        )
    )
    seconds = {
        "monitoring": monitored * rates.monitor,
        "mapping": pixels / rates.pixels,
        "training": asked.retrained_a_year * training * machine()["cores"],
        "around the training": asked.retrained_a_year * asked.sites * rates.overhead,
    }
    total = sum(seconds.values())
    tasks = monitored * rates.tasks
    shares = {
        f"{CORES} cores": total / (YEAR * CORES),
        SERVER: tasks / rates.recorded / YEAR,
    }
    return {
        "asked": asdict(asked),
        "scenes": scenes,
        "scene_gb": cells * sum(rates.scene_bytes.values()) / GIGA,
        "storage_tb": scenes * cells * sum(rates.scene_bytes.values()) / 1e12,
        "maps_tb": pixels * rates.map_bytes / 1e12,
        "core_hours": {name: value / HOUR for name, value in seconds.items()},
        "retraining_hours": (training + asked.sites * rates.overhead) / HOUR,
        "kwh": _kwh(total),
        "tasks": tasks,
        "database_gb": tasks * rates.row / GIGA,
        "daily_backlog_minutes": asked.sites * rates.tasks / rates.recorded / 60,
        "shares": shares,
        "bottleneck": max(shares, key=lambda name: shares[name]),
        "largest": max(seconds, key=lambda name: seconds[name]),
    }


def cost_of_area(rates: Rates, mosaic: float, asked: Wide = WIDE[0]) -> dict[str, Any]:
    """Storage, energy, and hours on one machine, of mapping an area once; ``mosaic`` is the pixels of a scene."""
    pixels = asked.km2 * 1e6 / asked.pixel_m**2
    seconds = pixels / rates.pixels
    moved = pixels * (rates.rgb_bytes + rates.map_bytes)
    hours = {
        f"{CORES} cores": seconds / CORES / HOUR,
        "1 Gbit/s to the storage": moved / NETWORK / HOUR,
        SERVER: pixels / mosaic * rates.tasks / rates.recorded / HOUR,
    }
    return {
        "asked": asdict(asked),
        "cell_m": asked.pixel_m * rates.fine,
        "pixels": pixels,
        "scenes": pixels / mosaic,
        "rgb_tb": pixels * rates.rgb_bytes / 1e12,
        "maps_tb": pixels * rates.map_bytes / 1e12,
        "core_hours": seconds / HOUR,
        "hours": hours,
        "a_day": math.ceil(max(taken for name, taken in hours.items() if name != SERVER) / 24),
        "kwh": _kwh(seconds),
        "cores_on_network": NETWORK * seconds / moved,
        "bottleneck": max(hours, key=lambda name: hours[name]),
    }


def _kwh(seconds: float) -> dict[str, float]:
    energy = modelled(seconds)
    return {"typical": energy.joules / 3.6e6, "low": energy.low / 3.6e6, "high": energy.high / 3.6e6}


def gather(folder: Path, tasks: int) -> dict[str, Any]:
    """The figures by name: kept, or measured now."""
    load = folder / "scheduling.json"
    if load.is_file() and json.loads(load.read_text(encoding="utf-8"))["tasks"] < tasks:
        load.unlink()

    def scheduling() -> dict[str, Any]:
        return measure_scheduling(folder / "server", tasks=tasks)

    found = {
        "weights": _kept(folder / "weights.json", weigh_scenes),
        "scheduling": _kept(load, scheduling),
        "crowd": operations.figures_of("crowd-sqlite"),
    }
    speeds = {name: performance.figures_of(name) or _kept(folder / f"{name}.json", _smaller(name)) for name in SMALLER}
    return found | speeds


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
        cell_m=figures["weights"]["cell_m"],
        load=figures["scheduling"],
        sites=cost_of_sites(rates, params, figures["weights"]["cell_m"]),
        areas=[cost_of_area(rates, figures["mosaics"]["large"]["pixels"], asked) for asked in WIDE],
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
