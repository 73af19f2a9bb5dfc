"""Mapping whole scenes, from files to map: memory, throughput, cold start, two at a time, and beside the teacher.

Every map is made by a fresh process. The kernel hands a parent's peak of memory down to the processes that it starts,
so this module imports nothing heavy before it is one of them.

    python -m benchmarks.mosaics prepare FOLDER SIDE CELLS
    python -m benchmarks.mosaics teacher FOLDER
"""

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from time import perf_counter, sleep
from typing import Any

PROJECT = Path(__file__).parent.parent
#: Pixels of the small mosaics along one side; the large one is given.
START, SMALL = 1280, 5000
FOOTPRINT = 9
THREADS = ("--threads", "1")
Result = dict[str, Any]


def measure_mosaics(*, large: int = 20_000, small: int = SMALL, cells: int = 384, starts: int = 5) -> Result:
    """Figures of maps of RGB mosaics of ``small`` and ``large`` pixels a side, and of a scene of ``cells`` a side."""
    with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as name:
        folder = Path(name)
        _wait(_start(["benchmarks.mosaics", "prepare", name, str(cells), *map(str, (START, small, large))]))
        colds = [_cold_start(folder) for _ in range(starts)]
        sizes = {size: _map(folder, f"{side}.tif", "1") for size, side in (("small", small), ("large", large))}
        whole = {precision: _map(folder, f"{small}.tif", "1", precision) for precision in ("fp32", "int8")}
        pair = [_start(_command(folder, f"{small}.tif", each)) for each in "12"]
        together = max(_wait(each)["wall"] for each in pair)
        student, teacher = _map(folder, "scene.json", "1"), _wait(_start(["benchmarks.mosaics", "teacher", name]))
    return {
        "sides": {"small": small, "large": large},
        "footprint": FOOTPRINT,
        "cold_start_seconds": sorted(colds)[len(colds) // 2],
        **sizes,
        "flatness": sizes["large"]["speed"] / sizes["small"]["speed"],
        "int8": whole["int8"]["speed"] / whole["fp32"]["speed"],
        "two_processes": 2 * whole["fp32"]["wall"] / together,
        "teacher": {**teacher, "cells": cells},
        "student": student,
        "faster": teacher["wall"] / student["wall"],
        **_energy(folder, student["wall"], teacher["wall"], cells),
    }


def _command(folder: Path, scene: str, output: str, precision: str = "fp32") -> list[str]:
    words = ["map", folder / "export", folder / scene, "-o", folder / output, "--precision", precision, *THREADS]
    return ["flows.cli", *map(str, words), "--json"]


def _start(words: list[str]) -> tuple[subprocess.Popen[str], float]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT, env=environment), perf_counter()


def _wait(started: tuple[subprocess.Popen[str], float]) -> Result:
    """What a process told, its seconds from start to end, those of its threads on a core, and its peak megabytes."""
    process, start = started
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise RuntimeError(f"{process.args} ended with {status}")
    peak = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
    told: Result = json.loads(said.splitlines()[-1])
    cpu = usage.ru_utime + usage.ru_stime
    return {"wall": perf_counter() - start, "cpu": cpu, "peak_mb": peak, **told}


def _map(folder: Path, scene: str, output: str, precision: str = "fp32") -> Result:
    told = _wait(_start(_command(folder, scene, output, precision)))
    pixels = 16 * told["cells"]
    return {key: told[key] for key in ("wall", "cpu", "peak_mb", "seconds")} | {
        "pixels": pixels,
        "bytes": sum(path.stat().st_size for path in (folder / output).rglob("*") if path.is_file()),
        "speed": pixels / told["seconds"],
    }


def _cold_start(folder: Path) -> float:
    """Seconds from the start of `outcrop map` to the first block that is kept."""
    journal = folder / ".cold.unfinished" / "blocks"
    process, start = _start(_command(folder, f"{START}.tif", "cold"))
    while process.poll() is None:
        with suppress(FileNotFoundError):
            if journal.stat().st_size:
                seconds = perf_counter() - start
                process.wait()
                return seconds
        sleep(0.002)
    raise RuntimeError("no block was seen")


def _energy(folder: Path, student: float, teacher: float, cells: int) -> Result:
    told = _wait(_start(["benchmarks.mosaics", "energy", str(student), str(teacher), str(cells)]))
    return {key: told[key] for key in ("computing_saved", "whole_saved", "power_saved", "joules")}


def energy(student: float, teacher: float, cells: int) -> Result:
    """Energy of a square kilometre by either, from the seconds that a scene of cells of 1 m took; 1 km² an hour."""
    from benchmarks.untrained import SENSORS
    from outcrop.field.energy import modelled
    from outcrop.field.sensor_costs import rung_cost

    scenes = 1e6 / cells**2
    computing = {name: modelled(wall * scenes).joules for name, wall in (("student", student), ("teacher", teacher))}
    watts: dict[str, float] = {}
    for name, modalities in (("student", ["rgb"]), ("teacher", list(SENSORS))):
        power = rung_cost(modalities).power_w
        assert power is not None
        watts[name] = power.typical
    whole = {name: computing[name] + 3600 * watts[name] for name in watts}
    return {
        "joules": {name: {"computing": computing[name], "whole": whole[name], "watts": watts[name]} for name in watts},
        "computing_saved": 1 - computing["student"] / computing["teacher"],
        "whole_saved": 1 - whole["student"] / whole["teacher"],
        "power_saved": 1 - watts["student"] / watts["teacher"],
    }


def prepare(folder: Path, cells: int, sides: list[int]) -> Result:
    """Write the student's export, the teacher, mosaics of noise with texture, and a scene of all modalities."""
    from benchmarks.scenery import write_mosaic, write_scene
    from benchmarks.untrained import SENSORS, untrained, write_untrained
    from outcrop.learning.models import save_model

    write_untrained(*untrained("student", ["rgb"], FOOTPRINT), folder / "export")
    model, profile = untrained("teacher", list(SENSORS), FOOTPRINT)
    save_model(model, folder / "teacher")
    (folder / "teacher.json").write_text(profile.model_dump_json())
    for side in sides:
        write_mosaic(folder / f"{side}.tif", side)
    write_scene(folder, cells)
    return {}


def teacher(folder: Path) -> Result:
    """Map the scene with the teacher, as `outcrop map` does with a model, but without reading its survey and sites."""
    import torch

    from outcrop.field.journals import Journal
    from outcrop.field.mapping import map_scene
    from outcrop.field.products import products_of, write_map
    from outcrop.field.profiles import ModelProfile
    from outcrop.field.scenes import open_scene
    from outcrop.field.trained import TrainedPredictor
    from outcrop.learning.models import load_model

    torch.set_num_threads(1)
    profile = ModelProfile.model_validate_json((folder / "teacher.json").read_text())
    scene = open_scene(folder / "scene.json", profile)
    predictor, journal = TrainedPredictor(load_model(folder / "teacher"), profile), Journal(folder / "journal")
    map_scene(predictor, scene, journal, probabilities=False, threads=1, megabytes=2048, progress=lambda cells: None)
    (folder / "taught").mkdir()
    write_map(scene, products_of(profile, probabilities=False, familiarity=False), journal, folder / "taught", {})
    return {}


if __name__ == "__main__":
    task, *words = sys.argv[1:]
    if task == "prepare":
        print(json.dumps(prepare(Path(words[0]), int(words[1]), [int(side) for side in words[2:]])))
    elif task == "teacher":
        print(json.dumps(teacher(Path(words[0]))))
    else:
        print(json.dumps(energy(float(words[0]), float(words[1]), int(words[2]))))
