"""The parts of monitoring a site: its model's export, maps, the estimate, change, drift, and the age of the labels.

Each is a Prefect task. None is cached by Prefect: a map that is whole is known by its record, and the rest takes
seconds.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray

from outcrop.errors import DataError, WorkspaceError
from outcrop.field.carbon.uptake import Given
from outcrop.field.change import detect_change
from outcrop.field.drift import Measured
from outcrop.field.exported import Export, read_export
from outcrop.field.products import ITEM
from outcrop.field.watched import Usual, examine_scene
from outcrop.record.digests import digest_folder, digest_value
from outcrop.survey.sites import Scene, Site, read_site
from outcrop.upkeep import Monitor
from tasks import carbon as carbons
from tasks.data import tracked_files
from tasks.dates import Kept
from tasks.export import export_of
from tasks.map import map_one
from tasks.orders import Manner
from tasks.records import archive_of
from tasks.steps import uncached
from tasks.workspace import Workspace

STRANGE, CLASSES = "unfamiliar.tif", "class.tif"


@dataclass(frozen=True)
class Charted:
    """A map: its folder, and its record if its model is known here."""

    folder: Path
    record: str | None


ensure_export = uncached("export")(export_of)


@uncached("map")
def chart(workspace: Workspace, survey: str, site: str, scene: Scene, export: Path, files: str) -> Charted:
    """Map a scene below ``maps/``, or find the map: it counts if its bytes are those that were recorded.

    Parameters
    ----------
    files : digest of the scene's files
    """
    model = read_export(export).source.digest
    folder = workspace.root / "maps" / f"{survey}-{site}" / f"{scene.id}-{digest_value([files, model])[:8]}"
    if (folder / ITEM).is_file() and (found := archive_of(workspace).find(digest_folder(folder), "map")):
        return Charted(folder, found)
    item = scene.labels.parent / f"{scene.id}.json"
    made = map_one(str(export), item, folder, Manner(threads=os.cpu_count() or 1), workspace.root)
    return Charted(folder, made["record"])


@uncached("carbon")
def estimate(workspace: Workspace, charted: Charted, params: Monitor, given: Given, output: Path) -> dict[str, Any]:
    """The estimate of the whole map; see `tasks.carbon`."""
    return carbons.carbon(charted.folder, carbons.Asked(params.profile, given), output, workspace.root)


@uncached("change")
def change(
    now: Charted, then: Charted | None, classes: Sequence[str], params: Monitor, side: int, seed: int, dates: int
) -> dict[str, Any]:
    """Whether feedstock turned into products between two maps of one model; or the ``reason`` why it cannot be told.

    Parameters
    ----------
    then : the map of the date before; None where there is none
    dates : that were recorded before
    """
    if then is None:
        return {"reason": "the scene of the date before is gone" if dates else "this is the first date"}
    if not params.feedstock or not params.products:
        return {"reason": "it is not said what turns into what: name `monitor.feedstock` and `monitor.products`"}
    places = {name: value for value, name in enumerate(classes)}
    feedstock, products = ([places[name] for name in names] for names in (params.feedstock, params.products))
    before, after = (read_codes(each.folder / CLASSES) for each in (then, now))
    try:
        found = detect_change(before, after, feedstock, products, side=side, seed=seed, alpha=params.level)
    except DataError as error:
        return {"reason": str(error)}
    return dict(vars(found))


@uncached("drift")
def examine(
    site: Site, scene: Scene, accepted: Sequence[Scene], charted: Charted, export: Export, params: Monitor, seed: int
) -> dict[str, Any]:
    """What has drifted, as JSON; see `outcrop.field.watched`."""
    strange = charted.folder / STRANGE
    found = examine_scene(
        scene,
        accepted,
        [entry.name for entry in export.profile.inputs],
        read_codes(strange) if strange.is_file() else None,
        Usual(Measured(params.gain, params.shift_nm, params.new), params.unfamiliar, params.level),
        side=site.block,
        cells=params.cells,
        seed=seed,
    )
    return found.told()


def read_codes(path: Path) -> NDArray[np.uint8]:
    """The values (H, W) of a raster of classes."""
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read(1), dtype=np.uint8)


def learnt_scenes(workspace: Workspace, export: Export) -> dict[str, list[Scene]] | None:
    """The scenes that a model learnt from, by site: those that its sites held then. None: not known here."""
    found = {}
    for name in export.source.trained_on:
        if name not in export.source.data or not (workspace.sites / name).is_dir():
            return None
        try:
            files = tracked_files(workspace, export.source.data[name])
        except WorkspaceError:
            return None
        site = read_site(workspace.sites / name)
        found[name] = [each for each in site.scenes if each.labels.relative_to(site.path).as_posix() in files]
    return found


def accepted_scenes(
    site: Site, scene: Scene, past: Sequence[Kept], learnt: Mapping[str, Sequence[Scene]] | None
) -> list[Scene]:
    """Earlier scenes whose radiometry can be trusted: recorded without drift of the sensor, or learnt from."""
    sound = {each.facts["scene"] for each in past if "sensor" not in each.facts["drift"]["kind"]}
    sound |= {each.id for each in (learnt or {}).get(site.name, ())}
    day = acquired(scene)
    return [each for each in site.scenes if each.id != scene.id and acquired(each) <= day and each.id in sound]


def age_of_labels(scene: Scene, learnt: Mapping[str, Sequence[Scene]] | None, days: int) -> dict[str, Any]:
    """By how many days a scene is younger than the last labelled scene that the model learnt from.

    ``days`` is None where it is not known which those are; such labels do not expire.
    """
    dates = [acquired(each) for scenes in (learnt or {}).values() for each in scenes]
    if not dates:
        return {"date": None, "days": None, "expired": False}
    age = (acquired(scene) - max(dates)).days
    return {"date": max(dates).isoformat(), "days": age, "expired": age > days}


def newest(site: Site) -> Scene:
    """The scene of the last date; of one date, the last by name."""
    return max(site.scenes, key=lambda scene: (acquired(scene), scene.id))


def acquired(scene: Scene) -> Any:
    """The last day of a scene's acquisition."""
    assert scene.acquired is not None  # `read_site` refuses a scene without
    return scene.acquired[1]


def facts_of(
    site: Site, scene: Scene, estimated: Mapping[str, Any], found: Mapping[str, Any], export: Export
) -> dict[str, Any]:
    """What is recorded of a date.

    Parameters
    ----------
    found : ``change``, ``drift`` and ``labels``
    """
    whole = estimated["regions"][carbons.WHOLE]
    return {
        "screening": estimated["screening"],
        "site": site.name,
        "scene": scene.id,
        "acquired": acquired(scene).isoformat(),
        "model": export.source.digest,
        "called": export.source.uri or export.source.model,
        "profile": estimated["profile"]["profile"],
        **{name: estimated[name] for name in ("pathway", "unit", "years", "feedstock", "inputs")},
        **{name: whole[name] for name in ("gross", "net", "naive", "area_m2", "areas", "mapped", "variance")},
        **found,
    }
