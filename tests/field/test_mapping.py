"""Maps hold, of every cell, what the network says of its patch; nothing else decides what they hold."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pystac
import pytest
import rasterio
import torch
from nested import FOOTPRINT, MODALITIES, Nested
from numpy.typing import NDArray

from outcrop.errors import DataError, ParamsError
from outcrop.field import mapping, windows
from outcrop.field.burdens import tile_of
from outcrop.field.exported import open_graph
from outcrop.field.familiarity import Familiarity
from outcrop.field.graphs import write_graph
from outcrop.field.journals import Journal
from outcrop.field.mapping import CLASS, CONFIDENCE, NODATA, PROBABILITIES, STEPS, blocks_of, map_scene
from outcrop.field.predictors import Said, Windows
from outcrop.field.products import products_of, write_map
from outcrop.field.profiles import ModelProfile, profile_of
from outcrop.field.scenes import MapScene, open_scene
from outcrop.field.trained import TrainedPredictor
from outcrop.learning.adaptation.heads import Head
from outcrop.learning.adaptation.looks import head_of, with_gate, with_head
from outcrop.learning.models import Model, ModelConfig, build_network, describe_inputs
from outcrop.learning.site_gate import fit_gate

TILE, BLOCK = 8, 24
#: Of the channels of every modality's trunk.
CHANNELS = 5 * len(MODALITIES)
NUMBERS = np.random.default_rng(1).normal(size=(1 + CHANNELS, CHANNELS)).astype(np.float32)
FAMILIAR = Familiarity(NUMBERS[0], NUMBERS[1:], limit=3.0)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several blocks and windows, although the scenes are tiny."""
    for module in (mapping, windows):
        monkeypatch.setattr(module, "BLOCK", BLOCK)


@pytest.fixture(scope="module")
def model(nested: Nested) -> Model:
    """A student of all modalities with random weights, whose answers differ from cell to cell."""
    inputs = describe_inputs(nested.sites[0], nested.reader.census, MODALITIES)
    architecture = nested.params.student.model_copy(update={"stages": (4, 5), "features": 6})
    classes = nested.reader.census.class_names
    config = ModelConfig(
        survey="nested", role="student", classes=classes, footprint=FOOTPRINT, inputs=inputs, architecture=architecture
    )
    torch.manual_seed(3)
    network = build_network(config).eval()
    some = {
        e.modality: torch.randn(99, len(e.bands), e.side, e.side) * torch.tensor(e.std).view(-1, 1, 1) for e in inputs
    }
    some = {e.modality: some[e.modality] + torch.tensor(e.mean).view(-1, 1, 1) for e in inputs}
    with torch.inference_mode():
        network.classifier[1].bias -= network(some).logits.mean(dim=0)
        for parameter in network.classifier[1].parameters():
            parameter *= 40
    return Model(network, config)


@pytest.fixture(scope="module")
def profile(nested: Nested, model: Model) -> ModelProfile:
    return profile_of(model.config, nested.sites).model_copy(update={"tile": TILE})


@pytest.fixture(scope="module")
def graph(model: Model, profile: ModelProfile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The student as an ONNX graph."""
    path = tmp_path_factory.mktemp("graph") / "fp32.onnx"
    write_graph(model, profile, FAMILIAR, path)
    return path


@pytest.fixture
def scene(nested: Nested, profile: ModelProfile) -> MapScene:
    return open_scene(nested.folder / "sites" / "east" / "one" / "one.json", profile)


class Strange(TrainedPredictor):
    """Finds the cells unfamiliar of which it is less than half sure."""

    def predict(self, windows: Windows) -> Said:
        said = super().predict(windows).probabilities
        return Said(said, np.where(said.max(axis=1) < 0.5, 2.0, 0.5).astype(np.float32))


def layers_of(journal: Journal, scene: MapScene) -> NDArray[np.uint8]:
    count = next(iter(journal.records.values())).shape[0]
    whole = np.zeros((count, scene.grid.height, scene.grid.width), dtype=np.uint8)
    for (row, col), record in journal.records.items():
        whole[:, row : row + record.shape[1], col : col + record.shape[2]] = journal.read(row, col)
    return whole


def mapped(predictor: TrainedPredictor, scene: MapScene, journal: Journal, **changes: Any) -> NDArray[np.uint8]:
    manner: dict[str, Any] = {"probabilities": True, "threads": 2, "megabytes": 4096, "progress": lambda cells: None}
    map_scene(predictor, scene, journal, **(manner | changes))
    return layers_of(journal, scene)


def test_a_map_holds_what_the_patches_say(
    nested: Nested, model: Model, profile: ModelProfile, scene: MapScene, tmp_path: Path
) -> None:
    layers = mapped(TrainedPredictor(model, profile), scene, Journal(tmp_path / "blocks"))
    truth = nested.truths[0]
    cells = [(row, col) for row in range(scene.grid.height) for col in range(scene.grid.width)]
    whole = [cell for cell in cells if truth.whole(*cell)]
    assert 100 < len(whole) < len(cells) - 100
    patches = {name: torch.from_numpy(np.stack([truth.patch(name, *cell) for cell in whole])) for name in MODALITIES}
    with torch.inference_mode():
        expected = model.network(patches).logits.softmax(dim=1).numpy()
    rows, cols = np.array(whole).T
    assert np.abs(layers[PROBABILITIES:, rows, cols].T / STEPS - expected).max() <= 0.5 / STEPS + 1e-5
    assert np.abs(layers[CONFIDENCE, rows, cols] / STEPS - expected.max(axis=1)).max() <= 0.5 / STEPS + 1e-5
    sure = np.sort(expected, axis=1)[:, -1] - np.sort(expected, axis=1)[:, -2] > 1e-5
    np.testing.assert_array_equal(layers[CLASS, rows, cols][sure], expected.argmax(axis=1)[sure])
    assert len(np.unique(layers[CLASS, rows, cols])) == 3
    empty = np.ones(scene.grid.height * scene.grid.width, dtype=bool).reshape(layers.shape[1:])
    empty[rows, cols] = False
    assert (layers[:, empty] == NODATA).all()


@pytest.mark.parametrize(("threads", "wide"), [(1, True), (3, False)])
def test_memory_and_threads_leave_no_trace(
    threads: int, wide: bool, model: Model, profile: ModelProfile, scene: MapScene, tmp_path: Path, monkeypatch: Any
) -> None:
    predictor = TrainedPredictor(model, profile)
    expected = mapped(predictor, scene, Journal(tmp_path / "one"))
    if not wide:
        monkeypatch.setattr(windows, "BASE_MB", 0)
        need = next(n for n in range(1, 99) if _fits(n, scene, profile, threads))
        assert max(map(len, windows.plan_windows(blocks_of(scene), scene, profile, need, threads))) == 1
        found = mapped(predictor, scene, Journal(tmp_path / "two"), threads=threads, megabytes=need)
    else:
        found = mapped(predictor, scene, Journal(tmp_path / "two"), threads=threads)
    np.testing.assert_array_equal(found, expected)


def _fits(megabytes: int, scene: MapScene, profile: ModelProfile, threads: int) -> bool:
    try:
        windows.plan_windows(blocks_of(scene), scene, profile, megabytes, threads)
    except ParamsError:
        return False
    return True


@pytest.mark.parametrize("side", [1, 5])
def test_an_exported_graph_says_what_the_network_says(
    side: int, graph: Path, model: Model, profile: ModelProfile
) -> None:
    windows = tile_of(profile, side)
    expected = TrainedPredictor(model, profile, FAMILIAR).predict(windows)
    probabilities, strangeness = open_graph(graph).run(None, windows)
    np.testing.assert_allclose(probabilities, expected.probabilities, atol=1e-5)
    np.testing.assert_allclose(strangeness, expected.strangeness, rtol=1e-3)
    assert probabilities.shape == (side**2, 3)


def test_an_adapted_student_is_exported_with_its_gate(model: Model, profile: ModelProfile, tmp_path: Path) -> None:
    rng, head, windows = np.random.default_rng(5), head_of(model.network), tile_of(profile, 5)
    site, sources = (rng.normal(side, 1, (50, head.weight.shape[1])) for side in (0.5, -0.5))
    gated = with_gate(model.network, fit_gate(site, sources))
    weight = np.column_stack([head.weight, head.weight[::-1] / 2, np.ones(3)])
    adapted = with_head(Model(gated, model.config), Head(weight, head.bias), model.config.classes)
    write_graph(adapted, profile, FAMILIAR, tmp_path / "fp32.onnx")
    probabilities, _ = open_graph(tmp_path / "fp32.onnx").run(None, windows)
    expected = TrainedPredictor(adapted, profile, FAMILIAR).predict(windows).probabilities
    np.testing.assert_allclose(probabilities, expected, atol=1e-5)
    assert np.ptp(expected, axis=0).max() > 0.05


def test_a_map_that_was_cut_off_goes_on(model: Model, profile: ModelProfile, scene: MapScene, tmp_path: Path) -> None:
    predictor = TrainedPredictor(model, profile)
    expected = mapped(predictor, scene, Journal(tmp_path / "whole"))
    content = (tmp_path / "whole").read_bytes()
    (tmp_path / "cut").write_bytes(content[: int(0.6 * len(content))])
    journal = Journal(tmp_path / "cut")
    assert 0 < len(journal.records) < len(blocks_of(scene))
    done: list[int] = []
    np.testing.assert_array_equal(mapped(predictor, scene, journal, progress=done.append), expected)
    assert 0 < sum(done) < scene.grid.height * scene.grid.width
    assert (tmp_path / "cut").stat().st_size == len(content)


def test_too_little_memory_is_told(model: Model, profile: ModelProfile, scene: MapScene, tmp_path: Path) -> None:
    with pytest.raises(ParamsError, match=r"100 MB are not enough .* give at least \d+MB"):
        mapped(TrainedPredictor(model, profile), scene, Journal(tmp_path / "blocks"), megabytes=100)


def test_a_raster_that_cannot_be_read_is_told(
    nested: Nested, model: Model, profile: ModelProfile, tmp_path: Path
) -> None:
    shutil.copytree(nested.folder / "sites" / "east" / "one", tmp_path / "one")
    scene = open_scene(tmp_path / "one" / "one.json", profile)
    raster = tmp_path / "one" / "rgb.tif"
    raster.write_bytes(raster.read_bytes()[: raster.stat().st_size // 2])
    with pytest.raises(DataError, match=r"the raster cannot be read .*rgb.tif, rows"):
        mapped(TrainedPredictor(model, profile), scene, Journal(tmp_path / "blocks"))


@pytest.fixture
def written(model: Model, profile: ModelProfile, scene: MapScene, tmp_path: Path) -> tuple[Path, NDArray[np.uint8]]:
    """A map on disk with all its products, and its layers."""
    journal = Journal(tmp_path / "blocks")
    layers = mapped(Strange(model, profile), scene, journal)
    (tmp_path / "map").mkdir()
    products = products_of(profile, probabilities=True, familiarity=True)
    write_map(scene, products, journal, tmp_path / "map", {"outcrop:model": "abc"})
    return tmp_path / "map", layers


def test_a_map_opens_anywhere(written: tuple[Path, NDArray[np.uint8]], scene: MapScene, profile: ModelProfile) -> None:
    folder, layers = written
    for name, part in {"class": slice(0, 1), "confidence": slice(1, 2), "unfamiliar": slice(2, 3)}.items():
        with rasterio.open(folder / f"{name}.tif") as dataset:
            np.testing.assert_array_equal(dataset.read(), layers[part])
            assert (dataset.transform, dataset.crs) == (scene.grid.transform, scene.grid.crs)
            assert dataset.nodata == NODATA and dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
    with rasterio.open(folder / "class.tif") as dataset:
        colours = {value: f"#{r:02x}{g:02x}{b:02x}" for value, (r, g, b, _) in dataset.colormap(1).items()}
        assert [colours[value] for value in range(3)] == [c.colour.lower() for c in profile.classes]
        assert dataset.tags(1)["CLASS_2"] == "calcite"
    with rasterio.open(folder / "probability.tif") as dataset:
        assert dataset.descriptions == tuple(c.name for c in profile.classes)
        assert dataset.scales == (1 / STEPS,) * 3
        np.testing.assert_array_equal(dataset.read(), layers[PROBABILITIES:])
    style = (folder / "class.qml").read_text()
    assert 'value="1"' in style and 'label="olivine"' in style


def test_a_map_is_a_stac_item(written: tuple[Path, NDArray[np.uint8]]) -> None:
    folder, _ = written
    item = pystac.Item.from_file(str(folder / "map.json"))
    assert set(item.assets) == {"class", "confidence", "unfamiliar", "probability"}
    assert item.properties["outcrop:model"] == "abc"
    values = json.loads((folder / "map.json").read_text())["assets"]["class"]["classification:classes"]
    assert [entry["name"] for entry in values] == ["basalt", "olivine", "calcite"]
    assert item.properties["start_datetime"].startswith("2024-07-01")


@pytest.mark.parametrize("size", [0, 3, 30, 70])
def test_a_journal_forgets_what_was_cut_short(size: int, tmp_path: Path) -> None:
    journal, rng = Journal(tmp_path / "blocks"), np.random.default_rng(0)
    blocks = [rng.integers(0, 9, (3, 8, 5), dtype=np.uint8) for _ in range(3)]
    for index, block in enumerate(blocks):
        journal.append(8 * index, 0, block)
    second = journal.records[16, 0].start - 28
    content = (tmp_path / "blocks").read_bytes()
    (tmp_path / "blocks").write_bytes(content[: second + size])
    taken_up = Journal(tmp_path / "blocks")
    assert set(taken_up.records) == {(0, 0), (8, 0)}
    taken_up.append(16, 0, blocks[2])
    for index, block in enumerate(blocks):
        np.testing.assert_array_equal(Journal(tmp_path / "blocks").read(8 * index, 0), block)
