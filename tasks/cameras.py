"""The fixed cameras of a site on one date: each picture mapped and estimated, and all of them together by area."""

import json
import os
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from outcrop.errors import DataError, SurveyError
from outcrop.field.carbon.estimates import SCREENING
from outcrop.field.carbon.mapped import Mapped, open_map
from outcrop.field.carbon.networks import View, estimate_network
from outcrop.field.carbon.profiles import load_profile
from outcrop.field.exported import read_export
from outcrop.field.profiles import ModelProfile
from outcrop.field.rectified import check_camera_model, rectify, viewed_m2
from outcrop.record.digests import digest_bytes, digest_file
from outcrop.record.drafts import write_whole
from outcrop.survey.cameras import CameraEntry, find_images
from outcrop.survey.surveys import load_survey
from tasks.export import export_of
from tasks.map import Manner, map_one
from tasks.progress import Progress
from tasks.records import keep
from tasks.site_estimates import check_export, given_of
from tasks.workspace import Workspace

UNITS = {"capacity": "t CO2", "rate": "t CO2 a year"}


def cameras(
    workspace: Workspace,
    survey_file: Path,
    site: str,
    model: str,
    day: date | None,
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    """Estimate what the ground of a site's cameras could take up; gives what was written.

    Parameters
    ----------
    day : default: the last one of which any camera has a picture

    Raises
    ------
    OutcropError : survey, parameters, model or a picture cannot be used.
    """
    survey, params = load_survey(survey_file, workspace.params, overrides)
    if site not in survey.sites or not survey.sites[site].cameras:
        known = [name for name, entry in survey.sites.items() if entry.cameras]
        remedy = f"name one of {', '.join(known)}" if known else "list them under `cameras` of a site"
        raise SurveyError(f"the survey has no cameras at {site}", where=survey_file, remedy=remedy)
    given = given_of(params.monitor, [entry.name for entry in survey.classes])
    profile = load_profile(params.monitor.profile)
    known_cameras = survey.sites[site].cameras
    pictures = {name: find_images(camera, workspace.raw) for name, camera in known_cameras.items()}
    chosen = day or max((each for found in pictures.values() for each in found), default=None)
    there = {name: found[chosen] for name, found in pictures.items() if chosen in found}
    if chosen is None or not there:
        raise DataError(
            f"no camera has a picture{f' of {day}' if day else ''}", where=f"site {site}", remedy="check their `images`"
        )
    folder = export_of(workspace, model, survey.survey)
    export = read_export(folder)
    check_export(export, survey.survey, folder)
    check_camera_model(export.profile, folder)
    place = workspace.root / "maps" / f"{survey.survey}-{site}-cameras" / chosen.isoformat()
    maps = {}
    with Progress("Mapping pictures", len(there)) as bar:
        for name, picture in there.items():
            maps[name] = _map(workspace, folder, export.profile, picture, known_cameras[name], place / name)
            bar.advance(1, note=name)
    confusion = next(iter(maps.values())).confusion
    assert confusion is not None  # of an export that was checked
    views = {name: _view(each, known_cameras[name], export.profile) for name, each in maps.items()}
    missing, unknown = _missing(known_cameras, pictures, there)
    found = estimate_network(profile, given, confusion, views, list(missing.values()), params.seed)
    told = {
        "screening": SCREENING,
        "survey": survey.survey,
        "site": site,
        "date": chosen.isoformat(),
        "model": export.source.digest,
        "profile": profile.profile,
        "unit": UNITS[profile.quantity],
        "inputs": {name: one.model_dump() for name, one in given.quantities.items()},
        "cameras": {
            name: {
                "picture": picture.name,
                "sha256": digest_file(picture),
                "position": known_cameras[name].position,
                **found.views[name].told(),
            }
            for name, picture in there.items()
        },
        "missing": missing,
        "unaccounted": unknown,
        **{name: value for name, value in found.told().items() if name != "views"},
    }
    path = write_whole(place / "cameras.json", json.dumps(told, indent=1, allow_nan=False) + "\n", "estimate")
    record = keep(
        workspace,
        survey.survey,
        "cameras",
        site,
        digest_bytes(path.read_bytes()),
        evidence={path.name: path},
        facts={name: told[name] for name in ("screening", "date", "model", "unit", "missing", "seen", "whole")},
    )
    return {**told, "estimate": str(path), "record": record}


def _map(
    workspace: Workspace, export: Path, profile: ModelProfile, picture: Path, camera: CameraEntry, folder: Path
) -> Mapped:
    """Map a picture, from its raster on the ground."""
    raster = rectify(picture, camera, profile, folder.with_suffix(".tif"))
    map_one(str(export), raster, folder, Manner(threads=os.cpu_count() or 1), workspace.root)
    return open_map(folder)


def _view(mapped: Mapped, camera: CameraEntry, profile: ModelProfile) -> View:
    """What was mapped; without a homography, all cells show as much ground."""
    counts = mapped.count_all()
    if not counts.sum():
        raise DataError("no cell of the picture is mapped", where=mapped.folder, remedy="take a larger picture")
    if camera.area_m2 is not None:
        return View(counts, camera.area_m2 / float(counts.sum()))
    (entry,) = profile.inputs
    pixel_m = camera.gsd_m if entry.pixel_m is None else entry.pixel_m[0]
    return View(counts, (pixel_m * entry.fine / entry.coarse) ** 2)


def _missing(
    known: Mapping[str, CameraEntry], pictures: Mapping[str, Mapping[date, Path]], there: Mapping[str, Path]
) -> tuple[dict[str, float], list[str]]:
    """Ground of the cameras without a picture, and those of which it is not known how much they show."""
    missing, unknown = {}, []
    for name in known:
        if name in there:
            continue
        other = next(iter(pictures[name].values()), None)
        area = known[name].area_m2 or (viewed_m2(known[name], other) if other else None)
        if area is None:
            unknown.append(name)
        else:
            missing[name] = area
    return missing, unknown
