"""What it takes to ingest a hyperspectral cube that is larger than the memory it may use: peak megabytes and speed.

An ENVI cube of 224 bands of 16-bit numbers is made in each of the three layouts, and ingested with a raster of labels
by a fresh process, which tells its own peak. The kernel hands a parent's peak down to the processes that it starts, so
this module imports nothing heavy before it is one of them.

    python -m benchmarks.cubes [--megabytes N | --smoke]
    python -m benchmarks.cubes make SIDE INTERLEAVE FOLDER
    python -m benchmarks.cubes ingest FOLDER
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from math import isqrt
from pathlib import Path
from typing import Any

from benchmarks.memory import peak_mb

BANDS = 224
INTERLEAVES = ("bsq", "bil", "bip")
SMOKE = {"megabytes": 4}
#: Lines that are made at a time.
LINES = 32
HEADER = """ENVI
samples = {side}
lines = {side}
bands = {bands}
header offset = 0
data type = 2
interleave = {interleave}
byte order = 0
map info = {{UTM, 1, 1, 500000, 7100000, 10, 10, 27, North, WGS-84}}
wavelength units = Nanometers
wavelength = {{{wavelengths}}}
"""
CLASSES = ("basalt", "olivine", "calcite")


def measure_cubes(*, megabytes: int = 2048) -> dict[str, Any]:
    """Size of the cube in megabytes; by layout, peak megabytes, seconds, megabytes a second, peak / cube; the worst.

    A small cube shows the memory of the windows, which does not grow with the cube.
    """
    side = isqrt(megabytes * 2**20 // (2 * BANDS))
    cube_mb = side**2 * BANDS * 2 / 2**20
    found: dict[str, Any] = {"side": side, "bands": BANDS, "cube_mb": cube_mb}
    for interleave in INTERLEAVES:
        with tempfile.TemporaryDirectory(prefix="outcrop-bench-") as folder:
            _run("make", str(side), interleave, folder)
            result = _run("ingest", folder)
        speed, ratio = cube_mb / result["seconds"], result["peak_mb"] / cube_mb
        found[interleave] = {**result, "mb_per_second": speed, "ratio": ratio}
    figures = [found[interleave] for interleave in INTERLEAVES]
    for name, worst in (("peak_mb", max), ("ratio", max), ("mb_per_second", min)):
        found[name] = worst(each[name] for each in figures)
    return found


def _run(*arguments: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.cubes", *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def make(side: int, interleave: str, folder: Path) -> dict[str, Any]:
    """Write a cube, its labels and the survey: squares of three classes, whose spectra differ in level and slope."""
    import numpy as np
    import rasterio
    import yaml
    from affine import Affine

    square = max(2, side // 40)
    labels = (np.add.outer(np.arange(side) // square, np.arange(side) // square) % len(CLASSES)).astype(np.uint8)
    waves = np.linspace(0, 1, BANDS)
    spectra = np.array([3000 * level + 2000 * waves * level for level in (1.0, 0.6, 1.5)]).astype(np.int16)
    noise = np.random.default_rng(0)
    axes = {"bsq": (2, 0, 1), "bil": (0, 2, 1), "bip": (0, 1, 2)}[interleave]
    cube = np.memmap(folder / "cube.img", np.int16, "w+", shape=tuple((side, side, BANDS)[axis] for axis in axes))
    by_pixel = cube.transpose(np.argsort(axes))
    for line in range(0, side, LINES):
        pixels = spectra[labels[line : line + LINES]]
        by_pixel[line : line + LINES] = pixels + noise.integers(-40, 40, pixels.shape, dtype=np.int16)
    cube.flush()
    wavelengths = ", ".join(f"{400 + 2100 * wave:.2f}" for wave in waves)
    header = HEADER.format(side=side, bands=BANDS, interleave=interleave, wavelengths=wavelengths)
    (folder / "cube.hdr").write_text(header)
    place = {"crs": "EPSG:32627", "transform": Affine(10, 0, 500_000, 0, -10, 7_100_000)}
    layout = {"driver": "GTiff", "count": 1, "height": side, "width": side, "dtype": "uint8"}
    with rasterio.open(folder / "labels.tif", "w", **layout, **place) as dataset:
        dataset.write(labels, 1)
    (folder / "survey.yaml").write_text(yaml.safe_dump(_survey(side)))
    return {}


def _survey(side: int) -> dict[str, Any]:
    scene = {"acquired": "2024-07-01", "rasters": {"hyperspectral": "cube.hdr"}, "labels": "labels.tif"}
    return {
        "survey": "cubes",
        "classes": [{"name": name, "value": value, "colour": "#888888"} for value, name in enumerate(CLASSES)],
        "modalities": {"hyperspectral": {"unit": "reflectance x 10000", "range": [0, 10000]}},
        "sites": {"cube": {"scenes": {"flight": scene}}},
        "params": {
            "distil": {"rungs": ["all", ["hyperspectral"]]},
            "split": {"block": max(12, side // 20)},
        },
    }


def ingest(folder: Path) -> dict[str, Any]:
    """Ingest the cube in this process."""
    from outcrop.survey.ingest import ingest_site
    from outcrop.survey.surveys import load_survey

    survey, params = load_survey(folder / "survey.yaml", Path(__file__).parent.parent / "params.yaml")
    start_mb, start = peak_mb(), time.perf_counter()
    ingest_site(survey, "cube", params, folder, folder / "sites")
    return {"start_mb": start_mb, "peak_mb": peak_mb(), "seconds": time.perf_counter() - start}


def main() -> None:
    """One process's work, or all of it."""
    task, *arguments = sys.argv[1:] or [""]
    if task == "make":
        side, interleave, folder = arguments
        print(json.dumps(make(int(side), interleave, Path(folder))))
    elif task == "ingest":
        print(json.dumps(ingest(Path(arguments[0]))))
    else:
        parser = argparse.ArgumentParser(prog="python -m benchmarks.cubes", description=__doc__.partition("\n")[0])
        parser.add_argument("--megabytes", type=int, default=2048, help="size of the cube")
        parser.add_argument("--smoke", action="store_true", help="a tiny cube: whether it runs, not how fast")
        chosen = parser.parse_args()
        print(json.dumps(measure_cubes(**(SMOKE if chosen.smoke else {"megabytes": chosen.megabytes})), indent=2))


if __name__ == "__main__":
    main()
