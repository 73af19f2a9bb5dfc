"""How fast minerals dissolve: Palandri & Kharaka's rate law, and grains that shrink as spheres."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: J mol-1 K-1; K; seconds in a year.
GAS_CONSTANT, REFERENCE_K, YEAR_S = 8.314462618, 298.15, 3.15576e7
ZERO_CELSIUS_K = 273.15
Array = NDArray[np.float64]


class Mechanism(NamedTuple):
    """Acid, neutral or base: log10 of the rate (mol m-2 s-1) at 25 C and unit activity of protons, its activation
    energy (kJ/mol), and the order in that activity. The first two may be arrays of draws."""

    log_k: Array | float
    energy: Array | float
    order: float


def dissolution_rate(mechanisms: Sequence[Mechanism], temperature_c: Array | float, ph: Array | float) -> Array:
    """Rate in mol m-2 s-1, far from equilibrium (Palandri & Kharaka 2004).

    ``k = sum_j 10^log_k_j exp(-E_j/R (1/T - 1/298.15 K)) 10^(-n_j pH)``; no mechanisms, no rate.
    """
    warmth = (1 / (np.asarray(temperature_c) + ZERO_CELSIUS_K) - 1 / REFERENCE_K) * 1000 / GAS_CONSTANT
    parts = [
        10.0 ** (np.asarray(one.log_k) - one.order * np.asarray(ph)) * np.exp(-np.asarray(one.energy) * warmth)
        for one in mechanisms
    ]
    return np.asarray(sum(parts, start=np.zeros(())), dtype=np.float64)


def reacted_share(
    rate: Array,
    molar_volume_cm3: Array | float,
    diameter_um: Array | float,
    years: float,
    roughness: Array | float = 1.0,
) -> Array:
    """Share (0-1) of a grain that has dissolved after ``years``: a sphere with ``dr/dt = -k V_m roughness``.

    Parameters
    ----------
    rate : mol per second and m2 of real surface
    roughness : real surface relative to that of the sphere
    """
    metres = rate * np.asarray(molar_volume_cm3) * 1e-6 * np.asarray(roughness) * YEAR_S * years
    left = np.maximum(1 - 2e6 * metres / np.asarray(diameter_um), 0)
    return np.asarray(1 - left**3)
