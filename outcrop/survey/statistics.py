"""Statistics of bands, gathered block by block in constant memory."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.blocks import FloatArray
from outcrop.survey.geotiffs import open_geotiff
from outcrop.survey.rasters import windows
from outcrop.survey.sites import NO_LABEL, Raster

#: Columns of equal length, by name.
Columns = dict[str, NDArray[Any]]
#: Before a modality's name: the column of labelled cells that are lost because it has no data there.
LOST_IN = "lost_in_"
#: Rounding of 32-bit numbers, relative to the ends of a range: values that differ by less are the same.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of every band of one modality over the training blocks: (bands,) each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass
class Moments:
    """Running count, mean, squared deviation and extremes of every band (Chan et al. 1983, pairwise update)."""

    count: NDArray[np.int64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def of(cls, raster: Raster) -> "Moments":
        """Nothing seen yet, for the bands of ``raster``."""
        n = len(raster.bands)
        return cls(np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n), np.full(n, np.inf), np.full(n, -np.inf))

    def add(self, pixels: FloatArray) -> None:
        """Take in (bands, ...) pixels, NaN where there is no data."""
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        seen = np.isfinite(flat)
        n = seen.sum(axis=1)
        if not n.any():
            return
        share = 1 / np.maximum(n, 1)
        mean = np.where(seen, flat, 0).sum(axis=1) * share
        squares = np.where(seen, (flat - mean[:, None]) ** 2, 0).sum(axis=1)
        lowest, highest = np.where(seen, flat, np.inf).min(axis=1), np.where(seen, flat, -np.inf).max(axis=1)
        self.merge(Moments(n, mean, squares, lowest, highest))

    def merge(self, other: "Moments") -> None:
        """Take in what was seen elsewhere of the same bands."""
        total = np.maximum(self.count + other.count, 1)
        delta = other.mean - self.mean
        self.mean += delta * other.count / total
        self.squares += other.squares + delta**2 * self.count * other.count / total
        self.count += other.count
        self.lowest = np.minimum(self.lowest, other.lowest)
        self.highest = np.maximum(self.highest, other.highest)

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of every band."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count, 1)))

    def normalisation(self) -> Normalisation:
        """Mean and standard deviation; a constant band is divided by one, not by zero."""
        std = np.where(self.std > 1e-12 * np.maximum(np.abs(self.mean), 1e-12), self.std, 1.0)
        return Normalisation(tuple(map(float, self.mean)), tuple(map(float, std)))


class BandTally:
    """All that is said of the bands of one raster, over the pixels of all blocks (halo left out), in the raster's unit.

    Parameters
    ----------
    limits : lowest and highest value declared; at the highest, or at that of its data type, a pixel is saturated
    """

    def __init__(self, raster: Raster, limits: tuple[float, float]) -> None:
        bands = len(raster.bands)
        slack = ROUNDING * max((abs(end) for end in limits if np.isfinite(end)), default=0.0)
        self._names = [band.name for band in raster.bands]
        self._lowest, self._highest = limits[0] - slack, limits[1] + slack
        self._ceiling = min(limits[1], _highest_storable(raster)) - slack
        self._moments = Moments.of(raster)
        self._pixels = 0
        self._outside, self._saturated = np.zeros((2, bands), dtype=np.int64)
        self._contents = [hashlib.blake2b(digest_size=16) for _ in range(bands)]

    def add(self, pixels: FloatArray) -> None:
        """Take in (bands, ...) pixels, NaN where there is no data."""
        flat = np.ascontiguousarray(pixels.reshape(len(pixels), -1))
        self._moments.add(flat)
        self._pixels += flat.shape[1]
        self._outside += ((flat < self._lowest) | (flat > self._highest)).sum(axis=1)
        self._saturated += (flat >= self._ceiling).sum(axis=1)
        for content, band in zip(self._contents, flat, strict=True):
            content.update(band)

    def columns(self) -> Columns:
        """One row a band; NaN where a band without data has no value.

        ``duplicate_of`` is the first band that holds exactly the same values, else empty. Bands without data, or with
        one value only, are alike for another reason.
        """
        seen = self._moments
        values = {"minimum": seen.lowest, "maximum": seen.highest, "mean": seen.mean, "std": seen.std}
        return {
            "band": np.array(self._names),
            "pixels": np.full(len(self._names), self._pixels, dtype=np.int64),
            "nodata_share": 1 - seen.count / max(self._pixels, 1),
            "outside_share": self._outside / np.maximum(seen.count, 1),
            "saturated_share": self._saturated / np.maximum(seen.count, 1),
            **{name: np.where(seen.count > 0, column, np.nan) for name, column in values.items()},
            "duplicate_of": np.array(self._originals(varying=seen.lowest < seen.highest)),
        }

    def _originals(self, varying: NDArray[np.bool_]) -> list[str]:
        first: dict[bytes, int] = {}
        originals = []
        for index, content in enumerate(self._contents):
            original = first.setdefault(content.digest(), index) if varying[index] else index
            originals.append("" if original == index else self._names[original])
        return originals


class LabelTally:
    """How many labelled cells of one scene can be used, and which modality has no data where they cannot."""

    def __init__(self, class_names: Sequence[str], modalities: Iterable[str]) -> None:
        self._names = class_names
        kinds = ("labelled", "usable", "lost", *(LOST_IN + modality for modality in modalities))
        self._counts = {kind: np.zeros(len(class_names), dtype=np.int64) for kind in kinds}

    def add(
        self, labels: NDArray[np.uint8], usable: NDArray[np.bool_], complete: Mapping[str, NDArray[np.bool_]]
    ) -> None:
        """Take in some cells: their labels, whether a split uses them, and where each modality's patch has data."""
        whole = np.logical_and.reduce(list(complete.values()))
        self._count("labelled", labels)
        self._count("usable", labels[usable])
        self._count("lost", labels[~whole])
        for modality, covered in complete.items():
            self._count(LOST_IN + modality, labels[~covered])

    def _count(self, kind: str, labels: NDArray[np.uint8]) -> None:
        self._counts[kind] += np.bincount(labels[labels != NO_LABEL], minlength=len(self._names))

    def columns(self) -> Columns:
        """One row a class."""
        return {"class": np.array(self._names), **self._counts}


def stacked(parts: Sequence[Columns]) -> Columns:
    """Tables with the same columns, one below the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _highest_storable(raster: Raster) -> float:
    """Highest value that the raster's data type can hold, in its unit."""
    if not np.issubdtype(raster.dtype, np.integer):
        return float("inf")
    ends = np.iinfo(raster.dtype)
    return max(end * raster.scale + raster.offset for end in (ends.min, ends.max))


def blank_bands(raster: Raster) -> NDArray[np.bool_]:
    """Which bands (bands,) have not one stored number that is a value.

    A pixel without data in one band is read as one without data in any: of a modality that is empty, this names the
    band to blame.
    """
    blank = np.ones(len(raster.bands), dtype=bool)
    with open_geotiff(raster.path) as dataset:
        for row, col, height, width in windows(raster.grid):
            stored = dataset.read(window=((row, row + height), (col, col + width)))
            blank &= ~(np.isfinite(stored) & (stored != raster.nodata)).any(axis=(1, 2))
    return blank
