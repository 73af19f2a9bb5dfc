"""Statistics of bands, gathered block by block in constant memory."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outcrop.survey.blocks import FloatArray
from outcrop.survey.sites import Raster


@dataclass(frozen=True)
class BandStatistics:
    """What one band of one scene holds, over the pixels of all blocks (halo left out), in the band's unit.

    The last four are None where the band has no data at all.
    """

    site: str
    scene: str
    modality: str
    band: str
    pixels: int
    nodata_share: float
    outside_share: float
    minimum: float | None
    maximum: float | None
    mean: float | None
    std: float | None


@dataclass(frozen=True)
class Normalisation:
    """Mean and standard deviation of every band of one modality over the training blocks: (bands,) each."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass
class Moments:
    """Running count, mean, squared deviation and extremes of every band (Chan et al. 1983, pairwise update)."""

    range: tuple[float, float]
    pixels: NDArray[np.int64]
    count: NDArray[np.int64]
    outside: NDArray[np.int64]
    mean: NDArray[np.float64]
    squares: NDArray[np.float64]
    lowest: NDArray[np.float64]
    highest: NDArray[np.float64]

    @classmethod
    def of(cls, raster: Raster, limits: tuple[float, float] = (-np.inf, np.inf)) -> "Moments":
        """Nothing seen yet, for the bands of ``raster``."""
        n = len(raster.bands)
        pixels, count, outside = np.zeros((3, n), dtype=np.int64)
        return cls(limits, pixels, count, outside, np.zeros(n), np.zeros(n), np.full(n, np.inf), np.full(n, -np.inf))

    def add(self, pixels: FloatArray) -> None:
        """Take in (bands, ...) pixels, NaN where there is no data."""
        flat = pixels.reshape(len(pixels), -1).astype(np.float64)
        seen = np.isfinite(flat)
        n = seen.sum(axis=1)
        self.pixels += flat.shape[1]
        self.outside += (seen & ((flat < self.range[0]) | (flat > self.range[1]))).sum(axis=1)
        if not n.any():
            return
        share = 1 / np.maximum(n, 1)
        mean = np.where(seen, flat, 0).sum(axis=1) * share
        squares = np.where(seen, (flat - mean[:, None]) ** 2, 0).sum(axis=1)
        total = np.maximum(self.count + n, 1)
        delta = mean - self.mean
        self.mean += delta * n / total
        self.squares += squares + delta**2 * self.count * n / total
        self.count += n
        self.lowest = np.minimum(self.lowest, np.where(seen, flat, np.inf).min(axis=1))
        self.highest = np.maximum(self.highest, np.where(seen, flat, -np.inf).max(axis=1))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of every band."""
        return np.asarray(np.sqrt(self.squares / np.maximum(self.count, 1)))

    def normalisation(self) -> Normalisation:
        """Mean and standard deviation; a constant band is divided by one, not by zero."""
        std = np.where(self.std > 1e-12 * np.maximum(np.abs(self.mean), 1e-12), self.std, 1.0)
        return Normalisation(tuple(map(float, self.mean)), tuple(map(float, std)))

    def statistics(self, site: str, scene: str, raster: Raster) -> list[BandStatistics]:
        """One row a band."""
        return [self._band(index, site, scene, raster) for index in range(len(raster.bands))]

    def _band(self, i: int, site: str, scene: str, raster: Raster) -> BandStatistics:
        values = (self.lowest[i], self.highest[i], self.mean[i], self.std[i]) if self.count[i] else (None,) * 4
        return BandStatistics(
            site,
            scene,
            raster.modality,
            raster.bands[i].name,
            int(self.pixels[i]),
            float(1 - self.count[i] / max(self.pixels[i], 1)),
            float(self.outside[i] / max(self.count[i], 1)),
            *(None if value is None else float(value) for value in values),
        )
