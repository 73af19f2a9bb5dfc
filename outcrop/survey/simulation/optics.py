"""Point spreads: how an instrument smears what lies beside a pixel into it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve
from scipy.special import ndtr

#: Full width at half maximum of a Gaussian, in standard deviations.
FWHM = float(np.sqrt(8 * np.log(2)))
#: Standard deviations at which a Gaussian is cut off.
CUT = 3.0
#: How much air weakens gamma rays of potassium (1.46 MeV), per metre (linear attenuation at 1.2 kg/m3).
ATTENUATION = 0.0063
Floats = NDArray[np.float32]
Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class PointSpread:
    """What one point of light becomes.

    Parameters
    ----------
    kernel : (2 halo + 1,) where it is the same along rows and columns, or (2 halo + 1, 2 halo + 1); sums to 1
    """

    kernel: Floats

    @property
    def halo(self) -> int:
        """Pixels that a window needs around what is asked for."""
        return len(self.kernel) // 2

    def blur(self, window: Array) -> Floats:
        """The window (..., H + 2 halo, W + 2 halo) as it is seen: (..., H, W)."""
        if self.kernel.ndim == 1:
            return _along(_along(window, self.kernel, -2), self.kernel, -1)
        kernel = self.kernel.reshape((1,) * (window.ndim - 2) + self.kernel.shape)
        return np.asarray(fftconvolve(window, kernel, mode="valid", axes=(-2, -1)), dtype=np.float32)


def gaussian(fwhm: float) -> PointSpread:
    """A Gaussian of full width at half maximum ``fwhm`` in pixels, as detectors of one pixel sample it.

    Detectors average over their sides, which widens by a variance of 1/12: it is part of ``fwhm``. The width is right
    to 5 % from 1.2 pixels on.
    """
    sigma = np.sqrt((fwhm / FWHM) ** 2 - 1 / 12)
    halo = int(np.ceil(CUT * fwhm / FWHM))
    kernel = np.diff(ndtr((np.arange(-halo, halo + 2) - 0.5) / sigma))
    return PointSpread((kernel / kernel.sum()).astype(np.float32))


def gamma_footprint(height_m: float, cell_m: float, halo: int, attenuation: float = ATTENUATION) -> PointSpread:
    """What a gamma detector at ``height_m`` sees of the ground around it, cut off after ``halo`` cells.

    A thick source at distance r sends h exp(-mu r) / r^3: the inverse square, the slant of the ground it comes out of,
    and air (Grasty, Kosanke & Foote 1979, doi:10.1190/1.1441017; for one line and without scattered rays).
    """
    across = np.arange(-halo, halo + 1) * cell_m
    distance = np.sqrt(height_m**2 + across[:, None] ** 2 + across**2)
    kernel = height_m * np.exp(-attenuation * distance) / distance**3
    return PointSpread((kernel / kernel.sum()).astype(np.float32))


def _along(window: Array, kernel: Floats, axis: int) -> Floats:
    """Convolve with a symmetric kernel along one axis, keeping what has all its neighbours."""
    halo = len(kernel) // 2
    length = window.shape[axis] - 2 * halo

    def part(start: int) -> Array:
        cut = [slice(None)] * window.ndim
        cut[axis] = slice(start, start + length)
        return window[tuple(cut)]

    total: Floats = kernel[halo] * part(halo)
    for step in range(1, halo + 1):
        total += kernel[halo + step] * (part(halo - step) + part(halo + step))
    return total
