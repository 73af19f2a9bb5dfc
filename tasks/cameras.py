"""The fixed cameras of a site on one date: each picture mapped and estimated, and all of them together by area."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from outcrop.errors import DataError, SurveyError
from outcrop.field.carbon.estimates import SCREENING
from outcrop.field.carbon.fractions import read_confusion
from outcrop.field.carbon.mapped import Mapped, open_map
from outcrop.field.carbon.networks import Network, View, estimate_network
from outcrop.field.carbon.profiles import load_profile
from outcrop.field.exported import read_export
from outcrop.field.profiles import ModelProfile
from outcrop.field.rectified import check_camera_model, rectify, viewed_m2
from outcrop.record.digests import digest_bytes, digest_file
from outcrop.record.drafts import write_whole
from outcrop.survey.cameras import CameraEntry, find_images
from outcrop.survey.surveys import load_survey
from tasks.carbon import UNITS
from tasks.export import export_of
from tasks.map import map_one
from tasks.orders import Manner
from tasks.records import keep
from tasks.site_estimates import check_export, given_of, params_of
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Seen:
    """The cameras of a site on one date.

    Parameters
    ----------
    pictures : of that date, by camera
    missing : ground of the cameras without one, m2
    unknown : cameras without one of which nobody knows how much ground they show
    """

    day: date
    cameras: Mapping[str, CameraEntry]
    pictures: Mapping[str, Path]
    missing: Mapping[str, float]
    unknown: tuple[str, ...]


def cameras(
    workspace: Workspace, survey_file: Path, site: str, model: str, day: date | None, overrides: Mapping[str, Any]
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
    params = params_of(survey, params, site, overrides)
    given = given_of(params.monitor, [entry.name for entry in survey.classes])
    profile = load_profile(params.monitor.profile)
    seen = see(survey.sites[site].cameras, workspace.raw, day, site)
    folder = export_of(workspace, model, survey.survey)
    export = read_export(folder)
    check_export(export, survey.survey, folder)
    check_camera_model(export.profile, folder)
    assert export.confusion is not None  # it was checked
    place = workspace.root / "maps" / f"{survey.survey}-{site}-cameras" / seen.day.isoformat()
    views, records = _map_all(workspace, folder, export.profile, seen, place)
    confusion = read_confusion(export.confusion, folder)
    found = estimate_network(profile, given, confusion, views, list(seen.missing.values()), params.seed)
    told = {
        "screening": SCREENING,
        "survey": survey.survey,
        "site": site,
        "model": export.source.digest,
        "profile": profile.profile,
        "unit": UNITS[profile.quantity],
        "inputs": {name: one.model_dump() for name, one in given.quantities.items()},
        **_told(seen, found),
    }
    path = write_whole(place / "cameras.json", json.dumps(told, indent=1, allow_nan=False) + "\n", "estimate")
    record = keep(
        workspace,
        survey.survey,
        "cameras",
        site,
        digest_bytes(path.read_bytes()),
        inputs=records,
        evidence={path.name: path},
        facts={name: told[name] for name in ("screening", "date", "model", "unit", "missing", "seen", "whole")},
    )
    return {**told, "estimate": str(path), "record": record}


def see(cameras: Mapping[str, CameraEntry], raw: Path, day: date | None, site: str) -> Seen:
    """The pictures of a date, by default the last one.

    Raises
    ------
    DataError, SurveyError : there is none, or one of another date, which tells how much a camera shows, cannot be used.
    """
    found = {name: find_images(camera, raw) for name, camera in cameras.items()}
    chosen = day or max((each for dates in found.values() for each in dates), default=None)
    there = {name: dates[chosen] for name, dates in found.items() if chosen in dates} if chosen else {}
    if chosen is None or not there:
        of_day = f" of {day}" if day else ""
        raise DataError(f"no camera has a picture{of_day}", where=f"site {site}", remedy="check their `images`")
    missing, unknown = {}, []
    for name in cameras.keys() - there.keys():
        area = cameras[name].area_m2
        if area is None and not found[name]:
            unknown.append(name)
        else:
            missing[name] = area or viewed_m2(cameras[name], next(iter(found[name].values())))
    return Seen(chosen, cameras, there, dict(sorted(missing.items())), tuple(sorted(unknown)))


def _map_all(
    workspace: Workspace, export: Path, profile: ModelProfile, seen: Seen, place: Path
) -> tuple[dict[str, View], dict[str, str]]:
    """What every picture shows, and the records of the maps."""
    views, records, manner = {}, {}, Manner(threads=os.cpu_count() or 1)
    for name, picture in seen.pictures.items():
        raster = rectify(picture, seen.cameras[name], profile, place / f"{name}.tif")
        made = map_one(str(export), raster, place / name, manner, workspace.root)
        if made["record"]:
            records[f"map/{name}"] = made["record"]
        views[name] = _view(open_map(place / name), seen.cameras[name], profile)
    return views, records


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


def _told(seen: Seen, found: Network) -> dict[str, Any]:
    """As JSON."""
    each = {
        name: {
            "picture": picture.name,
            "sha256": digest_file(picture),
            "position": list(seen.cameras[name].position),
            **found.views[name].told(),
        }
        for name, picture in seen.pictures.items()
    }
    whole = {name: value for name, value in found.told().items() if name != "views"}
    return {
        "date": seen.day.isoformat(),
        "cameras": each,
        "missing": dict(seen.missing),
        "unaccounted": list(seen.unknown),
        **whole,
    }
