"""Opening rasters the way the whole package does: with a named driver and a small cache.

A site's rasters are GeoTIFFs and are read without the files beside them; a user's raw files are read with theirs.

GDAL keeps decoded pixels of everything it reads, up to 5 % of the machine's memory; here that is bounded, because the
memory that training and mapping need must not depend on the size of a site.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rasterio
from rasterio.errors import NotGeoreferencedWarning

from outcrop.survey.grids import Grid

# Pixel coordinates are fine. The filter holds for the whole process: one that comes and goes is not safe in threads.
warnings.filterwarnings("ignore", category=NotGeoreferencedWarning)
CACHE_MB = 64
#: A site's rasters are read without side files (world files, ``.aux.xml``): the site's manifest names every file.
ALONE = {"GDAL_CACHEMAX": CACHE_MB, "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR", "GDAL_PAM_ENABLED": "NO"}
#: The same, turned off: raw files are read while a site's are being written.
BESIDE = {"GDAL_CACHEMAX": CACHE_MB, "GDAL_DISABLE_READDIR_ON_OPEN": "FALSE", "GDAL_PAM_ENABLED": "YES"}


@contextmanager
def open_geotiff(path: Path) -> Iterator[Any]:
    """Open a raster of a site. The driver is fixed: a VRT in disguise could point anywhere, even into the network."""
    with rasterio.Env(**ALONE), rasterio.open(path, driver="GTiff") as dataset:
        yield dataset


@contextmanager
def open_raw(path: Path, driver: str = "GTiff", name: str | None = None, **options: str) -> Iterator[Any]:
    """Open a user's raw file, with its side files.

    The driver is fixed here too. ``name`` is what the driver opens in the file's stead, such as one of its variables;
    ``options`` are GDAL's.
    """
    with rasterio.Env(**BESIDE, **options), rasterio.open(name or path, driver=driver) as dataset:
        yield dataset


def grid_of(dataset: Any) -> Grid:
    """The grid of an open dataset."""
    return Grid(dataset.height, dataset.width, dataset.transform, crs_name(dataset.crs))


def crs_name(crs: Any) -> str | None:
    """``EPSG:code`` where the CRS has one, else its WKT; None without a CRS."""
    if not crs:
        return None
    code = crs.to_epsg()
    return f"EPSG:{code}" if code else str(crs.to_wkt(version="WKT2_2019"))
