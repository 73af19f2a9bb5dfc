"""Which labels may be learnt from, and which sites a model can see."""

import numpy as np
import pytest

from outcrop.errors import DataError, ModelError
from outcrop.learning.adaptation.supports import check_classes, check_model, sees, usable_labels
from outcrop.learning.models import Model, ModelConfig, build_network
from outcrop.learning.networks import Input
from outcrop.params import Student
from outcrop.survey.field_labels import FieldLabels
from outcrop.survey.rasters import read_split
from outcrop.survey.sites import SPLITS, Site

NAMES = ("basalt", "olivine", "calcite")


def model(modality: str = "rgb", bands: int = 3, side: int = 6) -> Model:
    entry = Input(modality, tuple("rgbn"[:bands]), side, (0.0,) * bands, (1.0,) * bands)
    architecture = Student(stages=(4, 4), centre=False, features=4)
    config = ModelConfig(
        survey="tiny", role="student", classes=NAMES, footprint=3, inputs=(entry,), architecture=architecture
    )
    return Model(build_network(config), config)


def labels_at(cells: np.ndarray) -> FieldLabels:
    rows, cols = cells.T
    return FieldLabels(np.zeros(len(cells), dtype=np.intp), rows, cols, np.arange(len(cells)) % 3, NAMES)


def cells_of_split(site: Site, split: int, number: int = 6) -> np.ndarray:
    scene = site.scenes[0]
    found = np.argwhere(read_split(scene, 0, 0, scene.grid.height, scene.grid.width) == split)
    found = found[(found.min(axis=1) > 8) & (found.max(axis=1) < 55)]  # away from gaps and edges
    return found[:: max(1, len(found) // number)][:number]


def test_labels_that_would_measure_the_model_are_left_out(tiny_site: Site) -> None:
    cells = np.concatenate([cells_of_split(tiny_site, split) for split in (0, *SPLITS.values())])
    kept = usable_labels(labels_at(cells[6:]), tiny_site, model(), held_out=True)
    assert len(kept.labels) == 12 and kept.labels.notes[-1].startswith("left out 6 labels in or beside the test blocks")
    assert kept.patches["rgb"].shape == (12, 3, 6, 6)
    everything = usable_labels(labels_at(cells), tiny_site, model(), held_out=False)
    assert len(everything.labels) == len(cells) and everything.labels.notes == ()


def test_patches_are_those_of_the_cells(tiny_site: Site, tiny_truth) -> None:  # type: ignore[no-untyped-def]
    cells = np.array([[20, 30], [33, 12], [40, 50]])
    found = usable_labels(labels_at(cells), tiny_site, model(), held_out=False).patches["rgb"]
    for patch, (row, col) in zip(found, cells, strict=True):
        assert (patch == tiny_truth.rgb[:, 2 * row - 2 : 2 * row + 4, 2 * col - 2 : 2 * col + 4]).all()


def test_a_model_of_another_vocabulary_is_refused() -> None:
    check_classes(model(), NAMES[:2])
    with pytest.raises(
        ModelError, match="the model knows the classes basalt, olivine, calcite, the survey has olivine"
    ):
        check_classes(model(), ("olivine", "basalt"))


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (np.array([[0, 0], [20, 20], [30, 30]]), "1 point without data in rgb"),
        (np.array([[20, 20], [30, 30]]), "too few to say anything"),
    ],
)
def test_labels_that_say_nothing_are_refused(cells: np.ndarray, message: str, tiny_site: Site) -> None:
    with pytest.raises(DataError, match=message):
        usable_labels(labels_at(cells), tiny_site, model(), held_out=False)


def test_two_classes_must_be_left(tiny_site: Site) -> None:
    labels = labels_at(np.array([[20, 20], [30, 30], [40, 40]]))
    same = FieldLabels(labels.scenes, labels.rows, labels.cols, np.zeros(3, dtype=np.intp), NAMES)
    with pytest.raises(DataError, match="fewer than two classes"):
        usable_labels(same, tiny_site, model(), held_out=False)


@pytest.mark.parametrize(
    ("unfit", "message"),
    [
        (model("radar"), "the model sees radar, which site north does not have"),
        (model(bands=4), "4 bands of rgb, site north has 3"),
        (model(side=9), "9 pixels of rgb along a patch, site north has 6"),
    ],
)
def test_a_site_that_a_model_cannot_see_is_refused(unfit: Model, message: str, tiny_site: Site) -> None:
    with pytest.raises(ModelError, match=message):
        check_model(unfit, tiny_site)
    assert not sees(unfit, tiny_site) and sees(model(), tiny_site)
