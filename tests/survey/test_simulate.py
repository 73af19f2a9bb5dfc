"""Simulated sites: the same bytes in two processes, a truth that is not said to any model, dates, odd sizes."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PROJECT, TinySurvey
from sklearn.ensemble import RandomForestClassifier

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.settings import merge
from outcrop.survey.grids import Nesting
from outcrop.survey.rasters import read_labels, read_split, read_window
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.simulate import simulate_site
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.sites import SPLITS, Raster, Site
from outcrop.survey.surveys import Survey, load_survey

SURVEY, PARAMS = PROJECT / "data/surveys/simulated.yaml", PROJECT / "params.yaml"
SIZE = 96


def load(size: int = SIZE, seed: int = 7, modalities: dict[str, Any] | None = None) -> tuple[Survey, Params]:
    """The simulated survey, with other modalities where some are given."""
    survey, params = load_survey(SURVEY, PARAMS, {"simulate": {"size": size, "seed": seed}})
    if modalities is None:
        return survey, params
    entries = survey.model_dump(by_alias=True)
    return Survey.model_validate(merge(entries, {"modalities": None}) | {"modalities": modalities}), params


def relief_alone(size: int = SIZE, seed: int = 7) -> tuple[Survey, Params]:
    """The survey with one quick sensor, for what does not hang on the others."""
    return load(size, seed, {"elevation": {"bands": ["elevation"], "unit": "m", "range": [-5000, 9000]}})


def whole(raster: Raster) -> np.ndarray:
    return read_window(raster, 0, 0, raster.grid.height, raster.grid.width)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return simulate_site("iceland", tmp_path_factory.mktemp("sites"), *load())


def digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    command = ("simulate", "--site", "gusev", "--size", "51", "--seed", "5", "-o", there, "--workspace", PROJECT)
    subprocess.run([sys.executable, "-m", "flows.cli", *map(str, command)], check=True, capture_output=True)
    assert digest(there / "gusev") == digest(simulate_site("gusev", here, *load(51, 5)).path)


def test_another_seed_is_another_site(simulated: Site, tmp_path: Path) -> None:
    other = simulate_site("iceland", tmp_path, *relief_alone(seed=8))
    ours, theirs = (read_labels(site.scenes[0], 0, 0, SIZE, SIZE) for site in (simulated, other))
    assert (ours != theirs).mean() > 0.5


def test_sensors_keep_their_resolution_and_bands(simulated: Site) -> None:
    rasters = simulated.scenes[0].rasters
    assert {modality: raster.nesting for modality, raster in rasters.items()} == {
        "rgb": Nesting(fine=4),
        "multispectral": Nesting(),
        "hyperspectral": Nesting(),
        "thermal": Nesting(coarse=2),
        "gamma": Nesting(coarse=4),
        "elevation": Nesting(),
    }
    assert rasters["hyperspectral"].bands == sensor_bands("aviris")
    for raster in rasters.values():
        assert np.isfinite(whole(raster)).all()


def test_every_class_reaches_every_split(tmp_path: Path) -> None:
    """Of the training sites together, at the size that `dvc repro` builds."""
    size, found = load_survey(SURVEY, PARAMS)[1].simulate.size, set()
    survey, params = relief_alone(size)
    for name in params.sites.train:
        scene = simulate_site(name, tmp_path, survey, params).scenes[0]
        labels, split = (read(scene, 0, 0, size, size) for read in (read_labels, read_split))
        found |= set(zip(split.ravel().tolist(), labels.ravel().tolist(), strict=True))
    assert {(code, value) for code in SPLITS.values() for value in range(len(survey.classes))} <= found


def test_colour_alone_tells_less_than_all_sensors(simulated: Site) -> None:
    scene = simulated.scenes[0]
    labels, split = (read(scene, 0, 0, SIZE, SIZE).ravel() for read in (read_labels, read_split))
    rgb = whole(scene.rasters["rgb"]).reshape(3, SIZE, 4, SIZE, 4)
    colour = np.concatenate([rgb.mean((2, 4)), rgb.std((2, 4))]).reshape(6, -1).T
    spectra = whole(scene.rasters["hyperspectral"])[::4].reshape(56, -1).T
    scores = []
    for table in (colour, np.hstack([colour, spectra])):
        forest = RandomForestClassifier(50, random_state=0).fit(table[split == 1][::3], labels[split == 1][::3])
        scores.append((forest.predict(table[split == 3]) == labels[split == 3]).mean())
    assert scores[0] > 3 / 12
    assert scores[1] > scores[0] + 0.15


def test_the_truth_is_whole_and_agrees_with_the_labels(simulated: Site) -> None:
    scene = simulated.scenes[0]
    truth = {name: whole(raster) for name, raster in scene.truth.items()}
    assert not set(truth) & set(scene.rasters)
    np.testing.assert_allclose(truth["fractions"].sum(axis=0), 1, atol=2e-3)
    labels = read_labels(scene, 0, 0, SIZE, SIZE)
    pure = truth["dominance"][0] > 0.99
    for value, mineral in {1: "olivine", 4: "serpentine", 5: "wollastonite", 6: "calcite", 7: "magnesite"}.items():
        shares = truth["fractions"][ENDMEMBERS.index(mineral)]
        own = pure & (labels == value)
        assert not own.any() or shares[own].mean() > 0.4 > shares[pure & ~own].mean() + 0.2
    assert 0 <= truth["carbonation"].min() < truth["carbonation"].max() <= 1
    assert truth["reactive_surface"].min() >= 0
    assert 3 < truth["soil_ph"].min() < truth["soil_ph"].max() < 11
    assert 0 <= truth["shadow"].min() <= truth["shadow"].max() <= 1


def test_a_site_without_earth_has_no_crs_and_its_odd_size_nests(tmp_path: Path) -> None:
    scene = simulate_site("gusev", tmp_path, *load(67, 1)).scenes[0]
    assert scene.grid.crs is None
    assert (scene.rasters["gamma"].grid.height, scene.rasters["rgb"].grid.height) == (17, 268)


def test_years_carbonate_the_rock_and_leave_the_ground_where_it_is(tmp_path: Path) -> None:
    """Crushed rock turns to carbonate, soil becomes less acid; units, relief and split stay; noise is new."""
    site = simulate_site("illinois", tmp_path, *relief_alone(), change=10)
    assert [scene.id for scene in site.scenes] == ["year-0", "year-1", "year-3", "year-10"]
    assert [scene.acquired[0].year for scene in site.scenes if scene.acquired] == [2000, 2000, 2003, 2009]
    first, last = site.scenes[0], site.scenes[-1]
    for read in (read_labels, read_split):
        np.testing.assert_array_equal(read(first, 0, 0, SIZE, SIZE), read(last, 0, 0, SIZE, SIZE))
    means = {
        name: [float(whole(scene.truth[name]).mean()) for scene in site.scenes] for name in ("carbonation", "soil_ph")
    }
    assert means["carbonation"] == sorted(means["carbonation"])
    assert means["carbonation"][-1] > means["carbonation"][0] + 0.02
    assert means["soil_ph"][-1] > means["soil_ph"][0] + 0.1
    noise = whole(last.rasters["elevation"]) - whole(first.rasters["elevation"])
    assert 0 < np.median(np.abs(noise)) < 0.2


def test_modalities_may_be_left_out_or_derived(tmp_path: Path) -> None:
    survey, _ = load()
    kept = survey.model_dump(by_alias=True, exclude_defaults=True)["modalities"]
    derived = {"multispectral": kept["multispectral"], "infrared": {"from": "multispectral", "bands": ["B8A", "B12"]}}
    scene = simulate_site("oman", tmp_path, *load(48, modalities=derived)).scenes[0]
    assert {name: raster.derived_from for name, raster in scene.rasters.items()} == {
        "multispectral": None,
        "infrared": "multispectral",
    }


BAD_MODALITIES = [
    ({"sonar": {"bands": ["depth"], "unit": "m", "range": [0, 9]}}, "no instrument of the simulation gives `sonar`"),
    ({"rgb": {"bands": ["grey"], "unit": "-", "range": [0, 255]}}, "does not give `rgb` the 3 bands"),
    ({"hyperspectral": {"sensor": "aster", "unit": "-", "range": [0, 2]}}, "does not give `hyperspectral` the 224"),
]


@pytest.mark.parametrize(("modalities", "sentence"), BAD_MODALITIES)
def test_a_survey_that_no_instrument_can_give_is_refused(
    modalities: dict[str, Any], sentence: str, tmp_path: Path
) -> None:
    with pytest.raises(SurveyError, match=sentence):
        simulate_site("oman", tmp_path, *load(48, modalities=modalities))
    assert list(tmp_path.iterdir()) == []


def test_only_simulated_surveys_can_be_simulated(tiny_survey: TinySurvey, tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="choose one of these: gusev, iceland, illinois, jezero, lanzarote, oman"):
        simulate_site("atlantis", tmp_path, *load())
    tiny_survey.entries["sites"]["iceland"] = {}
    with pytest.raises(SurveyError, match="has not the classes"):
        simulate_site("iceland", tmp_path, *tiny_survey.load())


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
