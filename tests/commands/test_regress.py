"""`outcrop regress` on a small simulated farm: what it learns, maps and refuses."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import rasterio
import torch
import yaml
from conftest import PROJECT

from outcrop.errors import DataError
from outcrop.field.sensed import write_sensed
from outcrop.learning.heads import CONTROL, STUDENT, TEACHER, Ways, teach_properties
from outcrop.learning.material import Material
from outcrop.learning.models import Model, build_network, save_model
from outcrop.learning.observations import draw_ground, look_at, read_truth
from outcrop.learning.properties import PROPERTIES, require_truth
from outcrop.survey.census import take_census
from outcrop.survey.declarations import declared_ranges
from outcrop.survey.simulate import simulate_site
from outcrop.survey.sites import Site
from outcrop.survey.surveys import load_survey

if TYPE_CHECKING:
    from benches import Caller, Said

WAYS = Ways(measured=150, cells={"train": 300, "val": 150, "test": 150}, draws=20)
#: Blocks small enough for a small site to have many.
SMALL = {
    "footprint": 3,
    "split": {"block": 8, "buffer": 3, "fractions": {"train": 0.4, "val": 0.3, "test": 0.3}},
    "simulate": {"size": 72, "seed": 3},
    "teacher": {"stages": [8, 8], "features": {"default": 8}, "token": 16, "heads": 2, "hidden": 8, "centre": True},
    "student": {"stages": [8, 8], "features": 16, "centre": True},
}


@dataclass(frozen=True)
class Farm:
    """A workspace with a simulated farm, and networks of random weights that look at it: they see, but know nothing."""

    root: Path
    site: Site
    material: Material
    models: dict[str, Model]

    def ask(self, call: "Caller", *words: str) -> "Said":
        workspace: Any = SimpleNamespace(root=self.root, tiny=SimpleNamespace(raw=self.root))
        return call(workspace, "regress", *words)


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> Farm:
    root = tmp_path_factory.mktemp("farm")
    for name in ("params.yaml", "constraints.txt"):
        shutil.copy(PROJECT / name, root / name)
    shutil.copytree(PROJECT / "data" / "expectations", root / "data" / "expectations")
    entries = yaml.safe_load((PROJECT / "data/surveys/simulated.yaml").read_text())
    for name in ("multispectral", "hyperspectral", "thermal", "gamma"):
        del entries["modalities"][name]
    entries["params"] |= SMALL | {"sites": {"train": ["illinois"], "test": ["illinois"]}}
    path = root / "data" / "surveys" / "simulated.yaml"
    path.parent.mkdir()
    path.write_text(yaml.safe_dump(entries))
    survey, params = load_survey(path, root / "params.yaml")
    site = simulate_site("illinois", root / "data" / "sites", survey, params)
    census = take_census([site], params.footprint, declared_ranges(survey), root / "census")
    material = Material.gather("simulated", [site], census, params, root / "work")
    torch.manual_seed(1)
    models = {}
    for name, rung in ((TEACHER, material.top), (STUDENT, material.last)):
        config = material.config(rung)
        models[name] = Model(build_network(config).eval(), config)
        save_model(models[name], root / name)
    return Farm(root, site, material, models | {CONTROL: models[STUDENT]})


def test_the_command_tells_what_each_property_is_worth_and_maps_what_is_supported(
    farm: Farm, serverless_call: "Caller", tmp_path: Path
) -> None:
    words = ("--model", str(farm.root / STUDENT), "--teacher", str(farm.root / TEACHER), "-o", str(tmp_path))
    said = farm.ask(serverless_call, "illinois", *words, "--measured", "150", "--json")
    assert said.code == 0, said.err
    made = json.loads(said.out)
    assert json.loads((tmp_path / "properties.json").read_text())["properties"] == made["properties"]
    assert [each["property"] for each in made["properties"]] == [each.name for each in PROPERTIES]
    verdicts = {each["property"]: each["verdict"] for each in made["properties"]}
    for each in made["properties"]:
        assert (each["comparison"]["student"]["value"] >= 0.3) == (each["verdict"] == "supported")
        assert each["held"]["student"]["coverage"]["value"] > 0.75 and each["radius"]["student"] > 0
    supported = [name for name, verdict in verdicts.items() if verdict == "supported"]
    if supported:
        with rasterio.open(made["map"]) as dataset:
            assert dataset.descriptions[::3] == tuple(supported)
    else:
        assert made["map"] is None
    assert "not a creditable removal" in made["screening"] and made["record"]


def test_the_map_holds_what_the_heads_say_of_every_patch(farm: Farm, tmp_path: Path) -> None:
    taught = teach_properties(farm.material, farm.models, WAYS)
    first, newest = farm.site.scenes[0], farm.site.scenes[-1]
    path = tmp_path / "map.tif"
    write_sensed(farm.models[STUDENT], taught, newest, first, path)
    ground = draw_ground(farm.material, "test", 100, 5)
    seen = look_at(ground, farm.material, farm.models[STUDENT])
    index = next(place for place, each in enumerate(taught) if each.of.name == "soil_ph")
    wanted = taught[index].heads.says(STUDENT, seen[-1].astype(np.float64))
    with rasterio.open(path) as dataset:
        assert dataset.descriptions[3 * index : 3 * index + 3] == ("soil_ph", "soil_ph_low", "soil_ph_high")
        mapped = dataset.read()
    found = [], [], []
    for tile in ground.tiles:
        entry = farm.material.census.blocks[tile[-1]]
        rows, cols = np.divmod(ground.cells.positions(tile[-1], farm.material.reader), entry.tile.width)
        for band, values in enumerate(found):
            values.append(mapped[3 * index + band, entry.tile.row + rows, entry.tile.col + cols])
    for values, expected in zip(found, wanted, strict=True):
        assert np.concatenate(values) == pytest.approx(expected, abs=1e-4)
    assert np.isnan(mapped[:, 0, 0]).all()  # its patch leaves the scene


def test_a_change_is_the_share_of_the_area_whose_mineral_has_become_another(farm: Farm) -> None:
    change = next(each for each in PROPERTIES if each.changes)
    ground = draw_ground(farm.material, "train", 50, 5)
    found = read_truth(ground, farm.material, change)
    shares = []
    for scene in (farm.site.scenes[0], farm.site.scenes[-1]):
        with rasterio.open(scene.truth["fractions"].path) as dataset:
            mineral = [number for number, name in zip(dataset.indexes, dataset.descriptions, strict=True)
                       if name not in ("green_vegetation", "dry_vegetation")]  # fmt: skip
            shares.append(dataset.read(mineral) * dataset.scales[0])
    moved = np.abs(shares[1] - shares[0]).sum(axis=0) / 2
    entry = farm.material.census.blocks[ground.tiles[0][-1]]
    rows, cols = np.divmod(ground.cells.positions(ground.tiles[0][-1], farm.material.reader), entry.tile.width)
    expected = moved[entry.tile.row + rows, entry.tile.col + cols]
    assert found[-1][: len(expected)] == pytest.approx(expected, abs=1e-4)
    assert found.shape == (2, ground.size) and found.min() >= 0 and found.max() > 0.05


def test_a_site_that_does_not_know_its_truth_is_refused(farm: Farm) -> None:
    change = next(each for each in PROPERTIES if each.changes)
    untold = replace(farm.site, scenes=tuple(replace(scene, truth={}) for scene in farm.site.scenes))
    for each in PROPERTIES:
        with pytest.raises(DataError, match=f"does not know the truth of its {each.title}"):
            require_truth(untold, each)
    with pytest.raises(DataError, match="needs two dates, the site has one"):
        require_truth(replace(farm.site, scenes=farm.site.scenes[:1]), change)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nowhere",), "there is no such site"),
        (("illinois", "--confidence", "0.99"), "an interval of 99% cannot be calibrated on"),
        (("illinois", "--model", "{root}/data"), "the folder holds no model"),
        (("illinois", "--teacher", "{root}/data"), "the folder holds no model"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(
    farm: Farm, serverless_call: "Caller", tmp_path: Path, words: tuple[str, ...], told: str
) -> None:
    usual = ("--model", "{root}/student", "--teacher", "{root}/teacher", "-o", str(tmp_path / "out"))
    asked = [word.format(root=farm.root) for word in (words[0], *usual, *words[1:])]
    said = farm.ask(serverless_call, *asked)
    assert said.code == 2 and told in said.err and "Traceback" not in said.err
    assert not (tmp_path / "out").exists()
