"""DVC: which bytes. The only module that reads or writes what DVC records."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from filelock import FileLock

from outcrop.errors import SiteError, WorkspaceError
from outcrop.params import Params
from outcrop.settings import read_yaml
from outcrop.survey.ingest import ingest_site
from outcrop.survey.remarks import site_remarks
from outcrop.survey.sites import MANIFEST, read_site
from outcrop.survey.surveys import Survey
from tasks.progress import Progress
from tasks.raw import Origin, fingerprint, raw_digests
from tasks.workspace import Workspace

Say = Callable[[str], None]


def ensure_sites(
    workspace: Workspace,
    survey: Survey,
    params: Params,
    say: Say = lambda line: None,
    only: Sequence[str] | None = None,
) -> dict[str, str]:
    """Ingest the sites whose raw files are new or changed, and give every site's DVC hash.

    Parameters
    ----------
    only : the sites that are meant; ``None``: all of the survey. A look at one site must not cost one at a thousand.

    Raises
    ------
    SiteError : a site without raw files is missing, or its files differ from what DVC recorded.
    """
    sites = list(survey.sites if only is None else only)
    _check_out(workspace, sites)
    for site in sites:
        if survey.sites[site].scenes:
            _ingest_if_changed(workspace, survey, site, params, say)
        elif not (workspace.sites / site).is_dir():
            raise SiteError(
                f"site {site} is not there and the survey names no raw files for it",
                where=workspace.sites / site,
                remedy="build it with `dvc repro`",
            )
    return site_hashes(workspace, sites)


def _check_out(workspace: Workspace, sites: list[str]) -> None:
    """Bring back sites that DVC knows but that are not in the folder: made anew, they would be split anew."""
    known = recorded_hashes(workspace)
    for site in sites:
        path = (workspace.sites / site).relative_to(workspace.root).as_posix()
        if path in known and not (workspace.root / path).exists():
            _dvc(workspace, "checkout", path)


def _ingest_if_changed(workspace: Workspace, survey: Survey, site: str, params: Params, say: Say) -> None:
    earlier = Origin.read(workspace, site)
    current = fingerprint(workspace.raw, survey, site, params)
    if (workspace.sites / site).is_dir() and earlier is not None and earlier.fingerprint == current:
        return
    ingest(workspace, survey, site, params, say)


def ingest(workspace: Workspace, survey: Survey, site: str, params: Params, say: Say = lambda line: None) -> str:
    """Ingest one site, put it under DVC, and give its DVC hash."""
    there = workspace.sites / site
    if there.is_dir() and (owner := read_site(there).survey) != survey.survey:
        raise SiteError(f"site {site} belongs to survey {owner}", where=there, remedy="rename one of the two sites")
    current = fingerprint(workspace.raw, survey, site, params)
    digests = raw_digests(survey, site, workspace.raw)
    with FileLock(workspace.state / "ingest.lock"):
        with Progress(f"Ingesting {site}", total=1) as progress:
            made = ingest_site(survey, site, params, workspace.raw, workspace.sites, progress.reach)
        for line in site_remarks(made):
            say(line)
        _dvc(workspace, "add", "--quiet", str(workspace.sites / site))
    made_as = site_hashes(workspace, [site])[site]
    Origin(current, made_as, digests).keep(workspace, site)
    return made_as


def site_hashes(workspace: Workspace, sites: list[str]) -> dict[str, str]:
    """The DVC hash of every site, after asking DVC that the files are what it recorded.

    Raises
    ------
    SiteError : a site is not under DVC, or its files were changed behind DVC's back.
    """
    recorded = recorded_hashes(workspace)
    paths = {site: (workspace.sites / site).relative_to(workspace.root).as_posix() for site in sites}
    for site, path in paths.items():
        if path not in recorded:
            raise SiteError(f"site {site} is not tracked by DVC", where=path, remedy="ingest it or run `dvc repro`")
    told = _dvc(workspace, "data", "status", "--json", "--granular", *paths.values())
    status = json.loads(told or "{}").get("uncommitted", {})
    touched = [str(path) for kind in ("modified", "added", "deleted") for path in status.get(kind, [])]
    for site, path in paths.items():
        if any(name.rstrip("/") == path or name.startswith(path + "/") for name in touched):
            raise SiteError(
                f"the files of site {site} differ from what DVC recorded",
                where=path,
                remedy=f"restore them with `dvc checkout {path}`, or accept them with `dvc commit {path}`",
            )
    return {site: recorded[path] for site, path in paths.items()}


class ByteStore:
    """What DVC keeps, by its MD5: the cache, and behind it the default remote if there is one.

    Nothing is written to either.
    """

    def __init__(self, workspace: Workspace) -> None:
        from dvc.repo import Repo

        repo = Repo(str(workspace.root))
        self._cache, self._remote = repo.cache.local, None
        if name := repo.config["core"].get("remote"):
            self._remote = repo.cloud.get_remote_odb(name)

    def find(self, md5: str, scratch: Path) -> Path | None:
        """The file with this MD5, fetched into the folder ``scratch`` if only the remote has it; None: nobody has it.

        That its content is what its name says is not checked.
        """
        cached = Path(self._cache.oid_to_path(md5))
        if cached.is_file():
            return cached
        if self._remote is None or not self._remote.exists(md5):
            return None
        fetched = scratch / md5
        self._remote.fs.get_file(self._remote.oid_to_path(md5), str(fetched))
        return fetched

    def listing(self, md5: str, scratch: Path) -> dict[str, str] | None:
        """MD5 by relative name of the files of a folder; None: the listing is missing or is not what its name says."""
        found = self.find(md5, scratch)
        if found is None or md5_of(found) != md5.removesuffix(".dir"):
            return None
        return {entry["relpath"]: entry["md5"] for entry in json.loads(found.read_bytes())}


def md5_of(path: Path) -> str:
    """MD5 of a file's bytes, by which DVC names it."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def tracked_files(workspace: Workspace, digest: str) -> dict[str, str]:
    """MD5 by relative name of a site's files, by the site's DVC hash.

    Raises
    ------
    WorkspaceError : DVC does not have the site's listing.
    """
    with TemporaryDirectory() as scratch:
        listing = ByteStore(workspace).listing(digest, Path(scratch))
    if listing is None:
        raise WorkspaceError("DVC's cache lacks a site's listing", where=digest, remedy="run `dvc fetch`")
    return listing


def list_sites(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Every site in the workspace: survey, DVC hash (None: untracked), scenes with their base grid, modalities."""
    recorded = recorded_hashes(workspace)
    rows = {}
    for manifest in sorted(workspace.sites.glob(f"[!.]*/{MANIFEST}")):
        site = read_site(manifest.parent)
        rows[site.name] = {
            "survey": site.survey,
            "dvc": recorded.get(manifest.parent.relative_to(workspace.root).as_posix()),
            "scenes": {scene.id: [scene.grid.height, scene.grid.width] for scene in site.scenes},
            "modalities": sorted(site.scenes[0].rasters),
        }
    return rows


def recorded_hashes(workspace: Workspace) -> dict[str, str]:
    """Hash of every output that the workspace's ``.dvc`` files and ``dvc.lock`` name, by path."""
    root = workspace.root
    found: dict[str, str] = {}
    for pointer in (root / "data").rglob("*.dvc"):
        for out in read_yaml(pointer, WorkspaceError).get("outs", []):
            found[(pointer.parent / out["path"]).relative_to(root).as_posix()] = out.get("md5", "")
    lock = root / "dvc.lock"
    if lock.is_file():
        for stage in read_yaml(lock, WorkspaceError).get("stages", {}).values():
            found |= {out["path"]: out.get("md5", "") for out in stage.get("outs", [])}
    return found


def _dvc(workspace: Workspace, *arguments: str) -> str:
    """Run DVC in a process of its own: its API is not safe for writing from several threads."""
    command = [sys.executable, "-m", "dvc", "--cd", str(workspace.root), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[0].removeprefix("ERROR: ")
        raise WorkspaceError(
            f"DVC failed: {reason}", where=f"dvc {arguments[0]}", remedy="run that command by itself to see more"
        )
    return done.stdout
