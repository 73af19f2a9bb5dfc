"""A map folder as `outcrop map` wrote it: how many cells of each class lie in a region, and how large they are."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError
from rasterio.features import rasterize

from outcrop.errors import DataError, SiteError
from outcrop.field.carbon.fractions import Confusion, read_confusion

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

ITEM, RASTER = "map.json", "class.tif"
AGAIN = "make the map again with `outcrop map`"
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Mapped:
    """A map.

    Parameters
    ----------
    classes : (K,) in the order of the raster's values
    confusion : of the model that made it, on test blocks; None where the map does not know it
    cell_m2 : area of a cell; None without a CRS in units of length
    acquired : when the scene was, as ISO 8601
    """

    folder: Path
    name: str
    classes: tuple[str, ...]
    confusion: Confusion | None
    cell_m2: float | None
    crs: str | None
    acquired: str
    model: str | None
    survey: str | None

    @property
    def raster(self) -> Path:
        """Its classes."""
        return self.folder / RASTER

    def count(self, regions: Mapping[str, "BaseGeometry"]) -> dict[str, Counts]:
        """Cells (K,) of each class, by region; a cell belongs to each region that holds its centre.

        Raises
        ------
        DataError : a region holds no mapped cell.
        """
        counts = {name: np.zeros(256, dtype=np.int64) for name in regions}
        with rasterio.open(self.raster) as dataset:
            for _, window in dataset.block_windows(1):
                values = dataset.read(1, window=window)
                for name, shape in regions.items():
                    place = dataset.transform @ Affine.translation(window.col_off, window.row_off)
                    inside = rasterize([(shape, 1)], values.shape, transform=place, dtype="uint8").astype(bool)
                    counts[name] += np.bincount(values[inside], minlength=256)
        for name, found in counts.items():
            if not found[: len(self.classes)].sum():
                raise DataError(
                    f"the region `{name}` holds no mapped cell", remedy="choose regions that lie on the map"
                )
        return {name: found[: len(self.classes)] for name, found in counts.items()}

    def count_all(self) -> Counts:
        """Cells (K,) of each class of the whole map."""
        counts = np.zeros(256, dtype=np.int64)
        with rasterio.open(self.raster) as dataset:
            for _, window in dataset.block_windows(1):
                counts += np.bincount(dataset.read(1, window=window).ravel(), minlength=256)
        return counts[: len(self.classes)]


def open_map(folder: Path) -> Mapped:
    """Read what a map says of itself.

    Raises
    ------
    SiteError : the folder is no map, or its files cannot be read.
    DataError : its confusion matrix is impossible.
    """
    try:
        item = json.loads((folder / ITEM).read_text(encoding="utf-8"))
        properties, asset = item["properties"], item["assets"]["class"]
        classes = tuple(entry["name"] for entry in asset["classification:classes"])
        with rasterio.open(folder / RASTER) as dataset:
            crs, transform = dataset.crs, dataset.transform
    except FileNotFoundError as cause:
        raise SiteError("the folder is no map", where=folder, remedy="name one that `outcrop map` wrote") from cause
    except (OSError, ValueError, LookupError, TypeError, RasterioIOError) as cause:
        raise SiteError("the map cannot be read", where=folder, remedy=AGAIN) from cause
    told: dict[str, Any] | None = properties.get("outcrop:confusion")
    return Mapped(
        folder,
        str(item["id"]),
        classes,
        read_confusion(told, folder / ITEM) if told else None,
        _cell_m2(crs, abs(transform.a * transform.e)),
        crs.to_string() if crs else None,
        str(properties.get("datetime") or properties.get("start_datetime")),
        properties.get("outcrop:model"),
        properties.get("outcrop:survey"),
    )


def _cell_m2(crs: CRS | None, area: float) -> float | None:
    if crs is None or crs.is_geographic:
        return None
    return area * float(crs.linear_units_factor[1]) ** 2


def read_regions(file: Path, attribute: str | None, crs: str | None) -> dict[str, "BaseGeometry"]:
    """Polygons (Shapefile, GeoPackage, GeoJSON) by name, in the CRS of a map.

    Parameters
    ----------
    attribute : the column that names them; regions of one name are one. None: by their place in the file

    Raises
    ------
    SurveyError, DataError : the file cannot be read, or does not have the column.
    """
    from outcrop.survey.entries import PolygonEntry
    from outcrop.survey.raw.vectors import read_features

    entry = PolygonEntry(polygons=file.name, grid="map", attribute=attribute or "name")
    features = read_features(entry, file.parent.resolve(), crs)
    if crs is not None and features.crs is not None:
        features = features.to_crs(crs)
    if attribute is None:
        names = [f"region {number}" for number in range(1, len(features) + 1)]
    elif attribute in features.columns:
        names = [str(name) for name in features[attribute]]
    else:
        raise DataError(f"the regions have no column `{attribute}`", where=file, remedy="name one with --region-name")
    grouped = features.geometry.groupby(names, sort=False)
    return {str(name): group.union_all() for name, group in grouped}
