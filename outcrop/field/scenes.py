"""Opening the scene that is to be mapped: a STAC item of a site, or one raster that holds a model's only modality."""

from dataclasses import dataclass
from pathlib import Path

from affine import Affine
from rasterio.errors import RasterioError

from outcrop.errors import DataError, SiteError, SurveyError
from outcrop.field.profiles import ModalityProfile, ModelProfile, pixel_metres
from outcrop.survey.geotiffs import grid_of, open_geotiff
from outcrop.survey.grids import Grid, Nesting, nest
from outcrop.survey.manifests import AssetPart, SceneItem, read_manifest
from outcrop.survey.sites import Band, Raster

#: Share by which the size of pixels may differ from what the model was trained with.
SIZE_TOLERANCE = 0.1


@dataclass(frozen=True)
class MapScene:
    """The base grid of the map, and the rasters that the model asks for, by modality.

    A raster's grid may begin before the base grid or after it: ``origins`` are the native row and column that hold the
    base grid's first corner.
    """

    name: str
    grid: Grid
    rasters: dict[str, Raster]
    origins: dict[str, tuple[int, int]]
    when: tuple[str, str] | None = None


def open_scene(path: Path, profile: ModelProfile) -> MapScene:
    """Open a scene for a model.

    Raises
    ------
    DataError : it lacks what the model needs, or shows it by other bands or at another resolution.
    SiteError : a file is missing or damaged.
    """
    if path.suffix.lower() in (".json", ".geojson"):
        return _from_item(path, profile)
    return _from_raster(path, profile)


def _from_item(path: Path, profile: ModelProfile) -> MapScene:
    item = read_manifest(SceneItem, path)
    lacking = [entry.name for entry in profile.inputs if entry.name not in item.assets]
    if lacking:
        raise DataError(
            f"the scene has no {lacking[0]}, which the model needs", where=path, remedy="take another model"
        )
    rasters = {}
    for entry in profile.inputs:
        asset = item.assets[entry.name]
        rasters[entry.name] = _of_asset(path.parent / asset.href, asset, entry)
    when = (item.properties.start_datetime, item.properties.end_datetime)
    return _on_one_grid(item.id, rasters, profile, when)


def _of_asset(path: Path, asset: AssetPart, entry: ModalityProfile) -> Raster:
    bands = tuple(Band(band.name, band.centre_um, band.fwhm_um) for band in asset.bands)
    grid = _read_grid(path, len(bands))
    return Raster(
        entry.name, path, grid, Nesting(), bands, asset.unit, asset.dtype, asset.nodata, asset.scale, asset.offset
    )


def _from_raster(path: Path, profile: ModelProfile) -> MapScene:
    (entry,) = profile.inputs
    grid = _read_grid(path, len(entry.bands))
    with open_geotiff(path) as dataset:
        bands = tuple(Band(band.name, band.centre_um, band.fwhm_um) for band in entry.bands)
        scale, offset = dataset.scales[0], dataset.offsets[0]
        raster = Raster(
            entry.name, path, grid, Nesting(), bands, entry.unit, dataset.dtypes[0], dataset.nodata, scale, offset
        )
    return _on_one_grid(path.stem, {entry.name: raster}, profile, None)


def _read_grid(path: Path, bands: int) -> Grid:
    try:
        with open_geotiff(path) as dataset:
            if dataset.count != bands:
                raise DataError(f"the raster has {dataset.count} bands, the model needs {bands}", where=path)
            return grid_of(dataset)
    except RasterioError as cause:
        raise SiteError("the file is not a readable GeoTIFF", where=path, remedy="check the path") from cause


def _on_one_grid(
    name: str, rasters: dict[str, Raster], profile: ModelProfile, when: tuple[str, str] | None
) -> MapScene:
    first = min(profile.inputs, key=lambda entry: entry.coarse)
    base = _base_grid(rasters[first.name].grid, first)
    placed, origins = {}, {}
    for entry in profile.inputs:
        raster = rasters[entry.name]
        try:
            nesting, row, col = nest(base, raster.grid, raster.path)
        except SurveyError as cause:
            raise DataError(f"the scene's {entry.name} does not nest in its {first.name}", where=raster.path) from cause
        if (nesting.fine, nesting.coarse) != (entry.fine, entry.coarse):
            raise DataError(f"the scene's {entry.name} has another resolution", where=raster.path)
        placed[entry.name] = Raster(**{**vars(raster), "nesting": nesting})
        origins[entry.name] = (row, col)
    return MapScene(name, base, placed, origins, when)


def _base_grid(native: Grid, entry: ModalityProfile) -> Grid:
    """The base grid that a modality nests in, as far as the modality reaches."""
    transform = native.transform @ Affine.scale(entry.fine / entry.coarse)
    height, width = (side * entry.coarse // entry.fine for side in (native.height, native.width))
    return Grid(height, width, transform, native.crs)
