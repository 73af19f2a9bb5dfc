"""Map one scene: what is finished is kept beside the output until the map is whole, and a killed run goes on from it.

Nothing here imports a workflow tool, and of an export not even torch: that is what travels.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from outcrop.errors import ParamsError, WorkspaceError
from outcrop.field.exported import ExportedPredictor, Precision, is_export
from outcrop.field.journals import Journal
from outcrop.field.mapping import CLASS, NODATA, UNFAMILIAR, map_scene
from outcrop.field.predictors import Predictor
from outcrop.field.products import ITEM, products_of, write_map
from outcrop.field.scenes import MapScene, open_scene
from outcrop.record.digests import digest_value
from outcrop.survey.staging import staged
from tasks.progress import Progress, say
from tasks.workspace import Workspace, find_workspace, workspace_around

BLOCKS, PLAN = "blocks", "plan"


@dataclass(frozen=True)
class Manner:
    """How a map is made. Memory and threads leave no trace in it."""

    precision: Precision = "fp32"
    probabilities: bool = False
    bands: tuple[int, ...] = ()
    megabytes: int = 512
    threads: int = 1


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


def map_one(model: str, scene_path: Path, output: Path, manner: Manner, where: Path) -> dict[str, Any]:
    """Map a scene with an export or a model of the workspace around ``where``; gives what the map holds."""
    _check_output(output)
    predictor, lineage = _predictor(model, manner, where)
    scene = open_scene(scene_path, predictor.profile, manner.bands)
    for note in scene.notes:
        say(note)
    _check_scene(where, scene_path, scene)
    products = products_of(
        predictor.profile, probabilities=manner.probabilities, familiarity=predictor.tells_strangeness
    )
    with _unfinished(output, _plan(scene, lineage, manner)) as (folder, journal):
        seconds = _fill(predictor, scene, journal, manner)
        with staged(output.parent, output.name) as building:
            write_map(scene, products, journal, building, lineage)
        summary = _summary(journal, predictor)
        shutil.rmtree(folder)
    told = {"scene": scene.name, **lineage, **summary}
    record = _record(where, lineage["outcrop:model"], scene_path, output, told)
    return {"map": str(output), **told, "seconds": round(seconds, 2), "record": record}


def _check_scene(where: Path, path: Path, scene: MapScene) -> None:
    """Hold the scene against what the workspace around ``where`` recorded of it, if there is one."""
    workspace = workspace_around(where)
    if workspace is not None:
        from tasks.fieldwork import check_scene

        check_scene(workspace, path, [layer.raster.path for layer in scene.layers.values()])


def _record(where: Path, model: str, scene: Path, output: Path, facts: Mapping[str, Any]) -> str | None:
    """Record the map in the workspace around ``where``; an export is also used where there is none."""
    workspace = workspace_around(where)
    if workspace is None:
        return None
    from tasks.fieldwork import keep_map

    return keep_map(workspace, model, scene, output, facts)


def _check_output(output: Path) -> None:
    """Whatever stands at the output will be replaced, so it must be a map."""
    if output.exists() and not (output / ITEM).is_file() and (not output.is_dir() or any(output.iterdir())):
        raise WorkspaceError("what stands there is no map", where=output, remedy="choose another folder with -o")


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


@contextmanager
def _unfinished(output: Path, plan: str) -> Iterator[tuple[Path, Journal]]:
    """The folder of what is finished, and its journal; it stays when the block ends early and holds anything."""
    folder = output.parent / f".{output.name}.unfinished"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as cause:
        raise _cannot_write(output, cause) from cause
    try:
        _lock(handle, output)
        try:
            yield folder, _take_up(folder, plan)
        finally:
            if not any(path.stat().st_size for path in folder.glob(BLOCKS)):
                shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(handle)


def _lock(handle: int, output: Path) -> None:
    # The lock is on the folder itself and dies with the process: no lock file to forget.
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as cause:
        raise WorkspaceError("another run is making this map", where=output, remedy="wait until it ends") from cause


def _cannot_write(output: Path, cause: OSError) -> WorkspaceError:
    reason = (cause.strerror or str(cause)).lower()
    return WorkspaceError(
        f"the map cannot be written: {reason}", where=output.parent, remedy="check free space and permissions"
    )


def _take_up(folder: Path, plan: str) -> Journal:
    path = folder / PLAN
    try:
        if not path.is_file() or path.read_text(encoding="utf-8") != plan:
            (folder / BLOCKS).unlink(missing_ok=True)
            path.write_text(plan, encoding="utf-8")
        journal = Journal(folder / BLOCKS)
    except OSError as cause:
        raise _cannot_write(folder, cause) from cause
    if journal.records:
        say(f"going on with a map that was cut off: {len(journal.records)} blocks are finished")
    return journal


def _fill(predictor: Predictor, scene: MapScene, journal: Journal, manner: Manner) -> float:
    """Map what is left, under a progress bar of native pixels; gives the seconds that it took."""
    pixels = max(entry.fine for entry in predictor.profile.inputs) ** 2
    done = sum(record.shape[1] * record.shape[2] for record in journal.records.values())
    start, fresh = perf_counter(), 0
    with Progress("Mapping", scene.grid.height * scene.grid.width * pixels) as bar:
        bar.advance(done * pixels)

        def advance(cells: int) -> None:
            nonlocal fresh
            fresh += cells * pixels
            bar.advance(cells * pixels, note=f"{fresh / (perf_counter() - start) / 1e6:.2f} Mpixels/s")

        map_scene(
            predictor,
            scene,
            journal,
            probabilities=manner.probabilities,
            threads=manner.threads,
            megabytes=manner.megabytes,
            progress=advance,
        )
    return perf_counter() - start


def _summary(journal: Journal, predictor: Predictor) -> dict[str, Any]:
    """How many cells were mapped, the share of every class, and of what is unfamiliar."""
    counts, unfamiliar = np.zeros(256, dtype=np.int64), 0
    for row, col in journal.records:
        layers = journal.read(row, col)
        counts += np.bincount(layers[CLASS].ravel(), minlength=256)
        unfamiliar += int((layers[UNFAMILIAR] == 1).sum())
    mapped = int(counts[:NODATA].sum())
    shares = {c.name: int(n) / max(mapped, 1) for c, n in zip(predictor.profile.classes, counts, strict=False)}
    summary = {"cells": int(counts.sum()), "mapped": mapped, "classes": shares}
    return summary | ({"unfamiliar": unfamiliar / max(mapped, 1)} if predictor.tells_strangeness else {})
