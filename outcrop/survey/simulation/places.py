"""The simulated places: what `places.yaml` holds, checked and typed.

To make another place, add it to `places.yaml`; nothing else knows the places by name.
"""

from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from outcrop.errors import SurveyError
from outcrop.settings import NonNegative, Section, Seed, Share, build, read_yaml
from outcrop.survey.simulation.endmembers import ENDMEMBERS
from outcrop.survey.simulation.units import UNITS, Above, known, units, whole

HERE = Path(__file__).parent
Degrees = Annotated[float, Field(ge=0, le=360)]


class UnitWeights(Section):
    """Something that one of several units fills, by weight."""

    units: dict[str, Above] = Field(min_length=1)

    @field_validator("units")
    @classmethod
    def _units_known(cls, value: dict[str, float]) -> dict[str, float]:
        return known(value, UNITS)


class Origin(Section):
    """Where the scene's north-western corner lies; without a CRS it has pixel coordinates."""

    crs: str | None
    east: float
    north: float


class Sun(Section):
    """Azimuth clockwise from north, and elevation, in degrees."""

    azimuth: Degrees
    elevation: Annotated[float, Field(gt=0, le=90)]


class Air(Section):
    """Optical depth of haze and of Martian dust, column of water; and by how much the correction mistakes them."""

    haze: NonNegative
    water_cm: NonNegative
    dust: NonNegative
    haze_error: NonNegative
    water_error: NonNegative


class CameraEntry(Section):
    """``name`` in the table of cameras; the white balance is off by ``cast``; ``white`` fills the well."""

    name: str
    cast: tuple[Above, Above, Above]
    white: Above


class Relief(Section):
    """Heights in metres.

    Parameters
    ----------
    base_m, height_m : lowest ground, and the range above it in a site of 1 km
    erosion : share of the relief that rivers have shaped
    roughness_m : standard deviation over a cell or two
    craters : wider than 20 m, in a square kilometre; their number falls with the square of the diameter
    degradation : how far they are filled and worn, 0-1
    delta_m : height of a delta's front; 0: there is none
    """

    base_m: float
    height_m: Above
    erosion: Share
    roughness_m: NonNegative
    craters: NonNegative = 0.0
    degradation: Share = 0.0
    delta_m: NonNegative = 0.0


class Beds(Section):
    """Layers, made of lenses; lengths in cells.

    Parameters
    ----------
    thickness, length : of a lens on the map, across and along the strike
    strike : degrees clockwise from north
    spread : cells by which a metre of height moves a layer's outcrop across its strike: flat layers move more
    fold : amplitude of folds
    """

    thickness: Above
    length: Above
    strike: Degrees
    spread: NonNegative
    fold: NonNegative


class Faults(UnitWeights):
    """Parallel faults, ``spacing`` cells apart, that shift what is older by about ``throw`` cells; veins fill them."""

    spacing: Above
    strike: Degrees
    throw: NonNegative
    width: NonNegative


class Dykes(UnitWeights):
    """Parallel dykes: ``share`` of the places, ``spacing`` cells apart, hold one of about ``width`` cells."""

    spacing: Above
    strike: Degrees
    share: Share
    width: Above


class Stocks(UnitWeights):
    """Round intrusions of about ``radius`` cells at ``share`` of the places, ``spacing`` cells apart."""

    spacing: Above
    share: Share
    radius: Above


class Talus(Section):
    """Debris that has come down up to ``reach`` cells from slopes of more than ``steep`` degrees."""

    steep: Above
    reach: Above


class Deposits(Section):
    """Shares of the site under loose ground and plants: clay where water gathers, soil around it and in hollows."""

    clay: Share
    soil: Share
    vegetation: Share


class Coating(Section):
    """Weathering rind or dust: mean share of the surface, and the endmembers' shares in it."""

    amount: Annotated[float, Field(gt=0, lt=1)]
    endmembers: dict[str, Above]

    @field_validator("endmembers")
    @classmethod
    def _whole(cls, value: dict[str, float]) -> dict[str, float]:
        return whole(value)


class Farm(Section):
    """Fields over which crushed rock was spread.

    Parameters
    ----------
    plot, lane : side of a plot and breadth of the lanes between plots, in cells
    strike : direction of the rows, degrees clockwise from north
    treatments : share of the plots that each unit was spread over; soil: nothing
    rate : least and greatest share of the ground that it covers
    grain : least and greatest grain of the crushed rock, relative to the endmembers' spectra
    depth_mm : to which what can be seen is mixed; what dissolves there changes the soil's pH
    moisture : share of the time in which grains are wet
    retained : share of the dissolved calcium and magnesium that stays as carbonate; the rest leaves with the water
    """

    plot: Above
    lane: NonNegative
    strike: Degrees
    treatments: dict[str, Above]
    rate: tuple[Share, Share]
    grain: tuple[Above, Above]
    depth_mm: Above
    moisture: Share
    retained: Share

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known(self.treatments, UNITS)
        if self.rate[0] > self.rate[1] or self.grain[0] > self.grain[1]:
            raise ValueError("rate and grain must be [least, greatest]")
        return self


class Place(Section):
    """One simulated place.

    Parameters
    ----------
    temperature_k : mean of the day
    bedrock : weights of the units in the layers
    composition : by unit, what is added to the mean fractions of endmembers there, before they are made to sum to 1
    plants : mean cover of single green plants outside the unit of vegetation
    grain : factor of all grain diameters
    ph : added to the pH of soil
    specimens : seed of the mineral specimens, whose spectra differ from place to place
    years : after the first date, at which the place was surveyed again
    """

    title: str
    planet: Literal["earth", "mars"]
    grid: Origin
    sun: Sun
    air: Air
    temperature_k: Above
    camera: CameraEntry
    relief: Relief
    bedrock: dict[str, Above] = Field(min_length=1)
    beds: Beds
    faults: Faults | None = None
    dykes: Dykes | None = None
    stocks: Stocks | None = None
    talus: Talus | None = None
    deposits: Deposits
    composition: dict[str, dict[str, float]] = Field(default_factory=dict)
    coating: Coating
    plants: Share
    grain: Above
    ph: float
    specimens: Seed
    farm: Farm | None = None
    years: tuple[Above, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        known(self.bedrock, UNITS)
        for unit, shift in self.composition.items():
            known({unit: 1.0}, UNITS)
            known(shift, ENDMEMBERS)
            if sum(mean_composition(self, unit)) <= 0:
                raise ValueError(f"nothing is left of the composition of {unit}")
        if self.planet == "mars" and (self.plants or self.deposits.vegetation or self.air.haze):
            raise ValueError("there are no plants and no haze on Mars")
        return self


def load_places(path: Path = HERE / "places.yaml") -> dict[str, Place]:
    """All places of a file by name.

    Raises
    ------
    SurveyError : the file cannot be read, or says something impossible.
    """
    return {
        name: build(Place, value, f"{path}, {name}", SurveyError)
        for name, value in read_yaml(path, SurveyError).items()
    }


def mean_composition(place: Place, unit: str) -> NDArray[np.float64]:
    """Mean volume fractions (E,) of a unit at a place, summing to 1 (to 0 where the place takes all away)."""
    mean, shift = units()[unit].composition, place.composition.get(unit, {})
    fractions = np.array([max(mean.get(name, 0.0) + shift.get(name, 0.0), 0.0) for name in ENDMEMBERS])
    return fractions / max(float(fractions.sum()), 1e-12)
