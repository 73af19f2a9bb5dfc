"""Models with random weights, as folders and as exports: how fast they are does not depend on what they have learnt."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.variants import PROJECT
from outcrop.field.burdens import tile_of
from outcrop.field.cards import write_export
from outcrop.field.exported import FORMAT, Export, Graph, Precision, Source
from outcrop.field.familiarity import Familiarity
from outcrop.field.graphs import write_graph
from outcrop.field.profiles import BandProfile, ClassProfile, ModalityProfile, ModelProfile
from outcrop.field.quantisation import quantise
from outcrop.learning.models import Model, ModelConfig, Role, build_network
from outcrop.learning.networks import Input
from outcrop.params import Params, load_params
from outcrop.survey.grids import Nesting

CLASSES = tuple(f"class{index}" for index in range(12))
#: By modality: bands, how they nest in cells of 1 m, values around which noise is made.
SENSORS: dict[str, tuple[int, Nesting, float, float]] = {
    "elevation": (1, Nesting(), 1500.0, 100.0),
    "gamma": (3, Nesting(coarse=4), 5.0, 2.0),
    "hyperspectral": (224, Nesting(), 0.3, 0.1),
    "multispectral": (12, Nesting(), 0.3, 0.1),
    "rgb": (3, Nesting(fine=4), 110.0, 30.0),
    "thermal": (1, Nesting(coarse=2), 290.0, 4.0),
}


def default_params() -> Params:
    """Those of `params.yaml`."""
    return load_params(PROJECT / "params.yaml")


def untrained(role: Role, modalities: Sequence[str], footprint: int) -> tuple[Model, ModelProfile]:
    """A teacher, or else a student, of the default widths, and its profile."""
    params, inputs, profiles = default_params(), [], []
    for name in modalities:
        bands, nesting, mean, std = SENSORS[name]
        names, side = tuple(f"{name}{band}" for band in range(bands)), nesting.patch_side(footprint)
        inputs.append(Input(name, names, side, (mean,) * bands, (std,) * bands))
        profile = ModalityProfile(
            name=name,
            bands=tuple(BandProfile(name=band) for band in names),
            unit="1",
            side=side,
            fine=nesting.fine,
            coarse=nesting.coarse,
            pixel_m=(nesting.coarse / nesting.fine,) * 2,
            mean=(mean,) * bands,
            std=(std,) * bands,
        )
        profiles.append(profile)
    architecture = params.teacher if role == "teacher" else params.student
    config = ModelConfig(
        survey="benchmark",
        role=role,
        classes=CLASSES,
        footprint=footprint,
        inputs=tuple(inputs),
        architecture=architecture,
    )
    torch.manual_seed(0)
    return Model(build_network(config).eval(), config), ModelProfile.of(
        config, tuple(ClassProfile(name=name, colour="#000000") for name in CLASSES), tuple(profiles)
    )


def write_untrained(model: Model, profile: ModelProfile, folder: Path) -> Path:
    """An export of a model that was not trained, calibrated on noise; gives its folder."""
    folder.mkdir(parents=True)
    channels = sum(layers[-1] for layers in [model.config.architecture.stages] * len(profile.inputs))
    familiarity = Familiarity(np.zeros(channels, np.float32), np.eye(channels, dtype=np.float32), 1.0)
    write_graph(model, profile, familiarity, folder / "fp32.onnx")
    quantise(folder / "fp32.onnx", folder / "int8.onnx", [tile_of(profile, 8)])
    graphs: dict[Precision, Graph] = {
        precision: Graph(
            file=f"{precision}.onnx", bytes=(folder / f"{precision}.onnx").stat().st_size, macro_f1=0, difference=0
        )
        for precision in ("fp32", "int8")
    }
    source = Source(
        model="untrained",
        digest="0" * 64,
        uri=None,
        run_id=None,
        trained_on=(),
        data={},
        commit=None,
        dirty=True,
        packages={},
    )
    calibration = {"cells": dict.fromkeys(("familiar", "limit", "compared", "calibration"), 0), "sites": {}}
    calibration |= {"torch_macro_f1": 0.0, "familiar_quantile": 0.99}
    export = Export(
        format=FORMAT, profile=profile, source=source, graphs=graphs, refused={}, metrics={}, calibration=calibration
    )
    write_export(export, "A model with random weights, to measure speed with.\n", folder)
    return folder
