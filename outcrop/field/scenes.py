"""Opening the scene that is to be mapped: a STAC item of a site, or one GeoTIFF that holds a model's only modality.

Here, at the door, the scene is compared with what the model was trained on. Bands are taken by their names, in whatever
order they lie. What shows the ground by other wavelengths, in another unit or at another resolution is refused: it is
not resampled, for a resampled image is not one of that camera either.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from affine import Affine
from rasterio.errors import RasterioError

from outcrop.errors import DataError, SiteError
from outcrop.field.profiles import BandProfile, ModalityProfile, ModelProfile, pixel_metres
from outcrop.survey.geotiffs import grid_of, open_geotiff, open_raw
from outcrop.survey.grids import Grid, Nesting, nest
from outcrop.survey.manifests import AssetPart, SceneItem, read_manifest
from outcrop.survey.sites import Band, Raster

#: Share by which the size of pixels may lie outside of what the model was trained with.
SIZE_TOLERANCE = 0.1
#: How far a band's centre may lie from that of training: half its width, at least so many micrometres.
CENTRE_TOLERANCE_UM = 0.005


@dataclass(frozen=True)
class Layer:
    """One modality of a scene.

    Parameters
    ----------
    indexes : the file's bands, from 1, in the model's order
    row, col : native pixel that holds the base grid's first corner
    alpha : band that is 0 where there is no data
    raw : a user's file, which is read with the files beside it
    """

    raster: Raster
    indexes: tuple[int, ...]
    row: int = 0
    col: int = 0
    alpha: int | None = None
    raw: bool = False

    @contextmanager
    def open(self) -> Iterator[Any]:
        """The file."""
        with (open_raw if self.raw else open_geotiff)(self.raster.path) as dataset:
            yield dataset


@dataclass(frozen=True)
class MapScene:
    """The base grid of a map, the scene's layers by modality, and when it was acquired, if the scene says so."""

    name: str
    grid: Grid
    layers: dict[str, Layer]
    acquired: tuple[str, str] | None = None
    notes: tuple[str, ...] = ()


def open_scene(path: Path, profile: ModelProfile, bands: Sequence[int] = ()) -> MapScene:
    """Open a scene for a model.

    Parameters
    ----------
    bands : of a GeoTIFF, the bands that are the model's, from 1; default: as the file names them, or all in order

    Raises
    ------
    DataError : it lacks what the model needs, or shows the ground differently.
    SiteError : a file is missing or damaged.
    """
    if not path.is_file():
        raise SiteError("there is no such scene", where=path, remedy="name a STAC item or a GeoTIFF")
    if path.suffix.lower() in (".json", ".geojson"):
        if bands:
            raise DataError("the bands of a STAC item have names", where=path, remedy="leave --bands out")
        return _from_item(path, profile)
    return _from_raster(path, profile, bands)


def _from_item(path: Path, profile: ModelProfile) -> MapScene:
    item = read_manifest(SceneItem, path)
    layers = {}
    for entry in profile.inputs:
        if entry.name not in item.assets:
            needed = ", ".join(each.name for each in profile.inputs)
            raise DataError(f"the scene has no {entry.name}", where=path, remedy=f"the model needs {needed}")
        layers[entry.name] = _of_asset(path.parent / item.assets[entry.name].href, item.assets[entry.name], entry)
    acquired = item.properties.start_datetime, item.properties.end_datetime
    return _on_one_grid(item.id, layers, profile, acquired)


def _of_asset(path: Path, asset: AssetPart, entry: ModalityProfile) -> Layer:
    found = [BandProfile(name=band.name, centre_um=band.centre_um, fwhm_um=band.fwhm_um) for band in asset.bands]
    indexes = _by_name(found, entry, path)
    _check_unit(asset.unit, entry, path)
    with _opened(path, raw=False) as dataset:
        if dataset.count != len(found):
            raise SiteError(f"the raster has {dataset.count} bands, its item says {len(found)}", where=path)
        grid, dtype = grid_of(dataset), dataset.dtypes[0]
    bands = tuple(Band(band.name, band.centre_um, band.fwhm_um) for band in entry.bands)
    raster = Raster(
        entry.name, path, grid, Nesting(), bands, asset.unit, dtype, asset.nodata, asset.scale, asset.offset
    )
    return Layer(raster, indexes)


def _from_raster(path: Path, profile: ModelProfile, chosen: Sequence[int]) -> MapScene:
    if len(profile.inputs) > 1:
        needed = ", ".join(entry.name for entry in profile.inputs)
        raise DataError(
            "a single raster cannot be mapped by this model", where=path, remedy=f"give a STAC item that has {needed}"
        )
    (entry,) = profile.inputs
    with _opened(path, raw=True) as dataset:
        indexes = tuple(chosen) or _find_bands(dataset, entry, path)
        if len(indexes) != len(entry.bands) or not all(1 <= index <= dataset.count for index in indexes):
            names = ", ".join(band.name for band in entry.bands)
            raise DataError(
                f"the raster has {dataset.count} bands, the model needs {len(entry.bands)}: {names}",
                where=path,
                remedy="say which they are, such as --bands 1,2,3",
            )
        _check_wavelengths([_wavelength(dataset, index) for index in indexes], entry, path)
        unit = dataset.units[indexes[0] - 1]
        if unit:
            _check_unit(unit, entry, path)
        alpha = next((i + 1 for i, kind in enumerate(dataset.colorinterp) if kind.name == "alpha"), None)
        raster = Raster(
            entry.name,
            path,
            grid_of(dataset),
            Nesting(),
            tuple(Band(band.name, band.centre_um, band.fwhm_um) for band in entry.bands),
            entry.unit,
            dataset.dtypes[indexes[0] - 1],
            dataset.nodata,
            dataset.scales[indexes[0] - 1],
            dataset.offsets[indexes[0] - 1],
        )
    return _on_one_grid(path.stem, {entry.name: Layer(raster, indexes, alpha=alpha, raw=True)}, profile, None)


@contextmanager
def _opened(path: Path, *, raw: bool) -> Iterator[Any]:
    try:
        with (open_raw if raw else open_geotiff)(path) as dataset:
            yield dataset
    except RasterioError as cause:
        raise SiteError(
            "the file is not a readable GeoTIFF", where=path, remedy="check the path, or restore it"
        ) from cause


def _find_bands(dataset: Any, entry: ModalityProfile, path: Path) -> tuple[int, ...]:
    """The model's bands as the file names them; all bands, where it names none and has as many."""
    named = [said or kind.name for said, kind in zip(dataset.descriptions, dataset.colorinterp, strict=True)]
    wanted = {band.name for band in entry.bands}
    if any(dataset.descriptions) or wanted & set(named):
        return _by_name([_wavelength(dataset, i + 1, name) for i, name in enumerate(named)], entry, path)
    return tuple(range(1, dataset.count + 1))


def _wavelength(dataset: Any, index: int, name: str = "") -> BandProfile:
    """What the file says of a band's wavelength, as GDAL writes it down."""
    said = dataset.tags(index, ns="IMAGERY")
    centre, width = (said.get(f"{key}_UM") for key in ("CENTRAL_WAVELENGTH", "FWHM"))
    return BandProfile(name=name, centre_um=centre, fwhm_um=width)


def _by_name(found: Sequence[BandProfile], entry: ModalityProfile, path: Path) -> tuple[int, ...]:
    """Places, from 1, of the model's bands among those of a file.

    Raises
    ------
    DataError : one is missing, or lies at another wavelength.
    """
    places = {band.name: index for index, band in enumerate(found, start=1)}
    for band in entry.bands:
        if band.name not in places:
            names = ", ".join(places) if len(places) <= 12 else f"{len(places)} others"
            raise DataError(
                f"the scene's {entry.name} has no band {band.name}, which the model needs",
                where=path,
                remedy=f"it has {names}",
            )
    indexes = tuple(places[band.name] for band in entry.bands)
    _check_wavelengths([found[index - 1] for index in indexes], entry, path)
    return indexes


def _check_wavelengths(found: Sequence[BandProfile], entry: ModalityProfile, path: Path) -> None:
    for band, trained in zip(found, entry.bands, strict=True):
        if band.centre_um is None or trained.centre_um is None:
            continue
        if abs(band.centre_um - trained.centre_um) > max((trained.fwhm_um or 0) / 2, CENTRE_TOLERANCE_UM):
            raise DataError(
                f"band {trained.name} of the scene's {entry.name} lies at {band.centre_um:g} um, "
                f"the model was trained with {trained.centre_um:g} um",
                where=path,
                remedy="take a model of this sensor",
            )


def _check_unit(unit: str, entry: ModalityProfile, path: Path) -> None:
    if unit != entry.unit:
        raise DataError(
            f"the scene's {entry.name} is in `{unit}`, the model was trained with `{entry.unit}`",
            where=path,
            remedy="convert it",
        )


def _on_one_grid(
    name: str, layers: dict[str, Layer], profile: ModelProfile, acquired: tuple[str, str] | None
) -> MapScene:
    first = min(profile.inputs, key=lambda entry: entry.coarse / entry.fine)
    base = _base_grid(layers[first.name].raster.grid, first)
    placed, notes = {}, []
    for entry in profile.inputs:
        layer = layers[entry.name]
        _check_size(layer.raster, entry)
        nesting, row, col = nest(base, layer.raster.grid, layer.raster.path)
        if (nesting.fine, nesting.coarse) != (entry.fine, entry.coarse):
            raise DataError(
                f"the scene's {entry.name} has {nesting.fine / nesting.coarse:g} pixels along a cell, "
                f"the model was trained with {entry.fine / entry.coarse:g}",
                where=layer.raster.path,
                remedy="resample it to the training scenes' resolution",
            )
        placed[entry.name] = replace(layer, raster=replace(layer.raster, nesting=nesting), row=row, col=col)
        if layer.indexes != tuple(range(1, len(layer.indexes) + 1)):
            notes.append(
                f"{entry.name}: bands {', '.join(map(str, layer.indexes))} of the file are taken, by their names"
            )
    return MapScene(name, base, placed, acquired, tuple(notes))


def _check_size(raster: Raster, entry: ModalityProfile) -> None:
    size = pixel_metres(raster.grid)
    if size is None or entry.pixel_m is None:
        return
    smallest, largest = entry.pixel_m
    if not smallest * (1 - SIZE_TOLERANCE) <= size <= largest * (1 + SIZE_TOLERANCE):
        trained = f"{smallest:g}" if smallest == largest else f"{smallest:g} to {largest:g}"
        raise DataError(
            f"the scene's {entry.name} has pixels of {size:.4g} m, the model was trained with {trained} m",
            where=raster.path,
            remedy=f"resample it, as with `gdalwarp -tr {smallest:g} {smallest:g} -r average`",
        )


def _base_grid(native: Grid, entry: ModalityProfile) -> Grid:
    """The base grid that a modality nests in, as far as the modality reaches."""
    transform = native.transform @ Affine.scale(entry.fine / entry.coarse)
    height, width = (side * entry.coarse // entry.fine for side in (native.height, native.width))
    return Grid(height, width, transform, native.crs)
