"""What a model burdens a small machine with: time to load, latency, throughput, memory, energy of computing.

Each contender is measured by a fresh process, on one thread, for none shall meet another's caches or libraries.
"""

import resource
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from outcrop.field.energy import Energy, energy_of
from outcrop.field.predictors import Predictor
from outcrop.field.profiles import ModelProfile

if TYPE_CHECKING:
    from outcrop.field.exported import Precision


@dataclass(frozen=True)
class Contender:
    """A model to be measured: a trained one's folder, or an export's and its precision."""

    name: str
    folder: Path
    profile: ModelProfile
    precision: "Precision | None" = None


@dataclass(frozen=True)
class Burden:
    """What was measured of a contender.

    Parameters
    ----------
    load_seconds : to import the libraries, load the model and give the first answer
    latency_ms_p50, latency_ms_p95 : of one cell (batch 1)
    cells_per_second, pixels_per_second : of whole tiles; native pixels of the finest modality
    peak_mb : of the process
    megabytes : of the model's file
    cell : energy of computing one cell
    """

    name: str
    load_seconds: float
    latency_ms_p50: float
    latency_ms_p95: float
    cells_per_second: float
    pixels_per_second: float
    peak_mb: float
    megabytes: float
    cell: Energy


def measure_burden(contender: Contender, runs: int, seconds: float) -> Burden:
    """Measure a contender in a process of its own: ``runs`` single cells, and tiles for so many seconds."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(_measure, contender, runs, seconds).result()


def _measure(contender: Contender, runs: int, seconds: float) -> Burden:
    start = perf_counter()
    predictor, size = _load(contender)
    single, whole = (tile_of(contender.profile, side) for side in (1, contender.profile.tile))
    predictor.predict(single)
    load = perf_counter() - start
    for _ in range(runs // 10):
        predictor.predict(single)
    walls = [_wall(predictor, single) for _ in range(runs)]
    wall = _wall(predictor, whole)
    tiles = max(2, round(seconds / wall))
    spent, energy = energy_of(lambda: [predictor.predict(whole) for _ in range(tiles)])
    cells = tiles * contender.profile.tile**2
    return Burden(
        name=contender.name,
        load_seconds=load,
        latency_ms_p50=1e3 * float(np.median(walls)),
        latency_ms_p95=1e3 * float(np.percentile(walls, 95)),
        cells_per_second=cells / spent,
        pixels_per_second=cells / spent * max(entry.fine for entry in contender.profile.inputs) ** 2,
        peak_mb=_peak_mb(),
        megabytes=size / 2**20,
        cell=energy.per(cells),
    )


def _load(contender: Contender) -> tuple[Predictor, int]:
    if contender.precision is not None:
        from outcrop.field.exported import ExportedPredictor

        exported = ExportedPredictor(contender.folder, contender.precision)
        return exported, exported.export.graphs[contender.precision].bytes
    import torch

    from outcrop.field.trained import TrainedPredictor
    from outcrop.learning.models import WEIGHTS, load_model

    torch.set_num_threads(1)
    predictor = TrainedPredictor(load_model(contender.folder), contender.profile)
    return predictor, (contender.folder / WEIGHTS).stat().st_size


def tile_of(profile: ModelProfile, side: int) -> dict[str, NDArray[Any]]:
    """Windows of noise around the training mean for a tile: zeros can be faster than real data."""
    rng, windows = np.random.default_rng(0), dict[str, NDArray[Any]]()
    for entry in profile.inputs:
        cells = (np.arange(side) // entry.coarse).astype(np.int64)
        pixels = int(cells[-1]) * entry.fine + entry.side if entry.coarse == 1 else int(cells[-1]) + entry.side
        noise = rng.standard_normal((1, len(entry.bands), pixels, pixels), dtype=np.float32)
        scale, shift = (np.array(values, dtype=np.float32).reshape(-1, 1, 1) for values in (entry.std, entry.mean))
        windows[entry.name] = noise * scale + shift
        if entry.coarse > 1:
            windows |= {f"{entry.name}_rows": cells, f"{entry.name}_cols": cells}
    return windows


def _peak_mb() -> float:
    """Largest resident memory of this process; `ru_maxrss` would count that of the process it was started from."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # elsewhere than on Linux it is in bytes
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def _wall(predictor: Predictor, windows: dict[str, NDArray[Any]]) -> float:
    start = perf_counter()
    predictor.predict(windows)
    return perf_counter() - start
