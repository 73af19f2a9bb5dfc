"""Simulated sites: the same bytes in two processes, every class in every split, and colours that do not tell all."""

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import PROJECT, TinySurvey
from sklearn.ensemble import RandomForestClassifier

from outcrop.errors import SurveyError
from outcrop.survey.grids import Nesting
from outcrop.survey.minerals import ANCHORS, MINERALS, reflectance
from outcrop.survey.rasters import read_labels, read_split, read_window
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.simulate import simulate_site
from outcrop.survey.sites import SPLITS, Site
from outcrop.survey.surveys import load_survey

SURVEY, PARAMS = PROJECT / "data/surveys/simulated.yaml", PROJECT / "params.yaml"
SIZE = 96


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Site:
    survey, params = load_survey(SURVEY, PARAMS)
    return simulate_site("iceland", SIZE, 7, tmp_path_factory.mktemp("sites"), survey, params)


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def test_two_processes_write_the_same_bytes(simulated: Site, tmp_path: Path) -> None:
    code = (
        "from pathlib import Path; from outcrop.survey.simulate import simulate_site; "
        "from outcrop.survey.surveys import load_survey; "
        f"s, p = load_survey(Path({str(SURVEY)!r}), Path({str(PARAMS)!r})); "
        f"simulate_site('iceland', {SIZE}, 7, Path({str(tmp_path)!r}), s, p)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert digest(tmp_path / "iceland") == digest(simulated.path)


def test_another_seed_is_another_site(simulated: Site, tmp_path: Path) -> None:
    survey, params = load_survey(SURVEY, PARAMS)
    other = simulate_site("iceland", SIZE, 8, tmp_path, survey, params)
    ours, theirs = (read_labels(site.scenes[0], 0, 0, SIZE, SIZE) for site in (simulated, other))
    assert (ours != theirs).mean() > 0.5


def test_sensors_keep_their_resolution_and_bands(simulated: Site) -> None:
    rasters = simulated.scenes[0].rasters
    assert {m: r.nesting for m, r in rasters.items()} == {
        "rgb": Nesting(fine=4),
        "hyperspectral": Nesting(),
        "thermal": Nesting(coarse=2),
        "gamma": Nesting(coarse=4),
        "elevation": Nesting(),
    }
    assert rasters["hyperspectral"].bands == sensor_bands("aviris")
    for raster in rasters.values():
        assert np.isfinite(read_window(raster, 0, 0, raster.grid.height, raster.grid.width)).all()


def test_every_class_reaches_every_split(simulated: Site) -> None:
    scene = simulated.scenes[0]
    labels, split = read_labels(scene, 0, 0, SIZE, SIZE), read_split(scene, 0, 0, SIZE, SIZE)
    for code in SPLITS.values():
        assert set(np.unique(labels[split == code])) == set(range(12))


def test_a_site_without_earth_has_no_crs_and_its_odd_size_nests(tmp_path: Path) -> None:
    survey, params = load_survey(SURVEY, PARAMS)
    scene = simulate_site("gusev", 67, 1, tmp_path, survey, params).scenes[0]
    assert scene.grid.crs is None
    assert (scene.rasters["gamma"].grid.height, scene.rasters["rgb"].grid.height) == (17, 268)


def test_colour_alone_tells_less_than_all_sensors(simulated: Site) -> None:
    scene = simulated.scenes[0]
    labels, split = (read(scene, 0, 0, SIZE, SIZE).ravel() for read in (read_labels, read_split))
    rgb = read_window(scene.rasters["rgb"], 0, 0, 4 * SIZE, 4 * SIZE).reshape(3, SIZE, 4, SIZE, 4)
    colour = np.concatenate([rgb.mean((2, 4)), rgb.std((2, 4))]).reshape(6, -1).T
    spectra = read_window(scene.rasters["hyperspectral"], 0, 0, SIZE, SIZE)[::4].reshape(56, -1).T
    scores = []
    for table in (colour, np.hstack([colour, spectra])):
        forest = RandomForestClassifier(50, random_state=0).fit(table[split == 1][::3], labels[split == 1][::3])
        scores.append((forest.predict(table[split == 3]) == labels[split == 3]).mean())
    assert scores[0] > 3 / 12
    assert scores[1] > scores[0] + 0.15


def test_carbonates_look_alike_but_absorb_apart() -> None:
    wavelengths = np.linspace(0.4, 2.5, 2101)
    curves = {mineral.name: reflectance(mineral, wavelengths) for mineral in MINERALS}
    calcite, magnesite = curves["calcite"], curves["magnesite"]
    assert np.abs(calcite - magnesite)[wavelengths < ANCHORS[2]].max() < 0.01
    deep = wavelengths > 2.2
    assert wavelengths[deep][calcite[deep].argmin()] == pytest.approx(2.34, abs=0.01)
    assert wavelengths[deep][magnesite[deep].argmin()] == pytest.approx(2.31, abs=0.01)


def test_only_simulated_surveys_can_be_simulated(tiny_survey: TinySurvey, tmp_path: Path) -> None:
    survey, params = load_survey(SURVEY, PARAMS)
    with pytest.raises(SurveyError, match="choose one of these: gusev, iceland, lanzarote"):
        simulate_site("atlantis", 64, 1, tmp_path, survey, params)
    tiny_survey.entries["sites"]["iceland"] = {}
    tiny, params = tiny_survey.load()
    with pytest.raises(SurveyError, match="has not the classes and modalities"):
        simulate_site("iceland", 64, 1, tmp_path, tiny, params)


def test_known_sensors_have_their_bands() -> None:
    assert {name: len(sensor_bands(name)) for name in ("aviris", "sentinel2", "sentinel2_l2a", "aster")} == {
        "aviris": 224,
        "sentinel2": 13,
        "sentinel2_l2a": 12,
        "aster": 14,
    }
    for name in ("aviris", "sentinel2", "aster"):
        assert all(0.3 < b.centre_um < 12 and 0 < b.fwhm_um < 0.8 for b in sensor_bands(name))
    with pytest.raises(SurveyError, match="`kodak` is not known"):
        sensor_bands("kodak")
