"""A site of another survey, all of whose classes are new: what a trained encoder is worth with few labels a class."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.newcomers import SIMULATED, Newcomer, Stage
from outcrop.learning.adaptation.curves import Reference, draw_labels, headline, look_at_cells, run_trials
from outcrop.learning.adaptation.evidence import SOURCE, gather_evidence
from outcrop.learning.encoders import Encoder, Standardise
from outcrop.learning.evaluation import cells_to_score, score_network
from outcrop.learning.material import Material
from outcrop.learning.models import Model, describe_inputs
from tasks.workspace import Workspace

PER_CLASS = 5
#: The encoder's last convolution has stride 2: it needs patches of 5 pixels, hence of 5 cells here.
SITE = Newcomer(
    "diamantina",
    "diamantina",
    ("diamantina",),
    "diamantina",
    {
        "footprint": 5,
        "split": {"block": 12, "buffer": 5},
        "distil": {"rungs": ["all", ["rgb"]]},
        "student": {"centre": True},
    },
)
LENDER = Newcomer("lender", "simulated", SIMULATED, "oman", {"distil": {"rungs": ["all", ["rgb"]]}})


def study_new_classes(workspace: Workspace, draws: int) -> dict[str, Any]:
    """Adapt the simulated survey's RGB student to Diamantina's six formations, `PER_CLASS` labels each."""
    asked = {"draws": draws, "sampling": "by_class", "rungs": ["batch_norm", "logistic"]}
    lender = Stage(LENDER, workspace)
    known, names = lender.student.config.classes, Stage(SITE, workspace).site.census.class_names
    labels = PER_CLASS * len(names)
    stage = Stage(SITE, workspace, {**asked, "curve": [labels]})
    site, seed = stage.site, stage.site.params.seed
    student = borrow(lender.student, site)
    evidence = gather_evidence(site, lender.sources, student, None, seed)
    found = look_at_cells(site, cells_to_score(site), student, evidence)
    reference = replace(found, labels=found.labels + len(known))
    drawn = draw_labels(site, student, None, evidence, seed)
    drawn = replace(drawn, support=replace(drawn.support, classes=drawn.support.classes + len(known)))
    trials = run_trials(evidence, drawn, reference, site.params.onboard, seed, classes=len(known) + len(names))
    native = headline(score_network(site, stage.native))
    return {
        "site": SITE.site,
        "classes": list(names),
        "per_class": PER_CLASS,
        "draws": draws,
        "unadapted": _unadapted(reference, evidence, len(names)),
        "macro_f1": [trial.macro_f1 for trial in trials],
        "accuracy": [trial.overall_accuracy for trial in trials],
        "covered": float(np.mean([trial.covered for trial in trials])),
        "changed": float(np.mean([trial.way != "none" for trial in trials])),
        "native": {"macro_f1": native[0], "accuracy": native[1]},
        "test_cells": len(reference.labels),
    }


def borrow(student: Model, site: Material) -> Model:
    """A student of another survey that sees a site: its inputs are standardised as the site's training blocks say.

    Digital numbers of two surveys mean different things; that is another sensor, and known to be one.
    """
    network = deepcopy(student.network)
    inputs = describe_inputs(site.sites[0], site.census, [entry.modality for entry in student.config.inputs])
    for entry in inputs:
        encoder = network.encoders[entry.modality]  # type: ignore[index]
        assert isinstance(encoder, Encoder)
        encoder.standardise = Standardise(entry.mean, entry.std)
    changed = {"inputs": inputs, "footprint": site.census.footprint}
    return Model(network, student.config.model_copy(update=changed))


def _unadapted(reference: Reference, evidence: Any, new: int) -> dict[str, float]:
    """The extended head before any label: it knows nothing of the new classes."""
    values = headline(reference.scored(evidence.bases[SOURCE].head.extended(new), SOURCE))
    return {"macro_f1": values[0], "accuracy": values[1]}
