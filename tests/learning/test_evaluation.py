"""Scoring: the test cells and no others, each with its own answer, in maps that lie where the cells lie."""

from pathlib import Path

import numpy as np
import pytest
import torch
from clusters import SIDE, Clusters, Oracle, oracle
from sklearn.metrics import accuracy_score

from outcrop.errors import ModelError
from outcrop.learning.evaluation import (
    attention_by_class,
    cells_to_score,
    load_scores,
    save_scores,
    scene_maps,
    score_forests,
    score_network,
)
from outcrop.learning.forest import cell_features, fit_forest, score_forest
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored
from outcrop.learning.models import Model, ModelConfig, build_network
from outcrop.params import Forest
from outcrop.survey.patches import Batch, BlockPool, sweep
from outcrop.survey.sites import SPLITS


class Shifted(Oracle):
    """Wrong in a known way: class 0 is taken for 1, 1 for 2, 2 for 0."""

    def forward(self, patches: dict[str, torch.Tensor]):  # type: ignore[no-untyped-def]
        logits, features = super().forward(patches)
        return type(super().forward(patches))(logits.roll(1, dims=1), features)


@pytest.fixture
def material(clusters: Clusters, tmp_path: Path) -> Material:
    return clusters.material(tmp_path, evaluate={"stride": 3})


def truth_map(clusters: Clusters) -> np.ndarray:
    """(28, 28) labels of the usable test cells on every third row and column, spelled out; else 255."""
    usable = np.load(clusters.census.cells / "plain.one.npy")
    expected = np.full((SIDE, SIDE), 255)
    for row, col in np.ndindex(SIDE, SIDE):
        if usable[row, col] == SPLITS["test"]:
            expected[row, col] = clusters.labels[row, col]
    return expected[::3, ::3]


def test_maps_show_labels_and_predictions_where_they_belong(clusters: Clusters, material: Material) -> None:
    known = oracle(material)
    config: ModelConfig = known.config
    (drawn,) = scene_maps(material, score_network(material, Model(Shifted(), config)))
    expected = truth_map(clusters)
    np.testing.assert_array_equal(drawn.labels, expected)
    np.testing.assert_array_equal(drawn.predicted, np.where(expected == 255, 255, (expected + 1) % 3))
    assert (drawn.site, drawn.scene) == ("plain", "one")


def test_every_test_cell_is_scored_once(clusters: Clusters, material: Material) -> None:
    scored = score_network(material, oracle(material))
    assert len(scored.labels) == cells_to_score(material).size == (truth_map(clusters) != 255).sum()
    assert set(scored.blocks) <= set(clusters.census.of_split("test").tolist())
    np.testing.assert_array_equal(scored.probabilities.argmax(axis=1), scored.labels)
    np.testing.assert_allclose(scored.probabilities.sum(axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("members", [1, 2])
def test_attention_is_averaged_over_the_test_cells_of_each_class(
    clusters: Clusters, tmp_path: Path, members: int
) -> None:
    """Against every cell's own, gathered; of a class that the test lacks nothing is known."""
    material = clusters.material(tmp_path, evaluate={"stride": 3}, teacher={"members": members})
    config = material.config(material.top)
    config = config.model_copy(update={"classes": (*config.classes, "unseen")})
    torch.manual_seed(0)
    teacher = Model(build_network(config), config)
    found = attention_by_class(material, teacher)
    modalities = [entry.modality for entry in config.inputs]
    pool = BlockPool(material.reader, modalities, 8)
    batches = list(sweep(pool, cells_to_score(material), 50))
    with torch.inference_mode():
        paid = [
            teacher.network.attention_to_modalities(
                {name: torch.from_numpy(batch.patches[name]) for name in modalities}
            )
            for batch in batches
        ]
    each, labels = torch.cat(paid).numpy(), np.concatenate([batch.labels for batch in batches])
    expected = np.stack([each[labels == c].mean(axis=0) for c in range(3)])
    np.testing.assert_allclose(found[:3], expected, rtol=1e-5)
    np.testing.assert_allclose(found[:3].sum(axis=1), 1, rtol=1e-6)
    assert found.shape == (4, 2) and np.isnan(found[3]).all()


def test_a_student_has_no_attention_to_show(material: Material) -> None:
    config = material.config(material.last)
    with pytest.raises(ModelError, match="a student has no attention to show; give the teacher"):
        attention_by_class(material, Model(build_network(config), config))


def test_forests_see_their_rungs_and_the_cells_of_the_networks(clusters: Clusters, tmp_path: Path) -> None:
    material = clusters.material(tmp_path, evaluate={"stride": 3}, labels={"per_class": 40})
    scores = score_forests(material, {"elevation": ["elevation"], "rgb": ["rgb"]})
    network = score_network(material, oracle(material))
    accuracy = {}
    for rung, scored in scores.items():
        np.testing.assert_array_equal(scored.labels, network.labels)
        np.testing.assert_array_equal(scored.blocks, network.blocks)
        accuracy[rung] = accuracy_score(scored.labels, scored.probabilities.argmax(axis=1))
    assert accuracy["elevation"] > 0.95 > 0.9 > accuracy["rgb"] > 0.5


def test_scores_are_read_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels, blocks = rng.integers(0, 3, 9), rng.integers(0, 4, 9)
    scores = {name: Scored(labels, rng.random((9, 3), np.float32), blocks) for name in ("teacher", "forest rgb")}
    save_scores(tmp_path / "scores.npz", scores)
    read = load_scores(tmp_path / "scores.npz")
    assert list(read) == list(scores)
    for name, scored in scores.items():
        for part in ("labels", "probabilities", "blocks"):
            np.testing.assert_array_equal(getattr(read[name], part), getattr(scored, part))


def test_features_of_a_cell_are_means_and_deviations() -> None:
    """A footprint of 3 cells: 6 native pixels of a modality twice as fine, 3 of an equal one, 1 of a coarse one."""
    rng = np.random.default_rng(0)
    patches = {
        name: rng.normal(0, 1, (2, bands, side, side)).astype(np.float32)
        for name, bands, side in [("rgb", 2, 6), ("elevation", 1, 3), ("gamma", 1, 1)]
    }
    none = np.zeros(2, np.int64)
    found = cell_features(Batch(patches, none, none, none, none.astype(bool)), 3)
    for i in range(2):
        rgb, elevation, gamma = (patches[name][i] for name in patches)
        expected = [rgb[0, 2:4, 2:4].mean(), rgb[1, 2:4, 2:4].mean(), rgb[0].mean(), rgb[1].mean()]
        expected += [rgb[0].std(), rgb[1].std()]
        expected += [elevation[0, 1, 1], elevation.mean(), elevation.std(), gamma[0, 0, 0], gamma[0, 0, 0], 0]
        np.testing.assert_allclose(found[i], expected, rtol=1e-5, atol=1e-6)


def test_a_class_that_the_forest_never_saw_has_no_chance() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 2], 30)
    features = (labels[:, None] + rng.normal(0, 0.1, (60, 2))).astype(np.float32)
    forest = fit_forest(features, labels, Forest(trees=10, samples=10), 0)
    found = score_forest(forest, features, 4)
    assert found.shape == (60, 4) and not found[:, [1, 3]].any()
    np.testing.assert_array_equal(found.argmax(axis=1), labels)
    again = score_forest(fit_forest(features, labels, Forest(trees=10, samples=10), 0), features, 4)
    np.testing.assert_array_equal(found, again)
