"""Intimate mixtures by the radiative transfer of Hapke: grains mix in single-scattering albedo, not in reflectance.

Scatterers are isotropic and there is no opposition surge, so that reflectance and albedo are inverses in closed form
(Hapke 1981, doi:10.1029/JB086iB04p03039; Hapke 2012, Theory of Reflectance and Emittance Spectroscopy, chapters 8-11).
Reflectance is relative to a perfect diffuser in the geometry of laboratories, lit at 30 degrees and seen from above.

Every operation works on single elements in a fixed order: a window computed alone equals the same window cut from a
larger one, bit for bit. A matrix product would not promise that.
"""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float32]

#: Cosines of the angles of incidence and emergence.
INCIDENCE, EMERGENCE = np.float32(np.cos(np.radians(30.0))), np.float32(1.0)
SUM, PRODUCT = INCIDENCE + EMERGENCE, 4 * INCIDENCE * EMERGENCE


def single_scattering(reflectance: NDArray[Any]) -> Floats:
    """Single-scattering albedo w of a surface with a reflectance r (both 0-1, any shape): the inverse of `reflectance`.

    With the albedo factor g = sqrt(1 - w) and H(x) = (1 + 2 x) / (1 + 2 x g), r = w H(mu0) H(mu) / (the same at w = 1)
    is the quadratic (1 + 4 mu0 mu r) g^2 + 2 (mu0 + mu) r g - (1 - r) = 0.
    """
    r = np.clip(np.asarray(reflectance, dtype=np.float32), 0, 1)
    leading = 1 + PRODUCT * r
    half = SUM * r
    factor = (np.sqrt(half * half + leading * (1 - r)) - half) / leading
    return np.asarray(1 - factor * factor, dtype=np.float32)


def reflectance(albedo: NDArray[Any]) -> Floats:
    """Reflectance (0-1) relative to a perfect diffuser of a surface of isotropic scatterers with albedo (0-1)."""
    w = np.clip(np.asarray(albedo, dtype=np.float32), 0, 1)
    factor = np.sqrt(1 - w)
    return np.asarray(w / ((1 + 2 * INCIDENCE * factor) * (1 + 2 * EMERGENCE * factor)), dtype=np.float32)


def intimate(fractions: NDArray[Any], albedo: NDArray[Any], weights: NDArray[Any]) -> Floats:
    """Albedo of an intimate mixture: the mean of its components' albedos by their cross-sections (Hapke 1981, eq. 17).

    Parameters
    ----------
    fractions : (E, N) shares by volume or by mass, >= 0; each column has a positive sum
    albedo : (E, B) single-scattering albedos
    weights : (E,) cross-section of a unit of each, `endmembers.volume_weights` or `endmembers.mass_weights`

    Returns
    -------
    (B, N) float32
    """
    sections = np.asarray(fractions, dtype=np.float32) * np.asarray(weights, dtype=np.float32)[:, None]
    total = sections[0].copy()
    for section in sections[1:]:
        total += section
    sections /= total
    pure = np.asarray(albedo, dtype=np.float32)
    mixed = np.zeros((pure.shape[1], sections.shape[1]), dtype=np.float32)
    term = np.empty_like(mixed)
    for one, share in zip(pure, sections, strict=True):
        if share.any():  # to leave out an endmember that occurs nowhere is exact: it adds nought
            np.multiply(one[:, None], share, out=term)
            mixed += term
    return mixed


def grain(albedo: NDArray[Any], factor: NDArray[Any]) -> Floats:
    """Albedo (B, N) at ``factor`` (N,) times the grain size, by the equivalent slab (Hapke 1981, eqs 22 and 31).

    The espat function (1 - w) / w is the absorption coefficient times an effective size, so it grows with the factor.
    """
    w = np.clip(np.asarray(albedo, dtype=np.float32), 0, 1)
    return np.asarray(w / (w + (1 - w) * np.asarray(factor, dtype=np.float32)), dtype=np.float32)
