"""The training loop: exact resumption, best weights kept, and the same numbers from the same seed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clusters import Clusters
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from outcrop.learning.devices import make_fabric
from outcrop.learning.material import Material
from outcrop.learning.recipes import train_on_labels
from outcrop.learning.samples import Sample
from outcrop.learning.training import EpochRecord, Fitted, Progress, best_epoch, fit, lr_factor
from outcrop.params import Train

KEY = "k1"
#: Weights, and the curve without the seconds.
Result = tuple[dict[str, Tensor], list[EpochRecord]]


class Killed(Exception):
    """What stands for a power cut after an epoch."""


def kill_after(epoch: int) -> Progress:
    def tell(record: EpochRecord) -> None:
        if record.epoch == epoch:
            raise Killed

    return tell


def trained(material: Material, role: str = "teacher", key: str = KEY) -> Result:
    """The result of a training, with dropout and modality dropout at work."""
    result = train_on_labels(material.top if role == "teacher" else material.last, material, key)
    history = [replace(record, seconds=0.0) for record in result.fitted.history]
    return result.model.network.state_dict(), history


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.fixture(scope="module")
def straight(clusters: Clusters, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return trained(clusters.material(tmp_path_factory.mktemp("straight")))


@pytest.mark.parametrize("epoch", [0, 2])
def test_killed_and_resumed_is_as_if_it_had_never_stopped(
    epoch: int, straight: Result, clusters: Clusters, tmp_path: Path
) -> None:
    with pytest.raises(Killed):
        material = clusters.material(tmp_path)
        train_on_labels(material.top, material, KEY, kill_after(epoch))
    torch.rand(7)  # another process would not continue this one's random numbers
    told: list[int] = []
    material = clusters.material(tmp_path)
    result = train_on_labels(material.top, material, KEY, lambda record: told.append(record.epoch))
    assert told == list(range(epoch + 1, 4))
    assert equal(result.model.network.state_dict(), straight[0])
    assert [replace(record, seconds=0.0) for record in result.fitted.history] == straight[1]
    assert material.checkpoint(KEY).exists()
    material.discard(KEY)
    assert not material.checkpoint(KEY).exists()


def test_the_same_seed_gives_the_same_weights_another_seed_others(
    straight: Result, clusters: Clusters, tmp_path: Path
) -> None:
    again, history = trained(clusters.material(tmp_path), key="k2")
    assert equal(again, straight[0]) and history == straight[1]
    material = clusters.material(tmp_path)
    other = replace(material, params=material.params.model_copy(update={"seed": 8}))
    assert not equal(trained(other, key="k3")[0], straight[0])


class Counter(nn.Module):
    """An objective whose network's one weight is the number of epochs done: the loss is linear in it."""

    def __init__(self) -> None:
        super().__init__()
        self.network = nn.Linear(1, 1, bias=False)
        self.network.weight.data.fill_(0.0)

    def forward(self, sample: Sample, progress: float) -> Tensor:
        return -self.network.weight.sum()


def count(
    scores: list[tuple[float, float]], tmp_path: Path, patience: int = 99, tell: Progress = lambda record: None
) -> tuple[Fitted, float]:
    """Fit a counter whose validation scores are given; tell what was fitted and at which weight it ended."""
    objective, given = Counter(), iter(scores)
    params = train_params(patience=patience)
    fitted = fit(
        make_fabric(params, "cpu"),
        objective,
        lambda epoch: iter([Sample({}, torch.zeros(1))]),
        1,
        lambda network: next(given),
        params,
        epochs=len(scores),
        lr=1.0,
        seed=0,
        checkpoint=tmp_path / "c.safetensors",
        key="c",
        tell=tell,
    )
    return fitted, objective.network.weight.item()


def train_params(**changes: object) -> Train:
    values = {
        "epochs": {"teacher": 4, "assistant": 4, "student": 4},
        "samples": 8,
        "lr": {"teacher": 1.0, "student": 1.0},
        "weight_decay": 0.0,
        "warmup": 0.0,
        "patience": 9,
        "val_samples": 8,
        "class_balance": 0.0,
        "label_smoothing": 0.0,
        "precision": "32-true",
    }
    return Train.model_validate({**values, **changes})


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([(0.1, 1), (0.9, 1), (0.5, 1), (0.4, 1)], 1),
        ([(0.1, 1), (0.2, 1), (0.3, 1), (0.4, 1)], 3),
        ([(0.5, 9), (0.5, 3), (0.5, 4), (0.1, 0)], 1),  # a tie, broken by the log-loss
        ([(0.5, 2), (0.5, 2), (0.5, 2), (0.5, 2)], 0),  # of equals, the first
    ],
)
def test_the_best_weights_are_kept(scores: list[tuple[float, float]], best: int, tmp_path: Path) -> None:
    fitted, weight = count(scores, tmp_path)
    assert fitted.best_epoch == best == best_epoch(fitted.history)
    assert [(r.val_macro_f1, r.val_nll) for r in fitted.history] == scores
    # Adam's step along a constant slope is the learning rate itself.
    assert weight == pytest.approx(sum(lr_factor(step, 4, 0.0) for step in range(best + 1)), rel=1e-5)


def test_training_stops_when_patience_is_over(tmp_path: Path) -> None:
    scores = [(0.1, 1.0), (0.5, 1.0), (0.4, 1.0), (0.3, 1.0), (0.2, 1.0), (0.9, 1.0)]
    fitted, weight = count(scores, tmp_path, patience=2)
    assert (len(fitted.history), fitted.best_epoch) == (4, 1)
    again, resumed_weight = count(scores, tmp_path, patience=2)  # the finished run's checkpoint: nothing more to do
    assert again.history == fitted.history and resumed_weight == weight


def rekey(path: Path) -> None:
    """The same checkpoint as another step's: as after a change of code, data or parameters."""
    with safe_open(path, framework="pt") as stored:
        progress = json.loads(stored.metadata()["progress"])
    save_file(load_file(path), path, metadata={"progress": json.dumps({**progress, "key": "k0"})})


CHECKPOINT_DAMAGES: dict[str, Callable[[Path], object]] = {
    "another key": rekey,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-7]),
    "empty": lambda path: path.write_bytes(b""),
    "no metadata": lambda path: save_file(load_file(path), path),
    "not JSON": lambda path: save_file(load_file(path), path, metadata={"progress": "{"}),
    "gone": lambda path: path.unlink(),
}


SCORES = [(0.1, 1.0), (0.2, 1.0), (0.3, 1.0), (0.4, 1.0)]


@pytest.mark.parametrize("name", CHECKPOINT_DAMAGES)
def test_a_checkpoint_that_is_not_this_trainings_is_ignored(name: str, tmp_path: Path) -> None:
    """The counter begins again at zero: had the checkpoint counted, it would end elsewhere."""
    with pytest.raises(Killed):
        count(SCORES, tmp_path, tell=kill_after(1))
    CHECKPOINT_DAMAGES[name](tmp_path / "c.safetensors")
    told: list[int] = []
    _, weight = count(SCORES, tmp_path, tell=lambda record: told.append(record.epoch))
    assert told == [0, 1, 2, 3]
    assert weight == count(SCORES, tmp_path / "fresh")[1]


@pytest.mark.parametrize(("total", "warmup"), [(100, 0.1), (30, 0.0), (7, 0.5), (1, 0.0), (1, 1.0), (10, 1.0)])
def test_the_learning_rate_rises_then_falls_to_a_hundredth(total: int, warmup: float) -> None:
    factors = [lr_factor(step, total, warmup) for step in range(total)]
    rising = max(1, round(warmup * total))
    assert factors[0] == pytest.approx(1 / rising) and factors[rising - 1] == 1
    assert lr_factor(max(total, rising + 1), total, warmup) == pytest.approx(0.01)
    assert lr_factor(10 * total + 10, total, warmup) == pytest.approx(0.01)  # batches beyond the announced ones
    assert factors[:rising] == sorted(factors[:rising])
    assert factors[rising:] == sorted(factors[rising:], reverse=True)
    assert all(0 < factor <= 1 for factor in factors)


def test_the_rate_told_is_the_rate_of_the_schedule(straight: Result, clusters: Clusters) -> None:
    train = clusters.params.train
    steps = round(train.samples / clusters.params.patches.batch)
    for record in straight[1]:
        after = (record.epoch + 1) * steps
        assert record.lr == pytest.approx(train.lr.teacher * lr_factor(after, 4 * steps, train.warmup))
