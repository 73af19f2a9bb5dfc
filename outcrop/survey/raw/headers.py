"""What one raw file says of itself, whatever its format, and how its pixels are read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from outcrop.survey.geotiffs import crs_name, open_raw
from outcrop.survey.sites import Band

#: Reads a window that lies inside the raster: row, column, height, width in; (bands, height, width) stored numbers out.
Read = Callable[[int, int, int, int], NDArray[Any]]
#: Opens a raster for reading some of its bands, counted from 0, in the order given.
Opener = Callable[[Sequence[int]], AbstractContextManager[Read]]
#: Micrometres in one unit of length, by what files call it; plurals and the American spelling count too.
MICROMETRES = {
    **dict.fromkeys(("um", "\u00b5m", "\u03bcm", "micron", "micrometre"), 1.0),
    **dict.fromkeys(("nm", "nanometre"), 1e-3),
}


@dataclass(frozen=True)
class Header:
    """A raster as its file describes it.

    Parameters
    ----------
    bands : their names ("" without one) and wavelengths, as far as the file gives them
    dtype : of the stored numbers; several, joined by "/", where the bands differ
    transform : None for bare pixel numbers; need not be north-up
    scaling : scale and offset of all bands; None where the bands differ
    """

    height: int
    width: int
    bands: tuple[Band, ...]
    dtype: str
    open_bands: Opener
    transform: Affine | None = None
    crs: str | None = None
    nodata: float | None = None
    scaling: tuple[float, float] | None = (1.0, 0.0)


def dataset_header(dataset: Any, bands: tuple[Band, ...], reopen: Callable[[], AbstractContextManager[Any]]) -> Header:
    """The header of an open rasterio dataset, whose pixels are read from what ``reopen`` opens."""

    @contextmanager
    def open_bands(chosen: Sequence[int]) -> Iterator[Read]:
        indexes = [band + 1 for band in chosen]
        with reopen() as again:
            yield lambda row, col, height, width: again.read(indexes, window=Window(col, row, width, height))

    scalings = set(zip(dataset.scales, dataset.offsets, strict=True))
    return Header(
        height=dataset.height,
        width=dataset.width,
        bands=bands,
        dtype="/".join(sorted(set(dataset.dtypes))),
        open_bands=open_bands,
        transform=None if dataset.transform.is_identity else dataset.transform,
        crs=crs_name(dataset.crs),
        nodata=dataset.nodata,
        scaling=scalings.pop() if len(scalings) == 1 else None,
    )


def geotiff_header(path: Path) -> Header:
    """The header of a GeoTIFF: band names from its descriptions, wavelengths from its tags (GDAL's, or ENVI's kept)."""
    with open_raw(path) as dataset:
        bands = tuple(_tagged_band(dataset, index) for index in dataset.indexes)
        return dataset_header(dataset, bands, lambda: open_raw(path))


def _tagged_band(dataset: Any, index: int) -> Band:
    imagery, tags = dataset.tags(index, ns="IMAGERY"), dataset.tags(index)
    centre = micrometres(imagery.get("CENTRAL_WAVELENGTH_UM"), "um")
    width = micrometres(imagery.get("FWHM_UM"), "um")
    if centre is None:
        unit = tags.get("wavelength_units", "")
        centre, width = micrometres(tags.get("wavelength"), unit), micrometres(tags.get("fwhm"), unit)
    return Band(dataset.descriptions[index - 1] or "", centre, width)


def micrometres(text: str | None, unit: str) -> float | None:
    """A wavelength in micrometres; None where it is none, or is given in no unit of length that is known."""
    try:
        value = float(text or "")
    except ValueError:
        return None
    factor = MICROMETRES.get(
        unit.strip().lower().removesuffix("s").replace("meter", "metre").replace("\u03bc", "\u00b5")
    )
    if factor is None or not isfinite(value) or value <= 0:
        return None
    return value if factor == 1 else round(value * factor, 9)
