"""Ingest: raw GeoTIFFs and a raster of labels in, a site out, whole or not at all."""

from collections.abc import Callable
from pathlib import Path

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.survey.catalogues import write_site
from outcrop.survey.declarations import derivation_order
from outcrop.survey.derive import write_derived
from outcrop.survey.entries import SceneEntry
from outcrop.survey.labels import LabelLayer, lay_labels
from outcrop.survey.layers import Layer, lay_over
from outcrop.survey.pointclouds import is_point_cloud, lay_points
from outcrop.survey.rasters import class_raster, write_cog
from outcrop.survey.sites import NO_LABEL, LabelClass, Scene, Site, read_site
from outcrop.survey.sources import inspect
from outcrop.survey.splits import write_splits
from outcrop.survey.staging import staged
from outcrop.survey.surveys import SiteEntry, Survey

Progress = Callable[[str], None]


def _silent(_: str) -> None:
    pass


def ingest_site(
    survey: Survey, site: str, params: Params, raw: Path, destination: Path, progress: Progress = _silent
) -> Site:
    """Write ``destination/site`` from the survey's raw files; an earlier site of that name is replaced.

    Rasters keep their resolution and are cut to the grid of the labels. Blocks of a scene that was there before keep
    their split.

    Parameters
    ----------
    raw : folder that the survey's paths are relative to
    progress : called with a line of text before each long step

    Raises
    ------
    SurveyError, DataError : the raw files do not fit the survey or each other; nothing is written.
    SiteError : the earlier site is damaged, so that its splits are not known.
    WorkspaceError : the destination cannot be written; nothing is left there.
    """
    entry = _site_entry(survey, site)
    with staged(destination, site) as folder:
        earlier = read_site(destination / site) if (destination / site).exists() else None
        layers = {id_: _lay_out(scene, survey, raw, folder / id_) for id_, scene in entry.scenes.items()}
        scenes = [
            _write_scene(id_, *layers[id_], entry.scenes[id_], survey, lambda line: progress(f"ingest {site}, {line}"))
            for id_ in layers
        ]
        draft = draft_site(folder, site, scenes, survey, params)
        progress(f"ingest {site}, split into blocks")
        write_splits(draft, params, split_shares(survey, site, params), earlier)
        write_site(draft, survey)
        read_site(folder)
    return read_site(destination / site)


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


def _lay_out(entry: SceneEntry, survey: Survey, raw: Path, folder: Path) -> tuple[LabelLayer, list[Layer]]:
    """Check all raw files of a scene before anything is read in full."""
    sources = {name: inspect(raw, files) for name, files in entry.rasters.items() if not is_point_cloud(files)}
    labels = lay_labels(entry, sources, survey, raw)
    layers = []
    for modality, files in entry.rasters.items():
        target = folder / f"{modality}.tif"
        if modality in sources:
            layers.append(lay_over(sources[modality], labels.base, modality, survey, target))
        else:
            layers.append(lay_points(files, labels.base, modality, survey, raw, target))
    return labels, layers


def _write_scene(
    id_: str, labels: LabelLayer, layers: list[Layer], entry: SceneEntry, survey: Survey, progress: Progress
) -> Scene:
    folder = layers[0].raster.path.parent
    folder.mkdir()
    progress(f"{id_}, labels")
    grid = labels.base.grid
    raster = class_raster("labels", folder / "labels.tif", grid, NO_LABEL)
    write_cog(raster, labels.contents(), classes=True)
    rasters = {}
    for layer in layers:
        progress(f"{id_}, {layer.raster.modality}")
        write_cog(layer.raster, layer.contents())
        rasters[layer.raster.modality] = layer.raster
    for modality, derived in derivation_order(survey):
        if derived.from_ in rasters:
            progress(f"{id_}, {modality}")
            rasters[modality] = write_derived(rasters[derived.from_], modality, survey, folder / f"{modality}.tif")
    acquired = entry.acquired if isinstance(entry.acquired, tuple) else (entry.acquired, entry.acquired)
    return Scene(id_, grid, rasters, raster.path, folder / "split.tif", acquired, labels.notes)
