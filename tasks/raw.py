"""Raw files: which ones a site is made from, what they were when it was made, and what that says of its origin."""

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from outcrop.params import Params
from outcrop.record.digests import digest_file, digest_value
from outcrop.record.provenance import code_digest
from outcrop.survey.raw.scenes import expand_scenes
from outcrop.survey.surveys import Survey
from tasks.workspace import Workspace


@dataclass(frozen=True)
class Origin:
    """What a site was made from when it got the hash ``dvc``.

    Parameters
    ----------
    fingerprint : see `fingerprint`; as long as it stays, the site need not be made again
    raw : SHA-256 of every raw file, by its path relative to the folder of raw files
    """

    fingerprint: str
    dvc: str
    raw: dict[str, str]

    @classmethod
    def read(cls, workspace: Workspace, site: str) -> "Origin | None":
        """What was kept of a site; None where it came with a clone, or from an earlier version."""
        with suppress(OSError, ValueError, TypeError):
            return cls(**json.loads(_place(workspace, site).read_text(encoding="utf-8")))
        return None

    def keep(self, workspace: Workspace, site: str) -> None:
        """Keep it for the next time."""
        path = _place(workspace, site)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def _place(workspace: Workspace, site: str) -> Path:
    return workspace.state / "ingested" / f"{site}.json"


def raw_files(survey: Survey, site: str, raw: Path) -> list[str]:
    """Paths of a site's raw files, relative to ``raw``: those that the survey names, and what belongs to them.

    An ENVI header stands for the cube beside it, a Shapefile for its tables, a raster may have a world file: the file
    of the same name with another ending, or with one more.
    """
    scenes = expand_scenes(survey.sites[site].scenes, raw, site)
    named = {path for scene in scenes.values() for path in scene.paths()}
    found = set(named)
    for folder, stems in _stems(named).items():
        for path in (raw / folder).glob("*"):
            if path.is_file() and any(path.name == stem or path.name.startswith(f"{stem}.") for stem in stems):
                found.add(path.relative_to(raw).as_posix())
    return sorted(found)


def _stems(paths: set[str]) -> dict[Path, set[str]]:
    """Names without ending, by folder."""
    found: dict[Path, set[str]] = {}
    for path in map(Path, paths):
        found.setdefault(path.parent, set()).add(path.stem)
    return found


def raw_digests(survey: Survey, site: str, raw: Path) -> dict[str, str]:
    """SHA-256 of a site's raw files, by path; one that cannot be read is left out: ingest says so if it needs it."""
    files = ((path, raw / path) for path in raw_files(survey, site, raw))
    return {path: digest_file(file) for path, file in files if file.is_file() and os.access(file, os.R_OK)}


def fingerprint(raw: Path, survey: Survey, site: str, params: Params) -> str:
    """What a site is made from: raw files by name, size and time, its part of the survey, and the split's parameters.

    The seed is not among them: it decides where blocks go only once. Content is not hashed here: a touched file is
    ingested again, which gives the same bytes and the same DVC hash.
    """
    stamps = [[path, *_stamp(raw / path)] for path in raw_files(survey, site, raw)]
    described = survey.model_dump(mode="json", include={"classes", "modalities", "mapping"})
    split = {"split": params.dump()["split"], "footprint": params.footprint}
    entry, code = survey.sites[site].model_dump(mode="json"), code_digest("outcrop.survey.ingest")
    return digest_value([stamps, described, entry, split, code])


def _stamp(path: Path) -> tuple[int, ...]:
    if not path.is_file():
        return ()
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
