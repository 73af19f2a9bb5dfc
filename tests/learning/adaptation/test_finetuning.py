"""Fine-tuning a student: it learns what the labels say, stays where it is held, and leaves the source model alone."""

import numpy as np
import pytest
import torch

from outcrop.learning.adaptation.finetuning import fine_tune, tuned_on
from outcrop.learning.adaptation.heads import Head
from outcrop.learning.adaptation.looks import features_of, head_of
from outcrop.learning.networks import Input
from outcrop.learning.student import StudentNetwork
from outcrop.params import FineTuning, Student

LABELS, CLASSES = 12, 3
Y = np.arange(LABELS) % CLASSES


@pytest.fixture
def network() -> StudentNetwork:
    torch.manual_seed(0)
    inputs = (Input("rgb", ("red", "green", "blue"), 9, (0.0,) * 3, (1.0,) * 3),)
    return StudentNetwork(inputs, CLASSES, Student(stages=(4, 4), centre=True, features=6)).eval()


@pytest.fixture
def patches() -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    return {"rgb": torch.randn(LABELS, 3, 9, 9) + 2 * torch.eye(3)[torch.from_numpy(Y)][:, :, None, None]}


def how(**changes: float) -> FineTuning:
    return FineTuning.model_validate({"steps": 60, "lr": 0.1, "strength": 0.0, **changes})


def test_free_it_learns_the_labels_and_the_source_model_stays(
    network: StudentNetwork, patches: dict[str, torch.Tensor]
) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    tuned = tuned_on(network, head_of(network), patches, np.arange(LABELS), Y, how())
    assert (tuned.logits(np.arange(LABELS, dtype=float)[:, None]).argmax(axis=1) == Y).all()
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_held_it_stays(network: StudentNetwork, patches: dict[str, torch.Tensor]) -> None:
    free, held = (fine_tune(network, head_of(network), patches, Y, how(lr=0.01, strength=s)) for s in (0.0, 1e5))
    moved = [
        max(float((a - b).detach().abs().max()) for a, b in zip(n.parameters(), network.parameters(), strict=True))
        for n in (free, held)
    ]
    assert moved[1] < moved[0] / 5


def test_a_new_class_has_a_place(network: StudentNetwork, patches: dict[str, torch.Tensor]) -> None:
    labels = np.where(Y == 2, 3, Y)
    tuned = fine_tune(network, head_of(network).extended(1), patches, labels, how())
    assert (tuned(patches).logits.argmax(dim=1).numpy() == labels).all()


def test_features_and_head_give_the_networks_own_logits(
    network: StudentNetwork, patches: dict[str, torch.Tensor]
) -> None:
    head: Head = head_of(network)
    with torch.no_grad():
        expected = network(patches).logits.numpy()
    assert head.logits(features_of(network, patches)) == pytest.approx(expected, abs=1e-5)
