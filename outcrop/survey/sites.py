"""A site on disk, and reading it.

A site is a STAC Collection in ``data/sites/<site>/`` with one Item a scene and one Cloud-Optimized GeoTIFF a modality,
beside ``labels`` (uint8, index into the vocabulary, 255: none) and ``split`` (uint8, see `SPLITS`). `read_site` checks
all of it once, at the door; the code behind trusts what it returns.
"""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import numpy as np
from affine import Affine
from rasterio.errors import RasterioError

from outcrop.errors import SiteError, SurveyError
from outcrop.survey.geotiffs import grid_of, open_geotiff
from outcrop.survey.grids import Grid, Nesting, nest
from outcrop.survey.manifests import (
    RESTORE,
    AssetPart,
    CollectionPart,
    ItemPart,
    item_hrefs,
    read_manifest,
)

#: The STAC Collection in a site's folder.
MANIFEST = "collection.json"
NO_LABEL = 255
#: Values of the split raster. 0 is the buffer between blocks of two splits, or a cell that no split may use.
SPLITS = {"train": 1, "val": 2, "test": 3}


@dataclass(frozen=True)
class LabelClass:
    """One class of the vocabulary; ``value`` is its index there and the value in every label raster."""

    name: str
    value: int
    colour: str  # "#rrggbb"


@dataclass(frozen=True)
class Band:
    """One band: centre wavelength and full width at half maximum in micrometres, None where the band has none."""

    name: str
    centre_um: float | None = None
    fwhm_um: float | None = None


@dataclass(frozen=True)
class Raster:
    """One modality of one scene, at its native resolution.

    ``scale`` and ``offset`` turn stored numbers into ``unit``: value = stored * scale + offset. ``approximate``: the
    wavelengths are not the sensor's own. ``notes`` say what ingest did to the raw file beyond cutting it. ``legend`` is
    what the values of a raster of classes are shown as, where the file itself shall say so.
    """

    modality: str
    path: Path
    grid: Grid
    nesting: Nesting
    bands: tuple[Band, ...]
    unit: str
    dtype: str
    nodata: float | None
    scale: float = 1.0
    offset: float = 0.0
    derived_from: str | None = None
    approximate: bool = False
    notes: tuple[str, ...] = ()
    legend: tuple[LabelClass, ...] = ()


@dataclass(frozen=True)
class Scene:
    """One co-registered acquisition: rasters by modality, labels and split on the base grid."""

    id: str
    grid: Grid
    rasters: dict[str, Raster]
    labels: Path
    split: Path
    acquired: tuple[date, date] | None = None  # first and last day
    notes: tuple[str, ...] = ()  # what ingest decided about the labels
    serves: tuple[str, ...] = tuple(SPLITS)  # the splits that use it, see `outcrop.survey.roles`
    truth: dict[str, Raster] = field(default_factory=dict)  # what a simulated site knows of itself; no model sees it


@dataclass(frozen=True)
class Site:
    """One place: its scenes, the vocabulary its labels use, and the blocks by which its cells were split.

    ``block`` is the side of a block and ``buffer`` the gap between blocks of two splits, both in base cells.
    """

    name: str
    path: Path
    survey: str
    classes: tuple[LabelClass, ...]
    scenes: tuple[Scene, ...]
    block: int
    buffer: int


def read_site(path: Path) -> Site:
    """Read a site and check it: its manifests, that every file lies in its folder, every grid, labels and split.

    Raises
    ------
    SiteError : the first thing that is missing, damaged, or not what the manifest says.
    """
    if not path.is_dir():
        raise SiteError("there is no such site", where=path, remedy="ingest it, or fetch it with `dvc pull`")
    manifest = _inside(path, path / MANIFEST, path)
    collection = read_manifest(CollectionPart, manifest)
    items = [_inside(path, path / href, manifest) for href in item_hrefs(collection, manifest)]
    scenes, vocabularies = zip(*[_read_scene(path, item) for item in items], strict=True)
    if any(classes != vocabularies[0] for classes in vocabularies):
        raise SiteError("the scenes do not share one vocabulary", where=path, remedy=RESTORE)
    if len({scene.id for scene in scenes}) < len(scenes):
        raise SiteError("two scenes have the same id", where=path, remedy=RESTORE)
    return Site(collection.id, path, collection.survey, vocabularies[0], scenes, collection.block, collection.buffer)


def _read_scene(site: Path, manifest: Path) -> tuple[Scene, tuple[LabelClass, ...]]:
    item = read_manifest(ItemPart, manifest)
    paths = {key: _inside(site, manifest.parent / asset.href, manifest) for key, asset in item.assets.items()}
    crs = item.properties.code or item.properties.wkt
    grids = {key: _check_raster(paths[key], asset, crs) for key, asset in item.assets.items()}
    base = grids["labels"]
    rasters, truth = (
        {
            key: _raster(key, paths[key], asset, grids[key], base)
            for key, asset in item.assets.items()
            if role in asset.roles
        }
        for role in ("data", "truth")
    )
    classes = tuple(LabelClass(c.name, c.value, f"#{c.colour}") for c in item.assets["labels"].classes if not c.nodata)
    if not classes or [c.value for c in classes] != list(range(len(classes))):
        raise SiteError("the classes of the labels are not numbered from 0", where=manifest, remedy=RESTORE)
    _check_classes(paths["labels"], {c.value for c in classes} | {NO_LABEL})
    if grids["split"] != base:
        raise SiteError("the split is not on the grid of the labels", where=paths["split"], remedy=RESTORE)
    _check_classes(paths["split"], {0, *SPLITS.values()})
    notes = item.assets["labels"].notes
    acquired = _acquired(item, manifest)
    scene = Scene(item.id, base, rasters, paths["labels"], paths["split"], acquired, notes, truth=truth)
    return scene, classes


def _inside(site: Path, path: Path, manifest: Path) -> Path:
    """``path``, made sure to be a file that lies in the site's folder even when symbolic links are followed."""
    if not path.is_file():
        raise SiteError(f"the file `{path.name}` is missing", where=manifest, remedy=RESTORE)
    if not path.resolve().is_relative_to(site.resolve()):
        raise SiteError(f"the file `{path.name}` leads out of the site's folder", where=manifest, remedy=RESTORE)
    return path


def _check_raster(path: Path, asset: AssetPart, crs: str | None) -> Grid:
    try:
        with open_geotiff(path) as dataset:
            count, dtypes, grid = dataset.count, set(dataset.dtypes), grid_of(dataset)
    except RasterioError as cause:
        raise SiteError("the file is not a readable GeoTIFF", where=path, remedy=RESTORE) from cause
    if count != len(asset.bands):
        said = len(asset.bands)
        raise SiteError(f"the raster has {count} bands, its manifest says {said}", where=path, remedy=RESTORE)
    if dtypes != {asset.dtype}:
        found = "/".join(sorted(dtypes))
        raise SiteError(f"the raster holds {found}, its manifest says {asset.dtype}", where=path, remedy=RESTORE)
    same = grid.transform.almost_equals(Affine(*asset.transform[:6]), precision=1e-6)
    if (grid.height, grid.width) != asset.shape or not same or grid.crs != crs:
        raise SiteError("the raster's grid is not the one its manifest says", where=path, remedy=RESTORE)
    return grid


def _raster(modality: str, path: Path, asset: AssetPart, grid: Grid, base: Grid) -> Raster:
    try:
        nesting, row, col = nest(base, grid, path)
    except SurveyError as cause:
        raise SiteError("the raster does not nest in the grid of the labels", where=path, remedy=RESTORE) from cause
    expected = nesting.grid(base)
    if (row, col) != (0, 0) or (grid.height, grid.width) != (expected.height, expected.width):
        raise SiteError("the raster does not cover the grid of the labels exactly", where=path, remedy=RESTORE)
    bands = tuple(Band(band.name, band.centre_um, band.fwhm_um) for band in asset.bands)
    return Raster(
        modality,
        path,
        grid,
        nesting,
        bands,
        asset.unit,
        asset.dtype,
        asset.nodata,
        asset.scale,
        asset.offset,
        asset.derived_from,
        asset.approximate,
        asset.notes,
    )


def _check_classes(path: Path, allowed: set[int]) -> None:
    table = np.zeros(256, dtype=bool)
    table[list(allowed)] = True
    try:
        with open_geotiff(path) as dataset:
            if dataset.count != 1 or dataset.dtypes[0] != "uint8":
                raise SiteError("the raster must hold one band of uint8", where=path, remedy=RESTORE)
            for _, window in dataset.block_windows(1):
                values = dataset.read(1, window=window)
                if not table[values].all():
                    value = int(values[~table[values]][0])
                    raise SiteError(f"the value {value} is not in the vocabulary", where=path, remedy=RESTORE)
    except RasterioError as cause:
        raise SiteError("the raster cannot be read to its end", where=path, remedy=RESTORE) from cause


def _acquired(item: ItemPart, manifest: Path) -> tuple[date, date]:
    try:
        first, last = item.properties.start_datetime[:10], item.properties.end_datetime[:10]
        return date.fromisoformat(first), date.fromisoformat(last)
    except ValueError as cause:
        raise SiteError("the scene's date is not a date", where=manifest, remedy=RESTORE) from cause
