"""The document on the simulator: every part in its smallest form, and the digest of the parameters that it states."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from outcrop.learning.forest import fit_forest
from outcrop.params import Forest
from outcrop.survey.simulation import parameters
from outcrop.survey.simulation.parameters import parameters_digest
from outcrop.survey.surveys import DATA_VARIABLE

PROJECT = Path(__file__).parents[2]
DOCUMENT = PROJECT / "docs" / "simulation.md"
RAW = Path(os.environ.get(DATA_VARIABLE, PROJECT.parent / "shared" / "data"))
SIZE, SMALLEST = 64, 48


@pytest.fixture(scope="module", autouse=True)
def project_on_path() -> Iterator[None]:
    """The benchmarks are not installed with the packages."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(PROJECT))
        patch.setenv("PYTHONPATH", str(PROJECT))
        yield


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """What every part finds on small sites, with short trainings, as it is kept; and the folder of the pictures.

    The sites are simulated once for all parts; forests are small, and speed is measured on still smaller sites.
    """
    from benchmarks import honesty, networks, views
    from benchmarks.simulated import NEW, TRAINING, simulated
    from benchmarks.simulation import PARTS, measure

    def few_trees(features: Any, labels: Any, forest: Forest, seed: int) -> Any:
        return fit_forest(features, labels, forest.model_copy(update={"trees": 10}), seed)

    folder = tmp_path_factory.mktemp("pictures")
    with pytest.MonkeyPatch.context() as patch, simulated(SIZE, (*TRAINING, NEW, views.FARM)) as ground:
        patch.setattr(networks, "EPOCHS", {"teacher": 1, "student": 1})
        patch.setattr(networks, "SAMPLES", 64)
        patch.setattr(honesty, "fit_forest", few_trees)
        patch.setattr(views, "draw_fits", lambda path: path.touch())
        for module in (honesty, networks, views):
            patch.setattr(module, "simulated", lambda size, names: nullcontext(ground))
        found = {part: measure(part, SMALLEST if part == "speed" else SIZE, folder) for part in PARTS}
    return json.loads(json.dumps(found)), folder


def test_the_document_states_the_parameters_that_it_is_about() -> None:
    assert parameters_digest() in DOCUMENT.read_text(encoding="utf-8"), "run `python -m benchmarks.simulation`"


def test_no_parameter_changes_unseen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, copy = parameters_digest(), tmp_path / "simulation"
    shutil.copytree(Path(parameters.__file__).parent, copy)
    monkeypatch.setattr(parameters, "__file__", str(copy / "parameters.py"))
    assert parameters_digest() == before
    digests = {before}
    for name in ("units.yaml", "places.yaml", "tables/bands.csv"):
        with (copy / name).open("a") as stream:
            stream.write("\n")
        digests.add(parameters_digest())
    (copy / "tables" / "bands.csv").rename(copy / "tables" / "strips.csv")
    assert len(digests | {parameters_digest()}) == 5


def test_every_target_has_its_figure(results: tuple[dict[str, Any], Path]) -> None:
    from benchmarks.simulation import rows
    from benchmarks.targets import TARGETS

    found = rows({**results[0], "large": {"peak_mb": 5000.0}})
    assert len(found) == len(TARGETS)
    assert all(what and value and limits and met in ("yes", "NO") for what, value, limits, met in found)
    assert found[-1][1:] == ("5000 MB", "at most 4096 MB", "NO")
    assert {what: met for what, *_, met in found}["fits: median RMSE of the worst class"] == "yes"


def test_forests_and_networks_are_scored_on_the_same_sites(results: tuple[dict[str, Any], Path]) -> None:
    honesty, shift = results[0]["honesty"], results[0]["shift"]
    assert honesty["ratio"]["all"] == honesty["sites_ratio"]["all"] == 1
    assert sum(site["rgb"]["cells"] for site in honesty["sites"].values()) == honesty["rungs"]["rgb"]["cells"]
    assert shift["away"]["cells"] == shift["native"]["cells"] != shift["home"]["cells"]
    assert shift["lost"] == shift["home"]["macro_f1"] - shift["away"]["macro_f1"]


def test_the_document_is_written_with_its_pictures(results: tuple[dict[str, Any], Path], tmp_path: Path) -> None:
    from benchmarks.simulation import write

    found, folder = results
    text = write(found, folder, tmp_path).read_text()
    assert parameters_digest() in text
    assert f"{4 * SMALLEST} x {4 * SMALLEST}" in text
    assert "{{" not in text
    pictures = {path.name: path.stat().st_size for path in (tmp_path / "images").iterdir()}
    assert sorted(pictures) == sorted(found["views"]["pictures"])
    assert all(f"images/{name}" in text for name in pictures)
    assert max(pictures.values()) < 400_000
    assert sum(pictures.values()) < 1_500_000


def test_results_of_other_parameters_count_as_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import simulation

    store = simulation.Store(tmp_path / "64")
    store.folder.mkdir()
    for part in ("spectra", "large"):
        assert store.load(part) is None
        store.save(part, {"figure": 1, "digest": parameters_digest()})
        assert store.load(part) == {"figure": 1, "digest": parameters_digest()}
    monkeypatch.setattr(simulation, "parameters_digest", lambda: "other")
    assert store.load("spectra") is None
    assert store.load("large") is not None


def test_growth_is_the_slope_of_logarithms() -> None:
    from benchmarks.footprints import exponent

    assert exponent([4, 16, 64], [10, 40, 160]) == pytest.approx(1)
    assert exponent([4, 16, 64], [10, 20, 40]) == pytest.approx(0.5)


def test_a_feature_is_found_below_its_continuum() -> None:
    from benchmarks.spectra import Feature

    wavelengths = np.linspace(2.0, 2.6, 601)
    reflectance = (0.9 - 0.5 * (wavelengths - 2)) * (1 - 0.3 * np.exp(-(((wavelengths - 2.34) / 0.02) ** 2)))
    assert Feature(2.2, 2.45, 2.34, 0.01).found(wavelengths, reflectance) == pytest.approx(2.34, abs=0.0011)


@pytest.mark.skipif(not (RAW / "spectra").is_dir(), reason=f"no real data: set {DATA_VARIABLE}")
def test_fits_are_drawn_beside_the_measured_spectra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DATA_VARIABLE, str(RAW))
    from benchmarks.spectra import draw_fits

    draw_fits(tmp_path / "fits.png")
    assert 20_000 < (tmp_path / "fits.png").stat().st_size < 400_000
