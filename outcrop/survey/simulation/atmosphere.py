"""What air and dust do to light on its way down and up, and what an imperfect correction leaves of it.

Bands are seen at about 10 nm. Scattering is single in the path's light and after Bird & Riordan in the sky's; surfaces
do not light the sky.
"""

import csv
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

GASES = Path(__file__).with_name("tables") / "gases.csv"
#: Air mass and column of water (cm) of the reference atmosphere in the table of gases.
AIR_MASS, REFERENCE_WATER = 1.5, 1.42
#: Lines of a band saturate one by one: its absorption grows with about the root of the gas (Goody's strong limit).
GROWTH = 0.5
#: Carbon dioxide above Mars as its lines absorb it, relative to the Earth's: strong ones go with column times pressure,
#: and the column (6 mbar) is 26 times the Earth's, at 160 times less pressure.
MARTIAN_CO2 = 0.16
#: How aerosol and dust scatter forward: asymmetry of Henyey and Greenstein; Martian dust after Tomasko et al. 1999.
ASYMMETRY = 0.65
#: Aerosol's optical depth falls with wavelength to this power, its single-scattering albedo is even.
EXPONENT, AEROSOL_ALBEDO = 1.3, 0.92
#: Martian dust absorbs blue: its albedo at these wavelengths (um), roughly as Ockert-Bell et al. 1997 (from memory).
DUST_ALBEDO = ((0.35, 0.45, 0.55, 0.67, 0.80, 1.0, 2.5), (0.72, 0.76, 0.87, 0.94, 0.96, 0.97, 0.97))
#: Share of scattered light that goes on downwards (Bird & Riordan 1984, for a high sun and g = 0.65).
FORWARD = 0.82
#: Least transmittance that a correction divides by.
OPAQUE = 0.005
#: The sun's temperature (K) and radius (m), metres in an astronomical unit.
SUN_K, SUN_RADIUS, ASTRONOMICAL_UNIT = 5772.0, 6.957e8, 1.495978707e11
#: Twice h c^2 (W m2), h c / k (m K).
RADIATION = (1.191042972e-16, 1.438776877e-2)
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Correction:
    """How a spectrometer above the air sees a surface, and what a correction makes of it; all (B,) by wavelength.

    Parameters
    ----------
    direct, diffuse : shares of sun and sky in the light on flat open ground
    transmittance : of the air, down and up
    path : reflectance of the air itself
    divisor, offset : what the correction takes transmittance and path to be
    """

    direct: Floats
    diffuse: Floats
    transmittance: Floats
    path: Floats
    divisor: Floats
    offset: Floats

    @property
    def gain(self) -> Floats:
        """By what reflectance is multiplied in the end."""
        return self.transmittance / self.divisor

    @property
    def residual(self) -> Floats:
        """What is added to it."""
        return (self.path - self.offset) / self.divisor


@dataclass(frozen=True)
class Atmosphere:
    """A plane layer of air, aerosol and dust under the sun.

    Parameters
    ----------
    sun_elevation_deg : above 0 to 90
    haze : optical depth of aerosol at 0.55 um
    water_cm : column of water vapour in cm
    dust : optical depth of Martian dust, the same at all wavelengths
    pressure : of air, relative to the Earth's; scales its molecules' scattering, ozone and methane
    oxygen, co2 : columns relative to the Earth's, as their lines absorb
    distance_au : from the sun
    """

    sun_elevation_deg: float
    haze: float = 0.0
    water_cm: float = 0.0
    dust: float = 0.0
    pressure: float = 1.0
    oxygen: float = 1.0
    co2: float = 1.0
    distance_au: float = 1.0

    @property
    def sun(self) -> float:
        """Cosine of the sun's zenith angle."""
        return float(np.sin(np.deg2rad(self.sun_elevation_deg)))

    def irradiance(self, wavelengths_um: NDArray[Any]) -> Floats:
        """Irradiance (B,) in W m-2 um-1 of sun and sky on flat open ground."""
        wavelengths = np.asarray(wavelengths_um, dtype=float)
        direct, diffuse = self._scattered(wavelengths)
        through = (direct + diffuse) * self._gases(wavelengths, 1 / self.sun)
        return through * self.sun * solar_irradiance(wavelengths) / self.distance_au**2

    def diffuse_share(self, wavelengths_um: NDArray[Any]) -> Floats:
        """Share (B,) of the light on flat open ground that comes from the sky."""
        direct, diffuse = self._scattered(np.asarray(wavelengths_um, dtype=float))
        return diffuse / (direct + diffuse)

    def correct(self, wavelengths_um: NDArray[Any], taken_for: "Atmosphere") -> Correction:
        """A correction of this atmosphere that takes it for another one; it knows nothing of relief.

        Of what a spectrometer sees above the air, path + T rho, it takes off the other's path and divides by the
        other's transmittance T.
        """
        wavelengths = np.asarray(wavelengths_um, dtype=float)
        diffuse = self.diffuse_share(wavelengths)
        transmittance, path = self._both_ways(wavelengths)
        assumed, offset = taken_for._both_ways(wavelengths)
        return Correction(1 - diffuse, diffuse, transmittance, path, np.maximum(assumed, OPAQUE), offset)

    def misjudged(self, haze: float, water: float) -> "Atmosphere":
        """This atmosphere as a correction may take it: aerosol and dust off by the share ``haze``, gases by ``water``.

        Oxygen and carbon dioxide do not vary; what is left of them stems from the instrument's and the model's errors,
        and stands for a fifth of the error of water.
        """
        gases = 1 + 0.2 * water
        return replace(
            self,
            haze=self.haze * (1 + haze),
            dust=self.dust * (1 + haze),
            water_cm=self.water_cm * (1 + water),
            oxygen=self.oxygen * gases,
            co2=self.co2 * gases,
        )

    def _scattered(self, wavelengths: Floats) -> tuple[Floats, Floats]:
        """Direct and diffuse light (B,) that reaches the ground, but for the gases.

        Bird & Riordan 1984 (SERI/TR-215-2436), eqs. 2-1, 3-5 and 3-6.
        """
        molecules = np.exp(-self.pressure * rayleigh_depth(wavelengths) / self.sun)
        depth, albedo = self._particles(wavelengths)
        absorbed, scattered = np.exp(-(1 - albedo) * depth / self.sun), np.exp(-albedo * depth / self.sun)
        by_molecules = absorbed * (1 - molecules**0.95) * 0.5
        by_particles = absorbed * molecules**1.5 * (1 - scattered) * FORWARD
        return molecules * absorbed * scattered, by_molecules + by_particles

    def _both_ways(self, wavelengths: Floats) -> tuple[Floats, Floats]:
        """Transmittance (B,) down and straight up, and the reflectance (B,) of the path between."""
        air_mass = 1 / self.sun + 1
        gases = self._gases(wavelengths, air_mass)
        molecules = self.pressure * rayleigh_depth(wavelengths)
        particles, albedo = self._particles(wavelengths)
        # What particles scatter forward is not lost, and half of what molecules scatter on the way up still arrives.
        lost = (1 - albedo * FORWARD) * particles
        upward = np.exp(-0.5 * molecules - lost)
        # Chandrasekhar's single scattering; light turns back by 180 degrees less the sun's zenith angle.
        phase = (1 - ASYMMETRY**2) / (1 + ASYMMETRY**2 + 2 * ASYMMETRY * self.sun) ** 1.5
        back, depth = molecules * 0.75 * (1 + self.sun**2) + albedo * particles * phase, (molecules + lost) * air_mass
        weakened = np.divide(-np.expm1(-depth), depth, out=np.ones_like(depth), where=depth > 0)
        path = gases * back * weakened / (4 * self.sun)
        return sum(self._scattered(wavelengths)) * gases * upward, path

    def _particles(self, wavelengths: Floats) -> tuple[Floats, Floats]:
        """Optical depth (B,) of aerosol and dust, and their single-scattering albedo (B,)."""
        aerosol = self.haze * (wavelengths / 0.55) ** -EXPONENT
        depth = aerosol + self.dust
        scattered = AEROSOL_ALBEDO * aerosol + self.dust * np.interp(wavelengths, *DUST_ALBEDO)
        return depth, np.divide(scattered, depth, out=np.ones_like(depth), where=depth > 0)

    def _gases(self, wavelengths: Floats, air_mass: float) -> Floats:
        """Transmittance (B,) of the gases; ways down and up absorb as one, as depths of saturated bands do not add."""
        amounts = {"h2o": self.water_cm / REFERENCE_WATER, "o2": self.oxygen, "co2": self.co2}
        depth = np.zeros_like(wavelengths)
        for gas, centre, sigma, strength in _bands():
            amount = amounts.get(gas, self.pressure) * air_mass / AIR_MASS
            # Ozone's bands have no lines that saturate.
            grown = amount if gas == "o3" else amount**GROWTH
            depth += grown * strength * np.exp(-0.5 * ((wavelengths - centre) / sigma) ** 2)
        return np.exp(-depth)


def terrestrial(sun_elevation_deg: float, haze: float, water_cm: float) -> Atmosphere:
    """Air at the Earth's surface."""
    return Atmosphere(sun_elevation_deg, haze=haze, water_cm=water_cm)


def martian(sun_elevation_deg: float, dust: float) -> Atmosphere:
    """Thin carbon dioxide with dust, at Mars's mean distance from the sun; water vapour is too little to be seen."""
    return Atmosphere(sun_elevation_deg, dust=dust, pressure=0.0, oxygen=0.0, co2=MARTIAN_CO2, distance_au=1.524)


def rayleigh_depth(wavelengths_um: Floats) -> Floats:
    """Optical depth (B,) of the Earth's molecules: Hansen & Travis 1974, eq. 2.30 (doi:10.1007/BF00168069)."""
    inverse = wavelengths_um**-2.0
    return 0.008569 * inverse**2 * (1 + 0.0113 * inverse + 0.00013 * inverse**2)


def solar_irradiance(wavelengths_um: NDArray[Any]) -> Floats:
    """Irradiance (B,) of the sun at 1 au in W m-2 um-1: a black body of 5772 K.

    Smoothed to 10 nm it departs from ASTM G173 by 10 % RMS, at most 20 %, between 0.40 and 2.5 um.
    """
    return np.pi * (SUN_RADIUS / ASTRONOMICAL_UNIT) ** 2 * planck(wavelengths_um, SUN_K)


def planck(wavelengths_um: NDArray[Any], kelvin: float | NDArray[Any]) -> Floats:
    """Spectral radiance of a black body in W m-2 sr-1 um-1; wavelengths and temperatures broadcast."""
    metres = np.asarray(wavelengths_um, dtype=float) * 1e-6
    return 1e-6 * RADIATION[0] / (metres**5 * np.expm1(RADIATION[1] / (metres * kelvin)))


@cache
def _bands() -> tuple[tuple[str, float, float, float], ...]:
    lines = (line for line in GASES.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    return tuple(
        (row["gas"], float(row["centre_um"]), float(row["sigma_um"]), float(row["depth"]))
        for row in csv.DictReader(lines)
    )
