"""Map one scene: what is finished is kept beside the output until the map is whole, and a killed run goes on from it.

Workers only compute: this process alone writes what they send, so that all of that holds for many workers, too.
Nothing here imports a workflow tool, and of an export not even torch: that is what travels.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from platform import node
from time import perf_counter
from typing import Any

import numpy as np

from outcrop.errors import ParamsError, WorkspaceError
from outcrop.field.journals import Journal, packed
from outcrop.field.mapping import CLASS, NODATA, UNFAMILIAR, blocks_left, map_scene, map_windows
from outcrop.field.predictors import Predictor
from outcrop.field.products import ITEM, products_of, write_map
from outcrop.field.scenes import MapScene
from outcrop.field.windows import plan_windows
from outcrop.survey.blocks import Tile
from outcrop.survey.staging import staged
from tasks.orders import Manner, Opened, Order, open_order
from tasks.progress import Progress, hush, say
from tasks.sharing import share_out
from tasks.workers import ALONE, Runner
from tasks.workspace import workspace_around

BLOCKS, PLAN = "blocks", "plan"
#: Windows for each of several workers at least: so that all end at about the same time, and little is lost with one.
SHARES = 8


def map_one(model: str, scene_path: Path, output: Path, manner: Manner, where: Path) -> dict[str, Any]:
    """Map a scene with an export or a model of the workspace around ``where``; gives what the map holds."""
    _check_output(output)
    order = Order.of(model, scene_path, manner, where)
    opened = open_order(order)
    predictor, scene, lineage = opened.predictor, opened.scene, opened.lineage
    for note in scene.notes:
        say(note)
    _check_scene(where, scene_path, scene)
    products = products_of(
        predictor.profile, probabilities=manner.probabilities, familiarity=predictor.tells_strangeness
    )
    with _unfinished(output, opened.plan) as (folder, journal):
        seconds = _fill(order, opened, journal)
        with staged(output.parent, output.name) as building:
            write_map(scene, products, journal, building, lineage)
        summary = _summary(journal, predictor)
        shutil.rmtree(folder)
    told = {"scene": scene.name, **lineage, **summary}
    record = _record(where, lineage["outcrop:model"], scene_path, output, told)
    return {"map": str(output), **told, "seconds": round(seconds, 2), "record": record}


def map_several(model: str, scenes: Sequence[Path], output: Path, manner: Manner, where: Path) -> list[dict[str, Any]]:
    """Map scenes into folders of ``output``, in which they are named after them; each of several workers has a scene.

    Raises
    ------
    ParamsError : two maps would have the same name.
    """
    alone = replace(manner, workers=ALONE)
    orders = {output / map_name(scene): Order.of(model, scene, alone, where) for scene in scenes}
    if len(orders) < len(scenes):
        raise ParamsError("two of the scenes have the same name", where=output, remedy="map them one by one")
    if manner.workers.runner is Runner.threads:
        return [_map_into(part) for part in orders.items()]
    with Progress("Mapping scenes", len(orders)) as bar:
        made = {}
        for told in share_out(manner.workers, _map_apart, list(orders.items())):
            made[told["map"]] = told
            bar.advance()
    return [made[str(folder)] for folder in orders]


def map_name(scene: Path) -> str:
    """``oman-year-0`` of that site's scene, the name of a raster."""
    return f"{scene.resolve().parent.parent.name}-{scene.stem}" if scene.suffix == ".json" else scene.stem


def _map_into(part: tuple[Path, Order]) -> dict[str, Any]:
    folder, order = part
    return map_one(order.model, order.scene, folder, order.manner, order.where)


def _map_apart(part: tuple[Path, Order]) -> dict[str, Any]:
    """Map a scene in a worker."""
    hush()
    return _map_into(part)


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


def _fill(order: Order, opened: Opened, journal: Journal) -> float:
    """Map what is left, under a progress bar of native pixels; gives the seconds that it took."""
    pixels = max(entry.fine for entry in opened.predictor.profile.inputs) ** 2
    done = sum(record.shape[1] * record.shape[2] for record in journal.records.values())
    start, fresh = perf_counter(), 0
    with Progress("Mapping", opened.scene.grid.height * opened.scene.grid.width * pixels) as bar:
        bar.advance(done * pixels)

        def advance(cells: int) -> None:
            nonlocal fresh
            fresh += cells * pixels
            bar.advance(cells * pixels, note=f"{fresh / (perf_counter() - start) / 1e6:.2f} Mpixels/s")

        _map_left(order, opened, journal, advance)
    return perf_counter() - start


def _map_left(order: Order, opened: Opened, journal: Journal, advance: Callable[[int], None]) -> None:
    """Map the blocks that the journal lacks: here, or by workers that send them."""
    manner, profile = order.manner, opened.predictor.profile
    how: dict[str, Any] = {"megabytes": manner.megabytes, "threads": manner.threads}
    if manner.workers.runner is Runner.threads:
        map_scene(opened.predictor, opened.scene, journal, probabilities=manner.probabilities, progress=advance, **how)
        return
    left = blocks_left(opened.scene, journal)
    windows = plan_windows(left, opened.scene, profile, **how, parts=SHARES * manner.workers.count)
    for records in share_out(manner.workers, partial(map_window, order, opened.plan), windows):
        for record in records:
            kept = journal.keep(record)
            advance(kept.shape[1] * kept.shape[2])


def map_window(order: Order, plan: str, blocks: list[Tile]) -> list[bytes]:
    """Map one window, in a worker; gives the records of its blocks for the journal.

    Raises
    ------
    WorkspaceError : what the worker has opened is not what ``plan`` was made of.
    """
    opened, records = _open_once(order, plan), list[bytes]()
    map_windows(
        opened.predictor,
        opened.scene,
        [blocks],
        lambda row, col, layers: records.append(packed(row, col, layers)),
        probabilities=order.manner.probabilities,
        threads=order.manner.threads,
        progress=lambda cells: None,
    )
    return records


@lru_cache(maxsize=1)
def _open_once(order: Order, plan: str) -> Opened:
    """A worker has one session for all the windows that it is sent."""
    opened = open_order(order)
    if opened.plan != plan:
        raise WorkspaceError(
            "a worker finds another model or scene there",
            where=f"{order.scene} on {node()}",
            remedy="give all workers the same folders under the same names",
        )
    return opened


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
