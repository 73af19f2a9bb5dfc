"""What networks make of the simulated task: the best that a teacher can do, and what a new site costs an RGB student.

All learn from every labelled cell of the training blocks and are scored on test blocks.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from benchmarks.honesty import ask, by_cell, grow, score
from benchmarks.simulated import NEW, TRAINING, Ground, simulated
from outcrop.learning.evaluation import score_network
from outcrop.learning.material import Material
from outcrop.learning.metrics import Scored
from outcrop.learning.recipes import train_on_labels

Result = dict[str, Any]
Model = TypeVar("Model")
#: Longest training by role, in epochs of `SAMPLES` patches; it ends once validation blocks gain nothing in `PATIENCE`.
EPOCHS = {"teacher": 40, "student": 40}
SAMPLES, PATIENCE = 4096, 15


def measure_teacher(size: int) -> Result:
    """Macro-F1 of a teacher on the sites it was trained on.

    Parameters
    ----------
    size : base cells along one side of each site
    """
    with simulated(size, TRAINING) as ground:
        material = _material(ground, TRAINING)
        trained = train_on_labels(material.top, material, "teacher")
        found = score(score_network(material, trained.model), material)
        return {**found, "epochs": len(trained.fitted.history), "samples": SAMPLES}


def measure_shift(size: int) -> Result:
    """Macro-F1 of what sees RGB alone: from the training sites, there and on a new site, and from the new site there.

    Students see patches; beside them, forests see single cells.
    """
    with simulated(size, (*TRAINING, NEW)) as ground:
        old, new = _material(ground, TRAINING), _material(ground, (NEW,))
        models = [train_on_labels(material.last, material, "student").model for material in (old, new)]
        students = _carried(models, (old, new), lambda model, material: score_network(material, model))
        old, new = by_cell(ground, TRAINING), by_cell(ground, (NEW,))
        forests = _carried(
            [grow(material, ("rgb",)) for material in (old, new)],
            (old, new),
            lambda forest, material: ask(forest, material, ("rgb",)),
        )
        return {"site": NEW, **students, "forests": forests}


def _carried(
    models: Sequence[Model], materials: Sequence[Material], said: Callable[[Model, Material], Scored]
) -> Result:
    """Scores of a model of the training sites at home and away, of one of the new site, and what either lacks there."""
    pairs = zip((models[0], *models), (materials[0], materials[1], materials[1]), strict=True)
    home, away, native = (score(said(model, material), material) for model, material in pairs)
    return {
        "home": home,
        "away": away,
        "native": native,
        "lost": home["macro_f1"] - away["macro_f1"],
        "lost_by_native": home["macro_f1"] - native["macro_f1"],
    }


def _material(ground: Ground, sites: Sequence[str]) -> Material:
    train = {"epochs": EPOCHS, "samples": SAMPLES, "patience": PATIENCE}
    return ground.material(sites, sites, {"labels": {"per_class": "all"}, "train": train})
