"""The endmembers of the simulated ground: their order in every array of fractions, and what handbooks say of them.

Labels are geological units; truth is the share of each of these. Their spectra are drawn by `specimens`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: The order of the first axis of every array of fractions, albedos and emissivities.
ENDMEMBERS = (
    "olivine",
    "orthopyroxene",
    "clinopyroxene",
    "plagioclase",
    "serpentine",
    "wollastonite",
    "calcite",
    "magnesite",
    "hematite",
    "goethite",
    "magnetite",
    "kaolinite",
    "montmorillonite",
    "quartz",
    "soil",
    "green_vegetation",
    "dry_vegetation",
)


@dataclass(frozen=True)
class Measured:
    """What is known of an endmember apart from its spectrum.

    Parameters
    ----------
    density : grams per cubic centimetre
    diameter : grain diameter (um) that `Specimens.reflectance` stands for; of the measured powders those nearest to it
        are drawn from. Oxides and clays are fine where they occur in rocks and soils, hence small.
    """

    density: float
    diameter: float


#: Densities of minerals: Anthony et al., Handbook of Mineralogy (Mineralogical Society of America), for the usual
#: compositions Fo90, En85, augite, An60; of soil, that of its particles (Brady & Weil, The Nature and Properties of
#: Soils); of plants, fresh leaves and air-dry litter, rounded. Diameters are choices, made to suit the spectra.
MEASURED = {
    "olivine": Measured(3.32, 75),
    "orthopyroxene": Measured(3.30, 75),
    "clinopyroxene": Measured(3.30, 75),
    "plagioclase": Measured(2.69, 75),
    "serpentine": Measured(2.57, 75),
    "wollastonite": Measured(2.91, 75),
    "calcite": Measured(2.71, 75),
    "magnesite": Measured(3.00, 75),
    "hematite": Measured(5.26, 15),
    "goethite": Measured(4.28, 15),
    "magnetite": Measured(5.18, 60),
    "kaolinite": Measured(2.60, 15),
    "montmorillonite": Measured(2.35, 15),
    "quartz": Measured(2.65, 75),
    "soil": Measured(2.65, 75),
    "green_vegetation": Measured(0.90, 75),
    "dry_vegetation": Measured(0.60, 75),
}


def volume_weights() -> NDArray[np.float32]:
    """Cross-section of unit volume, 1 / diameter, relative to the first endmember: (E,) for `mixing.intimate`."""
    diameters = np.array([MEASURED[name].diameter for name in ENDMEMBERS], dtype=np.float32)
    return np.asarray(diameters[0] / diameters)


def mass_weights() -> NDArray[np.float32]:
    """Cross-section of unit mass, 1 / (density x diameter), relative to the first endmember: (E,)."""
    densities = np.array([MEASURED[name].density for name in ENDMEMBERS], dtype=np.float32)
    return np.asarray(volume_weights() * densities[0] / densities)
