"""Distillation: the right outputs for the right cells, no label where none may be seen, and what it is worth."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from clusters import Clusters, Oracle, oracle

from outcrop.learning.distillation import TeacherOutputs, outputs_of, write_outputs
from outcrop.learning.recipes import train_by_distillation, train_on_labels
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
) -> TeacherOutputs:
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
    sets: tuple[CellSet, CellSet], outputs: TeacherOutputs, clusters: Clusters
) -> None:
    assert len(outputs.logits) == len(outputs.features) == outputs.cells.size
    for batch in stream(sets, clusters, 0):
        rows = outputs.rows(batch)
        own = batch.patches["elevation"]
        np.testing.assert_array_equal(outputs.features[rows][:, 3:], own.reshape(len(rows), -1))
        np.testing.assert_array_equal(outputs.logits[rows].argmax(axis=1), own[:, 0, 1, 1])


def samples(sets: tuple[CellSet, CellSet], outputs: TeacherOutputs, clusters: Clusters, epoch: int) -> list[Sample]:
    material = clusters.material(Path())
    preparation = Preparation(material.config("student").inputs, material.params.augment, 3, CPU, outputs)
    return list(preparation.samples(stream(sets, clusters, epoch), epoch))


def test_pairs_carry_the_teachers_word_and_never_a_label(
    sets: tuple[CellSet, CellSet], outputs: TeacherOutputs, clusters: Clusters
) -> None:
    labelled = 0
    batches = list(stream(sets, clusters, 1))
    for batch, sample in zip(batches, samples(sets, outputs, clusters, 1), strict=True):
        assert set(sample.patches) == {"rgb"} and sample.logits is not None
        assert (sample.labels[torch.from_numpy(~batch.hard)] == -1).all()
        hard = sample.labels >= 0
        assert torch.equal(sample.logits.argmax(dim=1)[hard], sample.labels[hard])
        np.testing.assert_array_equal(sample.labels.numpy() >= 0, batch.hard)
        labelled += int(hard.sum())
    assert labelled == 40


def test_samples_follow_from_seed_and_epoch(
    sets: tuple[CellSet, CellSet], outputs: TeacherOutputs, clusters: Clusters
) -> None:
    def pixels(epoch: int) -> torch.Tensor:
        return torch.cat([sample.patches["rgb"] for sample in samples(sets, outputs, clusters, epoch)])

    assert torch.equal(pixels(4), pixels(4)) and not torch.equal(pixels(4), pixels(5))


def score(trained: Any) -> float:
    return max(record.val_macro_f1 for record in trained.fitted.history)


def test_a_knowing_teacher_is_recovered_better_than_labels_alone(clusters: Clusters, tmp_path: Path) -> None:
    """RGB can express all that the teacher knows, but twelve labels show at most twelve of the 27 colours."""
    material = clusters.material(tmp_path, train=LONG, distil={"unlabelled_share": 0.75, "pairs": 2000})
    control = train_on_labels("student", material, "control")
    student = train_by_distillation(oracle(material), material, "student")
    assert score(control) < 0.6
    assert score(student) > 0.75
    names = student.model.network.state_dict().keys()
    assert names == control.model.network.state_dict().keys()  # the projector is thrown away


def test_student_and_control_start_from_the_same_weights(clusters: Clusters, tmp_path: Path) -> None:
    """With steps too small to matter both end where they began."""
    material = clusters.material(
        tmp_path, train={"lr": {"teacher": 0.01, "student": 1e-12}, "epochs": {"teacher": 1, "student": 1}}
    )
    control = dict(train_on_labels("student", material, "control").model.network.named_parameters())
    student = dict(train_by_distillation(oracle(material), material, "student").model.network.named_parameters())
    for name, value in control.items():
        torch.testing.assert_close(student[name], value, atol=1e-9, rtol=0)


def test_teacher_outputs_are_computed_once_and_used_again(clusters: Clusters, tmp_path: Path) -> None:
    material = clusters.material(tmp_path, train={"epochs": {"teacher": 1, "student": 1}})
    first = train_by_distillation(oracle(material), material, "key").model.network.state_dict()
    kept = material.outputs("key") / "logits.npy"
    before = kept.stat().st_mtime_ns
    material.checkpoint("key").unlink()
    again = train_by_distillation(oracle(material), material, "key").model.network.state_dict()
    assert kept.stat().st_mtime_ns == before
    assert all(torch.equal(first[name], again[name]) for name in first)
    (material.outputs("key") / "done").unlink()  # as after a kill while they were written
    kept.write_bytes(kept.read_bytes()[:200])
    material.checkpoint("key").unlink()
    mended = train_by_distillation(oracle(material), material, "key").model.network.state_dict()
    assert all(torch.equal(first[name], mended[name]) for name in first)
    material.discard("key")
    assert not material.outputs("key").exists()
