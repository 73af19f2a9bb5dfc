"""What the field commands record: exports and maps. Maps are made without any workflow tool, so none is imported."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from outcrop.errors import DataError
from outcrop.record.archives import Archive
from outcrop.record.digests import digest_file, digest_folder
from tasks.records import archive_of, keep
from tasks.workspace import Workspace


def keep_export(workspace: Workspace, survey: str, model: str, record: str, folder: Path) -> str:
    """Record an export of a recorded model: its graphs, manifest and card, where they were written."""
    files = {path.name: path for path in sorted(folder.iterdir())}
    return keep(workspace, survey, "export", model, digest_folder(folder), inputs={"model": record}, files=files)


def keep_map(workspace: Workspace, model: str, scene: Path, folder: Path, facts: Mapping[str, Any]) -> str | None:
    """Record a map by the model's digest and the scene's item; None where the model was not recorded here."""
    archive = archive_of(workspace)
    known = _model(archive, model) if archive.exists else None
    if known is None:
        return None
    record, survey = known
    inputs = {"model": record} | ({"scene": found} if (found := _dataset(archive, workspace, scene)) else {})
    files = {path.name: path for path in sorted(folder.iterdir())}
    name = f"{scene.stem} to {folder.name}"
    return keep(workspace, survey, "map", name, digest_folder(folder), inputs=inputs, files=files, facts=dict(facts))


def check_scene(workspace: Workspace, scene: Path, rasters: Sequence[Path]) -> None:
    """Whether the rasters of a scene of the workspace are those that were recorded; of others nothing is known.

    Each is read once, for its SHA-256: a plain GeoTIFF does not tell a damaged block that still decodes.

    Raises
    ------
    DataError : one is not.
    """
    archive = archive_of(workspace)
    record = _dataset(archive, workspace, scene) if archive.exists else None
    if record is None:
        return
    known, root = {file.path: file.sha256 for file in archive.read(record).files.values()}, workspace.root.resolve()
    for raster in (path.resolve() for path in rasters):
        name = raster.relative_to(root).as_posix() if raster.is_relative_to(root) else ""
        if name in known and digest_file(raster) != known[name]:
            raise DataError("the raster is not the one that was recorded", where=raster, remedy="restore the file")


def _model(archive: Archive, digest: str) -> tuple[str, str] | None:
    """The last record of a model with this digest, and its survey."""
    found = None
    for entry, record in archive.of_kind("model"):
        if record.made and record.made.digests.get("model") == digest:
            found = entry.record, record.survey
    return found


def _dataset(archive: Archive, workspace: Workspace, scene: Path) -> str | None:
    """The last record of a site that holds this very item of a scene."""
    if not scene.resolve().is_relative_to(workspace.root.resolve()):
        return None
    path, found = scene.resolve().relative_to(workspace.root.resolve()).as_posix(), None
    digest = digest_file(scene)
    for entry, record in archive.of_kind("dataset"):
        if any((file.path, file.sha256) == (path, digest) for file in record.files.values()):
            found = entry.record
    return found
