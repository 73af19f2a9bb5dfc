"""A committee: the mean of its members, each trained as it would be alone."""

from pathlib import Path

import pytest
import torch
from clusters import Clusters

from outcrop.learning.committee import Committee
from outcrop.learning.material import Material
from outcrop.learning.models import build_network, load_model, save_model
from outcrop.learning.recipes import Trained, train_on_labels
from outcrop.learning.training import EpochRecord, Progress


def trained_on(made: Material, key: str, tell: Progress = lambda record: None) -> Trained:
    return train_on_labels(made.top, made, key, tell)


def material(clusters: Clusters, work: Path, members: int) -> Material:
    return clusters.material(work, teacher={"members": members}, train={"epochs": {"teacher": 3, "student": 3}})


def weights(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return dict(network.state_dict())


@torch.inference_mode()
def test_its_probabilities_are_the_members_mean(clusters: Clusters, tmp_path: Path) -> None:
    made = material(clusters, tmp_path, 3)
    config = made.config(made.top)
    torch.manual_seed(1)
    committee = build_network(config).eval()
    assert isinstance(committee, Committee) and len(committee.members) == 3
    patches = {entry.modality: torch.randn(5, len(entry.bands), entry.side, entry.side) for entry in config.inputs}
    said = [member(patches) for member in committee.members]
    together = committee(patches)
    mean = torch.stack([prediction.logits.softmax(dim=1) for prediction in said]).mean(dim=0)
    torch.testing.assert_close(together.logits.exp(), mean)
    assert not torch.allclose(said[0].logits, said[1].logits)
    torch.testing.assert_close(together.features, torch.cat([prediction.features for prediction in said], dim=1))


@torch.inference_mode()
def test_its_attention_is_the_members_mean(clusters: Clusters, tmp_path: Path) -> None:
    made = material(clusters, tmp_path, 2)
    config = made.config(made.top)
    torch.manual_seed(1)
    committee = build_network(config).eval()
    assert isinstance(committee, Committee)
    patches = {entry.modality: torch.randn(5, len(entry.bands), entry.side, entry.side) for entry in config.inputs}
    present = torch.tensor([[True, True], [True, False], [False, True], [True, True], [True, True]])
    paid = [member.attention_to_modalities(patches, present) for member in committee.members]
    found = committee.attention_to_modalities(patches, present)
    torch.testing.assert_close(found, (paid[0] + paid[1]) / 2)
    torch.testing.assert_close(found.sum(dim=1), torch.ones(5))
    assert not torch.allclose(paid[0], paid[1])
    assert found[1, 1] == 0 and found[2, 0] == 0


def test_the_first_member_is_the_teacher_that_it_would_be_alone(clusters: Clusters, tmp_path: Path) -> None:
    two = material(clusters, tmp_path / "two", 2)
    trained = train_on_labels(two.top, two, "key")
    first, second = (weights(member) for member in trained.model.network.members)
    alone = weights(trained_on(material(clusters, tmp_path / "one", 1), "key").model.network)
    assert all(torch.equal(value, alone[name]) for name, value in first.items())
    assert not any(torch.equal(value, second[name]) for name, value in first.items() if "classifier" in name)
    assert [record.epoch for record in trained.fitted.history] == list(range(6))
    save_model(trained.model, tmp_path / "model")
    loaded = weights(load_model(tmp_path / "model").network)
    assert all(torch.equal(value, loaded[name]) for name, value in weights(trained.model.network).items())
    two.discard("key")
    assert not list((tmp_path / "two").rglob("*.safetensors"))


def test_a_committee_cut_off_between_members_is_taken_up(clusters: Clusters, tmp_path: Path) -> None:
    told: list[EpochRecord] = []

    def cut(record: EpochRecord) -> None:
        told.append(record)
        if len(told) == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained_on(material(clusters, tmp_path / "cut", 2), "key", cut)
    again = trained_on(material(clusters, tmp_path / "cut", 2), "key", told.append)
    assert len(told) == 6
    whole = trained_on(material(clusters, tmp_path / "whole", 2), "key")
    expected = weights(whole.model.network)
    assert all(torch.equal(value, expected[name]) for name, value in weights(again.model.network).items())
