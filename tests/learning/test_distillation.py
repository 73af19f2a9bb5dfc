"""Distillation: the right outputs for the right cells, no label where none may be seen, and what it is worth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clusters import Clusters, Oracle, oracle

from outcrop.learning.distillation import Lesson, train_by_distillation, write_guide
from outcrop.learning.guides import GuideOutputs, outputs_of, write_outputs
from outcrop.learning.material import Material
from outcrop.learning.recipes import Trained, train_on_labels
from outcrop.learning.samples import Preparation, Sample
from outcrop.survey.cells import CellSet, join, labelled_cells, paired_cells
from outcrop.survey.patches import Batch, BlockPool, Draw, PatchStream, sweep

CPU = torch.device("cpu")
LONG = {"epochs": {"teacher": 12, "student": 12}, "samples": 1024}


@pytest.fixture(scope="module")
def sets(clusters: Clusters) -> tuple[CellSet, CellSet]:
    """Four labels a class, and 500 pairs."""
    return labelled_cells(clusters.reader, "train", 4, 7), paired_cells(clusters.reader, "train", 500, 7)


@pytest.fixture(scope="module")
def outputs(
    sets: tuple[CellSet, CellSet], clusters: Clusters, tmp_path_factory: pytest.TempPathFactory
) -> GuideOutputs:
    """What the oracle says of them: its features hold the elevation patch itself."""
    folder = tmp_path_factory.mktemp("outputs")
    cells = join(clusters.reader, *sets)
    pool = BlockPool(clusters.reader, ["elevation"], 1)
    pool.slots = 3
    write_outputs(Oracle(), sweep(pool, cells, 50), cells, folder, CPU)
    return outputs_of(cells, folder)


def stream(sets: tuple[CellSet, CellSet], clusters: Clusters, epoch: int) -> Iterator[Batch]:
    pool = BlockPool(clusters.reader, ["rgb", "elevation"], 1)
    return PatchStream(pool, [Draw(sets[0], 40), Draw(sets[1], 200, hard=False)], 32, 3).epoch(epoch)


def test_every_cell_of_a_batch_finds_its_own_outputs(
    sets: tuple[CellSet, CellSet], outputs: GuideOutputs, clusters: Clusters
) -> None:
    assert len(outputs.logits) == len(outputs.features) == outputs.cells.size
    for batch in stream(sets, clusters, 0):
        rows = outputs.rows(batch)
        own = batch.patches["elevation"]
        np.testing.assert_array_equal(outputs.features[rows][:, 3:], own.reshape(len(rows), -1))
        np.testing.assert_array_equal(outputs.logits[rows].argmax(axis=1), own[:, 0, 1, 1])


def samples(sets: tuple[CellSet, CellSet], outputs: GuideOutputs, clusters: Clusters, epoch: int) -> list[Sample]:
    material = clusters.material(Path())
    preparation = Preparation(material.config(material.last).inputs, material.params.augment, 3, CPU, (outputs,))
    return list(preparation.samples(stream(sets, clusters, epoch), epoch))


def test_pairs_carry_the_teachers_word_and_never_a_label(
    sets: tuple[CellSet, CellSet], outputs: GuideOutputs, clusters: Clusters
) -> None:
    labelled = 0
    batches = list(stream(sets, clusters, 1))
    for batch, sample in zip(batches, samples(sets, outputs, clusters, 1), strict=True):
        assert set(sample.patches) == {"rgb"}
        assert (sample.labels[torch.from_numpy(~batch.hard)] == -1).all()
        hard = sample.labels >= 0
        assert torch.equal(sample.guides[0].logits.argmax(dim=1)[hard], sample.labels[hard])
        np.testing.assert_array_equal(sample.labels.numpy() >= 0, batch.hard)
        labelled += int(hard.sum())
    assert labelled == 40


def test_samples_follow_from_seed_and_epoch(
    sets: tuple[CellSet, CellSet], outputs: GuideOutputs, clusters: Clusters
) -> None:
    def pixels(epoch: int) -> torch.Tensor:
        return torch.cat([sample.patches["rgb"] for sample in samples(sets, outputs, clusters, epoch)])

    assert torch.equal(pixels(4), pixels(4)) and not torch.equal(pixels(4), pixels(5))


def score(trained: Trained) -> float:
    return max(record.val_macro_f1 for record in trained.fitted.history)


def guided(material: Material, name: str = "oracle") -> Path:
    """The folder of what the oracle says."""
    folder = material.work / name
    write_guide(oracle(material), material, folder)
    return folder


def taught(material: Material, key: str = "student", **how: Any) -> Trained:
    """The student on the last rung, taught by the oracle."""
    return train_by_distillation([guided(material)], Lesson(material.last, **how), material, key)


def equal(one: Trained, other: Trained) -> bool:
    weights = [trained.model.network.state_dict() for trained in (one, other)]
    return all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0] | weights[1])


def test_a_knowing_teacher_is_recovered_and_a_shuffled_one_teaches_nothing(clusters: Clusters, tmp_path: Path) -> None:
    """RGB can express all that the teacher knows, but twelve labels show at most twelve of the 27 colours."""
    material = clusters.material(
        tmp_path, train=LONG, distil={"unlabelled_share": 0.75, "rungs": ["all", ["rgb"]]}, patches={"pairs": 2000}
    )
    control = train_on_labels(material.last, material, "control")
    student = taught(material)
    assert score(control) < 0.6
    assert score(student) > 0.75
    assert score(taught(material, "shuffled", shuffled=True)) < score(control) + 0.05
    names = student.model.network.state_dict().keys()
    assert names == control.model.network.state_dict().keys()  # the projector is thrown away


def test_assistants_pass_on_what_the_teacher_knows(clusters: Clusters, tmp_path: Path) -> None:
    """The chain through a rung that sees the answer ends no worse than it began."""
    rungs = ["all", ["elevation", "rgb"], ["rgb"]]
    material = clusters.material(
        tmp_path, train=LONG, distil={"unlabelled_share": 0.75, "rungs": rungs}, patches={"pairs": 2000}
    )
    folders = [guided(material)]
    assistant = train_by_distillation(folders, Lesson(material.chain[1]), material, "assistant")
    assert assistant.model.config.role == "assistant"
    assert [entry.modality for entry in assistant.model.config.inputs] == ["elevation", "rgb"]
    assert score(assistant) > 0.8
    write_guide(assistant.model, material, tmp_path / "assistant")
    student = train_by_distillation([*folders, tmp_path / "assistant"], Lesson(material.last), material, "student")
    assert score(student) > 0.75


def test_student_and_control_start_from_the_same_weights(clusters: Clusters, tmp_path: Path) -> None:
    """With steps too small to matter both end where they began."""
    material = clusters.material(
        tmp_path, train={"lr": {"teacher": 0.01, "student": 1e-12}, "epochs": {"teacher": 1, "student": 1}}
    )
    control = dict(train_on_labels(material.last, material, "control").model.network.named_parameters())
    student = dict(taught(material).model.network.named_parameters())
    for name, value in control.items():
        torch.testing.assert_close(student[name], value, atol=1e-9, rtol=0)


def test_effort_is_a_factor_of_the_epochs(clusters: Clusters, tmp_path: Path) -> None:
    material = clusters.material(tmp_path)
    assert [len(taught(material, f"{effort}", effort=effort).fitted.history) for effort in (0.5, 1, 1.5)] == [2, 4, 6]


def test_the_same_guides_teach_the_same(clusters: Clusters, tmp_path: Path) -> None:
    material = clusters.material(tmp_path, train={"epochs": {"teacher": 1, "student": 1}})
    first, again = taught(material, "first"), taught(material, "again")
    assert equal(first, again) and not equal(first, taught(material, "other", shuffled=True))
