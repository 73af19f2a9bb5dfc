"""Models on disk: what is read back says the same, whatever else lies there is refused in one sentence."""

import json
import os
import pickle  # noqa: TID251 (an attacker's tool)
import pickletools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from clusters import Clusters
from safetensors.torch import load_file, save_file

from outcrop.errors import ModelError
from outcrop.learning.models import Model, PatchClassifier, build_network, describe_inputs, load_model, save_model
from outcrop.learning.networks import Input


def model_of(clusters: Clusters, role: str, work: Path) -> Model:
    material = clusters.material(work)
    config = material.config(material.top if role == "teacher" else material.last)
    torch.manual_seed(0)
    return Model(build_network(config).eval(), config)


def some_patches(model: Model) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        entry.modality: 50 * torch.randn(4, len(entry.bands), entry.side, entry.side, generator=generator)
        for entry in model.config.inputs
    }


@torch.inference_mode()
@pytest.mark.parametrize("role", ["teacher", "student"])
def test_a_model_read_back_says_the_same(role: str, clusters: Clusters, tmp_path: Path) -> None:
    model = model_of(clusters, role, tmp_path)
    save_model(model, tmp_path / "model")
    read = load_model(tmp_path / "model")
    assert read.config == model.config and not read.network.training
    patches = some_patches(model)
    assert torch.equal(read.network(patches).logits, model.network(patches).logits)
    assert {path.name for path in (tmp_path / "model").iterdir()} == {"weights.safetensors", "model.json"}


def test_saving_twice_gives_the_same_bytes(clusters: Clusters, tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_model(model_of(clusters, "student", tmp_path), tmp_path / name)
    for name in ("weights.safetensors", "model.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_inputs_are_those_of_the_site_and_the_training_blocks(clusters: Clusters) -> None:
    (entry,) = describe_inputs(clusters.site, clusters.census, ["rgb"])
    normal = clusters.census.normalisation["rgb"]
    assert entry == Input("rgb", ("red", "green", "blue"), 3, normal.mean, normal.std)


def test_the_registrys_function_gives_probabilities(clusters: Clusters, tmp_path: Path) -> None:
    model = model_of(clusters, "student", tmp_path)
    patches = {name: x.numpy() for name, x in some_patches(model).items()}
    found = PatchClassifier(model).predict(patches)
    assert found.shape == (4, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    as_lists = PatchClassifier(model).predict({name: x.tolist() for name, x in patches.items()})
    np.testing.assert_array_equal(found, as_lists)


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (self.target,)


def reconfigure(**changes: object) -> Callable[[Path], object]:
    def damage(folder: Path) -> None:
        config = json.loads((folder / "model.json").read_text())
        (folder / "model.json").write_text(json.dumps({**config, **changes}))

    return damage


def reweigh(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    weights["classifier.1.bias"] = torch.zeros(9)
    save_file(weights, folder / "weights.safetensors")


def lose_a_weight(folder: Path) -> None:
    weights = load_file(folder / "weights.safetensors")
    del weights["classifier.1.bias"]
    save_file(weights, folder / "weights.safetensors")


def cut(folder: Path) -> None:
    path = folder / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


MISSING_CONFIG = r"`model.json` is missing or describes no model"
MISSING_WEIGHTS = r"`weights.safetensors` is missing or damaged"
OTHERS = r"the weights are not those of `model.json`"
DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (lambda f: [p.unlink() for p in f.iterdir()] + [f.rmdir()], MISSING_CONFIG),
    "no config": (lambda f: (f / "model.json").unlink(), MISSING_CONFIG),
    "not JSON": (lambda f: (f / "model.json").write_text("{"), MISSING_CONFIG),
    "not text": (lambda f: (f / "model.json").write_bytes(b"\xff\xfe\x00"), MISSING_CONFIG),
    "a list": (lambda f: (f / "model.json").write_text("[]"), MISSING_CONFIG),
    "unknown key": (reconfigure(loader="os.system"), MISSING_CONFIG),
    "role": (reconfigure(role="king"), MISSING_CONFIG),
    "architecture": (reconfigure(architecture={"stages": [1]}), MISSING_CONFIG),
    "classes": (reconfigure(classes=["one", "two"]), OTHERS),
    "too large": (
        reconfigure(architecture={"stages": [10**6, 10**7], "centre": False, "features": 10**6}),
        OTHERS,
    ),
    "no weights": (lambda f: (f / "weights.safetensors").unlink(), MISSING_WEIGHTS),
    "truncated": (cut, MISSING_WEIGHTS),
    "empty": (lambda f: (f / "weights.safetensors").write_bytes(b""), MISSING_WEIGHTS),
    "torch file": (lambda f: torch.save({"a": torch.ones(3)}, f / "weights.safetensors"), MISSING_WEIGHTS),
    "another shape": (reweigh, OTHERS),
    "a weight too few": (lose_a_weight, OTHERS),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_model_is_refused_in_one_sentence(name: str, clusters: Clusters, tmp_path: Path) -> None:
    damage, message = DAMAGES[name]
    folder = tmp_path / "model"
    save_model(model_of(clusters, "student", tmp_path), folder)
    damage(folder)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(folder)
    text = str(caught.value)
    assert text.endswith("; train it again.") and str(folder) in text and "\n" not in text


def test_a_malicious_pickle_is_refused_unread(clusters: Clusters, tmp_path: Path) -> None:
    folder, trace = tmp_path / "model", tmp_path / "trace"
    save_model(model_of(clusters, "student", tmp_path), folder)
    attack = pickle.dumps(Bomb(trace))
    (folder / "weights.safetensors").write_bytes(attack)
    with pytest.raises(ModelError, match=MISSING_WEIGHTS):
        load_model(folder)
    assert not trace.exists()
    # It is armed: unpickling would call what it names. Reading its opcodes calls nothing.
    assert "REDUCE" in {opcode.name for opcode, _, _ in pickletools.genops(attack)}
