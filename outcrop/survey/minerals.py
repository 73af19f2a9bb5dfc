"""The twelve covers of the simulated sites: colour, absorption bands, warmth and radioactivity.

Absorptions stand where the literature has them (olivine 1.05 um, pyroxene 0.95 and 1.95 um, clay 2.20 um, carbonates
2.31-2.34 um, serpentine 2.32 um, iron oxide 0.86 um). Their depths and widths, and all other figures, are plausible
choices, not measurements. Colours are shared on purpose: what tells calcite from magnesite cannot be seen in RGB.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Wavelengths (um) at which ``Mineral.continuum`` is given; the first three are blue, green and red.
ANCHORS = (0.45, 0.55, 0.65, 0.90, 1.60, 2.50)


@dataclass(frozen=True)
class Mineral:
    """One cover.

    Parameters
    ----------
    continuum : reflectance at `ANCHORS`, without absorptions
    absorptions : centre (um), depth (0-1) and standard deviation (um) of each
    warmth : kelvin above the site's mean
    gamma : K (%), Th (ppm), U (ppm)
    texture : relative roughness of its colour at the scale of RGB pixels
    """

    name: str
    continuum: tuple[float, ...]
    absorptions: tuple[tuple[float, float, float], ...]
    warmth: float
    gamma: tuple[float, float, float]
    texture: float


MINERALS = (
    Mineral("basalt", (0.07, 0.08, 0.09, 0.11, 0.13, 0.12), ((1.00, 0.08, 0.12),), 4.0, (0.8, 2.5, 0.7), 0.03),
    Mineral("olivine", (0.10, 0.14, 0.12, 0.24, 0.32, 0.33), ((1.05, 0.35, 0.18),), 3.0, (0.1, 0.2, 0.1), 0.12),
    Mineral(
        "pyroxene",
        (0.07, 0.085, 0.09, 0.16, 0.20, 0.18),
        ((0.95, 0.30, 0.10), (1.95, 0.28, 0.20)),
        3.5,
        (0.3, 0.6, 0.2),
        0.10,
    ),
    Mineral("plagioclase", (0.38, 0.42, 0.44, 0.48, 0.52, 0.50), ((1.25, 0.12, 0.10),), 0.5, (1.0, 1.5, 0.5), 0.11),
    Mineral(
        "serpentine",
        (0.10, 0.135, 0.12, 0.21, 0.27, 0.24),
        ((1.39, 0.20, 0.02), (2.11, 0.06, 0.03), (2.32, 0.30, 0.025)),
        2.0,
        (0.1, 0.3, 0.2),
        0.04,
    ),
    Mineral("wollastonite", (0.41, 0.44, 0.45, 0.50, 0.52, 0.44), ((2.05, 0.08, 0.15),), 0.0, (0.1, 0.4, 0.3), 0.05),
    Mineral(
        "calcite",
        (0.40, 0.43, 0.45, 0.50, 0.53, 0.45),
        ((2.16, 0.06, 0.02), (2.34, 0.32, 0.03)),
        -1.0,
        (0.2, 0.8, 1.5),
        0.02,
    ),
    Mineral(
        "magnesite",
        (0.40, 0.435, 0.45, 0.49, 0.52, 0.46),
        ((2.13, 0.05, 0.02), (2.31, 0.32, 0.03)),
        -1.0,
        (0.1, 0.3, 0.6),
        0.08,
    ),
    Mineral("iron_oxide", (0.09, 0.14, 0.24, 0.32, 0.44, 0.44), ((0.86, 0.32, 0.06),), 1.5, (0.6, 4.0, 1.5), 0.05),
    Mineral(
        "clay",
        (0.12, 0.16, 0.25, 0.34, 0.44, 0.40),
        ((1.41, 0.15, 0.02), (1.91, 0.25, 0.03), (2.20, 0.30, 0.025)),
        -2.0,
        (2.2, 9.0, 2.5),
        0.02,
    ),
    Mineral(
        "soil",
        (0.10, 0.15, 0.23, 0.30, 0.38, 0.36),
        ((1.91, 0.10, 0.03), (2.20, 0.06, 0.03)),
        -1.5,
        (1.4, 6.0, 1.8),
        0.12,
    ),
    Mineral(
        "vegetation",
        (0.06, 0.11, 0.08, 0.45, 0.30, 0.15),
        ((1.45, 0.40, 0.06), (1.94, 0.50, 0.08)),
        -5.0,
        (0.6, 1.5, 0.5),
        0.17,
    ),
)


def reflectance(mineral: Mineral, wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Reflectance (wavelengths,), 0-1, at wavelengths in micrometres: the continuum less Gaussian absorptions."""
    curve = np.interp(wavelengths, ANCHORS, mineral.continuum)
    for centre, depth, width in mineral.absorptions:
        curve = curve * (1 - depth * np.exp(-0.5 * ((wavelengths - centre) / width) ** 2))
    return np.asarray(curve)
