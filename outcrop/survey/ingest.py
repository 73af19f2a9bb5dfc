"""Ingest: a survey's raw files in, a site out, whole or not at all."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.survey.catalogues import write_site
from outcrop.survey.declarations import derivation_order
from outcrop.survey.derive import lay_derived
from outcrop.survey.entries import SceneEntry
from outcrop.survey.rasters import class_raster, write_cog
from outcrop.survey.raw.labels import lay_labels
from outcrop.survey.raw.layers import lay_over
from outcrop.survey.raw.pointclouds import is_point_cloud, lay_points
from outcrop.survey.raw.scenes import expand_scenes
from outcrop.survey.raw.sources import inspect
from outcrop.survey.sites import NO_LABEL, LabelClass, Scene, Site, read_site
from outcrop.survey.splits import write_splits
from outcrop.survey.staging import staged
from outcrop.survey.surveys import SiteEntry, Survey

#: Told how many of how many steps are done, and which was the last.
Progress = Callable[[int, int, str], None]


def ingest_site(
    survey: Survey,
    site: str,
    params: Params,
    raw: Path,
    destination: Path,
    progress: Progress = lambda done, total, step: None,
) -> Site:
    """Write ``destination/site`` from the survey's raw files; an earlier site of that name is replaced.

    Rasters keep their resolution and are cut to the base grid, which is that of the labels; several scenes are written
    side by side. Blocks of a scene that was there before keep their split.

    Parameters
    ----------
    raw : folder that the survey's paths are relative to

    Raises
    ------
    SurveyError, DataError : the raw files do not fit the survey or each other; nothing is written.
    SiteError : the earlier site is damaged, so that its splits are not known.
    WorkspaceError : the destination cannot be written; nothing is left there.
    """
    entries = expand_scenes(_site_entry(survey, site).scenes, raw, site)
    with staged(destination, site) as folder:
        earlier = read_site(destination / site) if (destination / site).exists() else None
        writers = [_SceneWriter(id_, entry, survey, raw, folder / id_) for id_, entry in entries.items()]
        total = 2 + sum(writer.steps for writer in writers)
        steps = Steps(total, progress)
        draft = draft_site(folder, site, _write_all(writers, steps), survey, params)
        write_splits(draft, params, split_shares(survey, site, params), earlier)
        steps.done("split into blocks")
        write_site(draft, survey)
        read_site(folder)
        steps.done("checked")
    return read_site(destination / site)


class Steps:
    """Counts the steps that are done, in whatever thread; ``already`` of them when it begins."""

    def __init__(self, total: int, progress: Progress, already: int = 0) -> None:
        self.total, self.progress = total, progress
        self.count, self.lock = already, Lock()

    def done(self, step: str) -> None:
        """One more step is done."""
        with self.lock:
            self.count += 1
            self.progress(self.count, self.total, step)


def _write_all(writers: Sequence["_SceneWriter"], steps: Steps) -> list[Scene]:
    """Write the scenes in threads: decoding and compressing leave Python to itself."""
    with ThreadPoolExecutor(max_workers=min(len(writers), os.cpu_count() or 1)) as pool:
        futures = [pool.submit(writer.write, steps) for writer in writers]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def draft_site(folder: Path, name: str, scenes: list[Scene], survey: Survey, params: Params) -> Site:
    """A site whose modalities and labels lie in ``folder``, but not yet its splits and manifests."""
    classes = tuple(LabelClass(c.name, value, c.colour) for value, c in enumerate(survey.classes))
    split = params.split
    return Site(name, folder, survey.survey, classes, tuple(scenes), split.block, split.buffer)


def split_shares(survey: Survey, site: str, params: Params) -> dict[str, float]:
    """Share of the cells by split: the site's own, else the survey's."""
    own = survey.sites[site].split
    return params.split.fractions.model_dump() if own is None else {str(split): share for split, share in own.items()}


def _site_entry(survey: Survey, site: str) -> SiteEntry:
    if site not in survey.sites:
        known = ", ".join(sorted(survey.sites))
        raise SurveyError(f"the survey `{survey.survey}` has no site `{site}`, only {known}", remedy="choose one")
    entry = survey.sites[site]
    if not entry.scenes:
        raise SurveyError(
            f"the site `{site}` of the survey `{survey.survey}` has no raw files to ingest",
            remedy="build it with `dvc repro`, or list its scenes in the survey",
        )
    return entry


class _SceneWriter:
    """One scene on its way into a site. All its raw files are checked before anything is read in full.

    Derived modalities come after those that they are read from.
    """

    def __init__(self, id_: str, entry: SceneEntry, survey: Survey, raw: Path, folder: Path) -> None:
        self.id, self.entry, self.survey, self.folder = id_, entry, survey, folder
        sources = {name: inspect(raw, files) for name, files in entry.rasters.items() if not is_point_cloud(files)}
        self.labels = lay_labels(entry, sources, survey, raw)
        self.layers = [
            lay_over(sources[modality], self.labels.base, modality, survey, folder / f"{modality}.tif")
            if modality in sources
            else lay_points(files, self.labels.base, modality, survey, raw, folder / f"{modality}.tif")
            for modality, files in entry.rasters.items()
        ]
        rasters = {layer.raster.modality: layer.raster for layer in self.layers}
        for modality, derived in derivation_order(survey):
            if derived.from_ in rasters:
                layer = lay_derived(rasters[derived.from_], modality, survey, folder / f"{modality}.tif")
                rasters[modality] = layer.raster
                self.layers.append(layer)
        self.steps = 1 + len(self.layers)

    def write(self, steps: Steps) -> Scene:
        self.folder.mkdir()
        grid = self.labels.base.grid
        labels = class_raster("labels", self.folder / "labels.tif", grid, NO_LABEL)
        write_cog(labels, self.labels.contents())
        steps.done(f"{self.id}, labels")
        rasters = {}
        for layer in self.layers:
            write_cog(layer.raster, layer.contents())
            rasters[layer.raster.modality] = layer.raster
            steps.done(f"{self.id}, {layer.raster.modality}")
        acquired = self.entry.acquired
        days = acquired if isinstance(acquired, tuple) else (acquired, acquired)
        return Scene(self.id, grid, rasters, labels.path, self.folder / "split.tif", days, self.labels.notes)
