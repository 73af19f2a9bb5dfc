"""Tiny sites with a known answer, made through the real ingest: raw GeoTIFFs and a survey file in, a site out."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import yaml
from affine import Affine
from nested import Nested, make_nested

from outcrop.params import Params
from outcrop.survey.ingest import Progress, ingest_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import Survey, load_survey
from tasks.workspace import ENVIRONMENT

if TYPE_CHECKING:
    from benches import Bench, Caller
    from clusters import Clusters
    from forgery import Audited

PROJECT = Path(__file__).parent.parent
#: Base cells along one side of the tiny site, and metres along one side of a cell.
SIDE, CELL = 64, 10.0
EAST, NORTH = 500_000.0, 7_100_000.0
CRS = "EPSG:32627"

TINY_SURVEY: dict[str, Any] = {
    "survey": "tiny",
    "title": "Tiny survey",
    "licence": "CC0-1.0",
    "source": "tests",
    "classes": [
        {"name": "basalt", "value": 10, "colour": "#444444"},
        {"name": "olivine", "value": 20, "colour": "#88aa33"},
        {"name": "calcite", "value": 30, "colour": "#eeeecc"},
    ],
    "modalities": {
        "rgb": {"bands": ["red", "green", "blue"], "unit": "digital number", "range": [0, 255], "nodata": 0},
        "thermal": {"bands": ["brightness"], "unit": "K", "range": [200, 400]},
        "elevation": {"bands": ["elevation"], "unit": "m", "range": [-100, 9000], "nodata": -9999, "scale": 0.5},
    },
    "sites": {
        "north": {
            "title": "The tiny site",
            "scenes": {
                "first": {
                    "acquired": "2024-07-01",
                    "rasters": {
                        "rgb": "first/rgb.tif",
                        "thermal": "first/thermal.tif",
                        "elevation": "first/elevation.tif",
                    },
                    "labels": "first/labels.tif",
                }
            },
        }
    },
    "params": {
        "footprint": 3,
        "labels": {"per_class": 20},
        "split": {"block": 8, "buffer": 3, "fractions": {"train": 0.6, "val": 0.2, "test": 0.2}},
        "patches": {"batch": 16},
    },
}


def write_geotiff(path: Path, values: Any, *, cell: float = CELL, origin: Any = (EAST, NORTH), **profile: Any) -> Path:
    """Write (bands, H, W) or (H, W) as a plain GeoTIFF with square pixels whose first corner lies at ``origin``."""
    values = np.atleast_3d(values.T).T
    path.parent.mkdir(parents=True, exist_ok=True)
    layout = {
        "driver": "GTiff",
        "count": values.shape[0],
        "height": values.shape[1],
        "width": values.shape[2],
        "dtype": values.dtype,
        "crs": CRS,
        "transform": Affine(cell, 0, origin[0], 0, -cell, origin[1]),
    }
    with rasterio.open(path, "w", **(layout | profile)) as dataset:
        dataset.write(values)
    return path


def pytest_configure() -> None:
    """Quiet, offline and with one thread, as the processes are that tests start; before anything heavy is imported."""
    for name, value in (ENVIRONMENT | {"OMP_NUM_THREADS": "1"}).items():
        os.environ.setdefault(name, value)
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@pytest.fixture(autouse=True)
def asks_no_other_registry() -> Iterator[None]:
    """MLflow keeps the registry that a test chose for the rest of the process: the next one has its own."""
    yield
    os.environ.pop("MLFLOW_TRACKING_URI", None)


@dataclass
class TinySurvey:
    """Raw files of one survey, its file, and what the site made of them must hold.

    ``labels`` (H, W) are places in the vocabulary, 255: none. ``entries`` may be changed; `load` writes and reads them.
    """

    raw: Path
    destination: Path
    entries: dict[str, Any]
    labels: np.ndarray
    rgb: np.ndarray
    thermal: np.ndarray
    elevation: np.ndarray

    def load(self) -> tuple[Survey, Params]:
        path = self.raw / "survey.yaml"
        path.write_text(yaml.safe_dump(self.entries), encoding="utf-8")
        return load_survey(path, PROJECT / "params.yaml")

    def ingest(self, site: str = "north", progress: Progress = lambda done, total, step: None) -> Site:
        survey, params = self.load()
        return ingest_site(survey, site, params, self.raw, self.destination, progress)


def make_tiny_survey(folder: Path) -> TinySurvey:
    """Write the raw files of the tiny survey. The classes differ in every sensor, so that a model can learn them.

    RGB is twice as fine as the base grid; thermal is twice as coarse, starts three cells up and five to the left of it,
    and its pixels straddle it; elevation is stored in half metres. One corner of each has no data.
    """
    rng = np.random.default_rng(3)
    cells = np.add.outer(np.arange(SIDE) // 5, np.arange(SIDE) // 3) % 3
    labels = cells.astype(np.uint8)
    labels[:4, 30:40] = 255
    fine = cells.repeat(2, 0).repeat(2, 1)
    colours = np.array([[60, 60, 70], [90, 140, 60], [220, 215, 190]])
    rgb = np.clip(colours[fine].transpose(2, 0, 1) + rng.normal(0, 8, (3, 2 * SIDE, 2 * SIDE)), 1, 255)
    rgb = rgb.astype(np.uint8)
    rgb[:, :6, :6] = 0
    rgb[0, 40, 40] = 0  # a dark pixel, not a missing one
    thermal = (290 + rng.normal(0, 1, (38, 38))).astype(np.float32)
    thermal[-1, -1] = np.nan
    elevation = (1000 + 4 * cells + rng.integers(0, 3, cells.shape)).astype(np.int16)
    elevation[60:, :2] = -9999
    first = folder / "raw" / "first"
    values = np.array([10, 20, 30], dtype=np.uint8)[cells]
    write_geotiff(first / "labels.tif", np.where(labels == 255, 0, values).astype(np.uint8), nodata=0)
    write_geotiff(first / "rgb.tif", rgb, cell=CELL / 2, nodata=0)
    write_geotiff(first / "thermal.tif", thermal, cell=2 * CELL, origin=(EAST - 5 * CELL, NORTH + 3 * CELL))
    write_geotiff(first / "elevation.tif", elevation)
    entries = yaml.safe_load(yaml.safe_dump(TINY_SURVEY))
    return TinySurvey(folder / "raw", folder / "sites", entries, labels, rgb, thermal, elevation)


@pytest.fixture
def tiny_survey(tmp_path: Path) -> TinySurvey:
    """Raw files that a test may damage, change and ingest."""
    return make_tiny_survey(tmp_path)


@pytest.fixture(scope="session")
def tiny_truth(tmp_path_factory: pytest.TempPathFactory) -> TinySurvey:
    """Raw files of `tiny_site`: compare with them, do not change them."""
    return make_tiny_survey(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_site(tiny_truth: TinySurvey) -> Site:
    """The site ingested from `tiny_truth`, made once: read it, do not change it."""
    return tiny_truth.ingest()


@pytest.fixture(scope="session")
def nested(tmp_path_factory: pytest.TempPathFactory) -> Nested:
    """Two sites with finer, equal and coarser modalities, and their truth: read them, do not change them."""
    return make_nested(tmp_path_factory.mktemp("nested"), PROJECT / "params.yaml", write_geotiff)


@pytest.fixture(scope="session")
def clusters(tmp_path_factory: pytest.TempPathFactory) -> "Clusters":
    """A site on which a knowing teacher helps: read it, do not change it."""
    from clusters import make_clusters  # brings torch, which few tests need

    return make_clusters(tmp_path_factory.mktemp("clusters"), PROJECT / "params.yaml", write_geotiff)


@pytest.fixture(scope="session")
def pristine_bench(tmp_path_factory: pytest.TempPathFactory) -> "Bench":
    """What every `bench` is a copy of."""
    from benches import make_bench

    return make_bench(tmp_path_factory.mktemp("pristine"))


@pytest.fixture
def bench(tmp_path: Path, pristine_bench: "Bench") -> "Bench":
    """A fresh workspace that a test may damage."""
    from benches import copy_bench

    return copy_bench(pristine_bench, tmp_path)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One Prefect server for the commands that are called in this process."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        patch.setenv("PREFECT_LOCAL_STORAGE_PATH", str(home / "results"))
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
        from prefect.testing.utilities import prefect_test_harness

        # A heartbeat makes every flow last a second, however little it does.
        with (
            prefect_test_harness(server_startup_timeout=120),
            temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
        ):
            yield


@pytest.fixture(scope="session")
def call(server: None) -> "Caller":
    """Call the command line's entry point in this process: quicker than a process of its own."""
    from benches import Caller

    return Caller(flows=True)


@pytest.fixture(scope="session")
def serverless_call() -> "Caller":
    """The same for commands that run no flow."""
    from benches import Caller

    return Caller()


@pytest.fixture(scope="session")
def trained(
    call: "Caller", pristine_bench: "Bench", tmp_path_factory: pytest.TempPathFactory
) -> "tuple[Bench, dict[str, Any]]":
    """A workspace in which the tiny survey was retrained once, and what the command said: read it, do not change it."""
    from benches import copy_bench

    bench = copy_bench(pristine_bench, tmp_path_factory.mktemp("trained"))
    return bench, call.told(bench, "retrain")


@pytest.fixture
def trained_copy(trained: "tuple[Bench, dict[str, Any]]", tmp_path: Path) -> "Bench":
    """The same workspace, which a test may damage."""
    from benches import copy_bench

    return copy_bench(trained[0], tmp_path)


@pytest.fixture(scope="session")
def exported(
    trained: "tuple[Bench, dict[str, Any]]", serverless_call: "Caller", tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """The tiny survey's student, exported once, and what the command told."""
    bench, _ = trained
    folder = tmp_path_factory.mktemp("exports") / "student"
    said = serverless_call(bench, "export", "tiny-student", "-o", str(folder), "--json")
    assert said.code == 0, said.err
    return folder, json.loads(said.out)


@pytest.fixture(scope="session")
def audited(server: None, pristine_bench: "Bench", tmp_path_factory: pytest.TempPathFactory) -> "Audited":
    """A workspace with everything that an audit looks at: read it, do not change it."""
    from benches import copy_bench
    from forgery import make_audited

    with pytest.MonkeyPatch.context() as patch:
        return make_audited(copy_bench(pristine_bench, tmp_path_factory.mktemp("audited")), patch)
