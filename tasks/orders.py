"""An order for a map: model, scene and manner, and what they come to, wherever they are opened.

Nothing here imports a workflow tool, and of an export not even torch: that is what travels.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outcrop.errors import ParamsError
from outcrop.field.exported import ExportedPredictor, Precision, is_export
from outcrop.field.predictors import Predictor
from outcrop.field.scenes import MapScene, open_scene
from outcrop.record.digests import digest_value
from tasks.progress import say
from tasks.workers import ALONE, Workers
from tasks.workspace import Workspace, find_workspace


@dataclass(frozen=True)
class Manner:
    """How a map is made. Memory, of every process, threads and workers leave no trace in it."""

    precision: Precision = "fp32"
    probabilities: bool = False
    bands: tuple[int, ...] = ()
    megabytes: int = 512
    threads: int = 1
    workers: Workers = ALONE


def parse_megabytes(text: str) -> int:
    """``512MB``, ``2GB`` or a bare number of megabytes.

    Raises
    ------
    ParamsError : it is neither.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(MB|M|GB|G|)", text.strip().upper())
    if not found:
        raise ParamsError(f"`{text}` is no amount of memory", where="--memory", remedy="write it as 512MB or 2GB")
    return int(float(found[1]) * (1024 if found[2].startswith("G") else 1))


def parse_bands(text: str) -> tuple[int, ...]:
    """``3,2,1``.

    Raises
    ------
    ParamsError : it is no list of band numbers.
    """
    if not re.fullmatch(r"[1-9]\d*(,[1-9]\d*)*", text):
        raise ParamsError(f"`{text}` is no list of bands", where="--bands", remedy="write it as 3,2,1")
    return tuple(int(part) for part in text.split(","))


@dataclass(frozen=True)
class Order:
    """What a map is to be made of; plain values, so that any process can be sent it.

    ``model`` is an export's folder or, in the workspace around ``where``, what a registered model may be called.
    """

    model: str
    scene: Path
    manner: Manner
    where: Path

    @classmethod
    def of(cls, model: str, scene: Path, manner: Manner, where: Path) -> "Order":
        """With whole paths: a worker's own folder is another one."""
        known = str(Path(model).resolve()) if is_export(Path(model)) else model
        return cls(known, scene.resolve(), manner, where.resolve())


@dataclass(frozen=True)
class Opened:
    """An order's model and scene, what the map will tell of the model, and a digest of all that the map depends on."""

    predictor: Predictor
    scene: MapScene
    lineage: dict[str, Any]
    plan: str


def open_order(order: Order) -> Opened:
    """Open model and scene.

    Raises
    ------
    ModelError, SiteError, DataError, WorkspaceError : one of them cannot be used, or they do not fit.
    """
    predictor, lineage = _predictor(order.model, order.manner, order.where)
    scene = open_scene(order.scene, predictor.profile, order.manner.bands)
    return Opened(predictor, scene, lineage, _plan(scene, lineage, order.manner))


def _predictor(model: str, manner: Manner, where: Path) -> tuple[Predictor, dict[str, Any]]:
    if is_export(Path(model)):
        predictor = ExportedPredictor(Path(model), manner.precision)
        export = predictor.export
        lineage = {"outcrop:model": export.source.digest, "outcrop:precision": manner.precision}
        return predictor, {**lineage, **_told(predictor, export.confusion)}
    return _trained(find_workspace(where), model, manner)


def _trained(workspace: Workspace, model: str, manner: Manner) -> tuple[Predictor, dict[str, Any]]:
    """A model that was not exported: what is familiar to it is learnt anew from its sites."""
    workspace.prepare()
    if manner.precision != "fp32":
        raise ParamsError("a model has one precision", where="--precision", remedy="export it first: `outcrop export`")
    import torch

    from outcrop.field.trained import TrainedPredictor
    from tasks.models import confusion_told, know_familiar, know_model

    torch.set_num_threads(1)  # tiles run side by side
    known = know_model(workspace, model)

    say("learning from the training sites what is familiar to the model")
    predictor = TrainedPredictor(known.model, known.profile, know_familiar(workspace, known))
    return predictor, {
        "outcrop:model": known.found.digest,
        **_told(predictor, confusion_told(known.found, known.profile)),
    }


def _told(predictor: Predictor, confusion: dict[str, Any] | None) -> dict[str, Any]:
    """What `outcrop carbon` needs to know of the model."""
    told: dict[str, Any] = {"outcrop:survey": predictor.profile.survey}
    return told | ({"outcrop:confusion": confusion} if confusion else {})


def _plan(scene: MapScene, lineage: Mapping[str, Any], manner: Manner) -> str:
    """Digest of all that the map depends on: finished blocks of another plan are of no use."""
    files = [layer.raster.path.resolve() for layer in scene.layers.values()]
    return digest_value(
        {
            "files": [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files],
            "bands": [layer.indexes for layer in scene.layers.values()],
            "lineage": dict(lineage),
            "probabilities": manner.probabilities,
        }
    )
