"""Scenes by pattern: one entry of a survey file for every set of raw files whose names differ in one place.

In an entry whose name and paths hold a ``*``, it stands for the scene key: ``plot-*`` with ``RGB/MLBS_*.tif`` and
``HSI/MLBS_*.tif`` is one scene for each key for which both files are there.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from outcrop.errors import SurveyError
from outcrop.survey.entries import SceneEntry
from outcrop.survey.surveys import DATA_VARIABLE


def expand_scenes(entries: Mapping[str, SceneEntry], raw: Path, site: str) -> dict[str, SceneEntry]:
    """Every scene of a site, by id, in the order of their ids where a pattern gives several.

    Raises
    ------
    SurveyError : a pattern matches nothing, lacks a file of some scene, or gives an id twice.
    """
    scenes: dict[str, SceneEntry] = {}
    for name, entry in entries.items():
        for id_, scene in _matches(name, entry, raw, f"sites.{site}.{name}").items():
            if id_ in scenes:
                raise SurveyError(
                    f"the scene `{id_}` occurs twice",
                    where=f"sites.{site}.scenes",
                    remedy="rename the pattern or files",
                )
            scenes[id_] = scene
    return scenes


def _matches(name: str, entry: SceneEntry, raw: Path, where: str) -> dict[str, SceneEntry]:
    patterns = [path for path in entry.paths() if "*" in path]
    if ("*" in name) != bool(patterns):
        lacks = "no path does" if "*" in name else "its name does not"
        raise SurveyError(f"a `*` stands for the scene key, but {lacks}", where=where, remedy="write it in both")
    if not patterns:
        return {name: entry}
    keys = {pattern: _keys(pattern, raw) for pattern in patterns}
    every = sorted(set().union(*keys.values()))
    if not every:
        raise SurveyError(f"no file matches {patterns[0]}", where=raw, remedy=f"check the pattern and {DATA_VARIABLE}")
    scenes: dict[str, SceneEntry] = {}
    for key in every:
        missing = [pattern for pattern in patterns if key not in keys[pattern]]
        if missing:
            path = missing[0].replace("*", key)
            raise SurveyError(
                f"the scene of key `{key}` has no {path}",
                where=raw,
                remedy="add the file, or take the key's others out",
            )
        id_ = name.replace("*", re.sub(r"[^a-z0-9_-]+", "-", key.lower()))
        if id_ in scenes:
            raise SurveyError(
                f"two keys give the scene `{id_}`, one of them `{key}`", where=where, remedy="rename the files"
            )
        scenes[id_] = SceneEntry.model_validate(_with_key(entry.model_dump(), key))
    return scenes


def _keys(pattern: str, raw: Path) -> set[str]:
    """What the ``*`` of a pattern stands for in the names of the files that there are."""
    before, after = map(re.escape, pattern.split("*"))
    found = (re.fullmatch(f"{before}([^/]+){after}", path.relative_to(raw).as_posix()) for path in raw.glob(pattern))
    return {match[1] for match in found if match}


def _with_key(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _with_key(inner, key) for name, inner in value.items()}
    if isinstance(value, list | tuple) and any(isinstance(inner, str) for inner in value):
        return [_with_key(inner, key) for inner in value]
    return value.replace("*", key) if isinstance(value, str) else value
