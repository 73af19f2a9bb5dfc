"""A map that is killed anywhere leaves none, and the next run makes, to the byte, what an undisturbed run makes.

So do several workers, even if one of them is killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import rasterio
from benches import Bench, Caller
from conftest import CELL, write_geotiff
from distributed import Client, LocalCluster
from lost_workers import doom

from outcrop.record.digests import digest_folder
from tasks import sharing

Trained = tuple[Bench, dict[str, Any]]
Exported = tuple[Path, dict[str, Any]]
#: Cells of the scene: it has three blocks.
SHAPE = 40, 600


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A mosaic of noise with a hole."""
    pixels = np.random.default_rng(0).integers(1, 256, (3, 2 * SHAPE[0], 2 * SHAPE[1]), dtype=np.uint8)
    pixels[:, 30:40, 500:700] = 0
    path = write_geotiff(tmp_path_factory.mktemp("scene") / "mosaic.tif", pixels, cell=CELL / 2, nodata=0)
    with rasterio.open(path, "r+") as dataset:
        dataset.descriptions = ("red", "green", "blue")
    return path


@pytest.fixture(scope="module")
def undisturbed(
    scene: Path, exported: Exported, trained: Trained, serverless_call: Caller, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The map of a run that nothing befell."""
    folder = tmp_path_factory.mktemp("undisturbed") / "map"
    said = serverless_call(trained[0], "map", str(exported[0]), str(scene), "-o", str(folder), "--probabilities")
    assert said.code == 0, said.err
    return folder


def at_call(owner: str, name: str, count: int) -> str:
    """Code that kills its process when a function is called for the time after ``count``."""
    return f"""
import os
from pkgutil import resolve_name
owner, left = resolve_name({owner!r}), [{count}]
whole = getattr(owner, {name!r})
def dying(*args, **kwargs):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return whole(*args, **kwargs)
setattr(owner, {name!r}, dying)
"""


def at_block(count: int) -> str:
    """Code that has the system kill its process where it has written a part of the block after ``count``."""
    return f"""
import resource
from outcrop.field.journals import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
left, whole = [{count}], Journal.append
def bounded(journal, *args, **kwargs):
    if not left[0]:
        end = journal.path.stat().st_size + 100
        resource.setrlimit(resource.RLIMIT_FSIZE, (end, end))
    left[0] -= 1
    return whole(journal, *args, **kwargs)
Journal.append = bounded
"""


KEEPING = "outcrop.field.journals:Journal"
#: When it is killed: the code that does it, the signal, the blocks that are finished then, options.
MOMENTS: dict[str, tuple[str, int, int, list[str]]] = {
    "before a block is kept": (at_call(KEEPING, "append", 2), signal.SIGKILL, 2, []),
    "in the middle of a block": (at_block(2), signal.SIGXFSZ, 2, []),
    "between two rasters": (at_call("outcrop.survey.rasters", "_finish", 1), signal.SIGKILL, 3, []),
    "before the map has its name": (at_call("outcrop.survey.staging", "_swap", 0), signal.SIGKILL, 3, []),
    "while others work for it": (at_call(KEEPING, "keep", 1), signal.SIGKILL, 1, ["--workers", "2"]),
}


def working_in(folder: Path) -> Iterator[psutil.Process]:
    """Processes whose folder that is."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.cwd() == str(folder):
                yield process


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_map_goes_on(
    moment: str,
    scene: Path,
    undisturbed: Path,
    exported: Exported,
    trained: Trained,
    serverless_call: Caller,
    tmp_path: Path,
) -> None:
    killing, ended_by, finished, options = MOMENTS[moment]
    words = ["map", str(exported[0]), str(scene), "-o", str(tmp_path / "map"), "--probabilities", *options]
    code = f"import signal, sys; from flows.cli import main; sys.argv = {['outcrop', *words]}\n{killing}\nmain()"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=trained[0].environment, check=False)
    assert done.returncode == -ended_by
    assert not (tmp_path / "map").exists()
    assert not psutil.wait_procs(list(working_in(tmp_path)), timeout=20)[1]
    said = serverless_call(trained[0], *words)
    assert said.code == 0, said.err
    assert f"{finished} blocks are finished" in said.err
    assert digest_folder(tmp_path / "map") == digest_folder(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["map"]


def test_a_map_outlives_a_worker_of_a_cluster(
    scene: Path, undisturbed: Path, exported: Exported, trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    words = ["map", str(exported[0]), str(scene), "-o", str(tmp_path / "map"), "--probabilities"]
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        doomed, *_ = client.run(os.getpid)
        pids = client.run(os.getpid)
        client.run(doom, "tasks.map", "map_windows", workers=[doomed])
        said = serverless_call(trained[0], *words, "--cluster", cluster.scheduler_address)
        assert not psutil.pid_exists(pids[doomed])
    assert said.code == 0, said.err
    assert digest_folder(tmp_path / "map") == digest_folder(undisturbed)
    assert [path.name for path in tmp_path.iterdir()] == ["map"]


def test_a_cluster_that_does_not_answer_is_told(
    scene: Path,
    exported: Exported,
    trained: Trained,
    serverless_call: Caller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sharing, "PATIENCE", 0.5)
    words = ["map", str(exported[0]), str(scene), "-o", str(tmp_path / "map")]
    said = serverless_call(trained[0], *words, "--cluster", "tcp://127.0.0.1:1")
    assert said.code == 2 and "Traceback" not in said.err
    assert "no Dask cluster with a worker answers (tcp://127.0.0.1:1)" in said.err
    said = serverless_call(trained[0], *words, "--cluster", "tls://127.0.0.1:1")
    assert (
        said.code == 2
        and "Dask's settings of certificates do not fit the cluster's address (tls://127.0.0.1:1)" in said.err
    )
    assert not list(tmp_path.iterdir())
