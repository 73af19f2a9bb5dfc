"""All instruments of a simulated survey, by the modality that each gives."""

from dataclasses import dataclass

from outcrop.survey.simulation.atmosphere import Atmosphere, martian, terrestrial
from outcrop.survey.simulation.cameras import Camera, camera
from outcrop.survey.simulation.gammarays import spectrometer
from outcrop.survey.simulation.imagers import HYPERSPECTRAL, MULTISPECTRAL, image
from outcrop.survey.simulation.photographs import photograph
from outcrop.survey.simulation.places import Place
from outcrop.survey.simulation.rangers import scanner
from outcrop.survey.simulation.surfaces import Surface
from outcrop.survey.simulation.thermometers import Weather, martian_weather, terrestrial_weather, thermometer
from outcrop.survey.simulation.tiles import Instrument

#: The modalities; the place of each in this list sets its noise apart, so that new ones go last.
MODALITIES = ("rgb", "hyperspectral", "multispectral", "thermal", "gamma", "elevation")


@dataclass(frozen=True)
class Campaign:
    """What holds for all flights over a place.

    Parameters
    ----------
    mistaken : by what share corrections misjudge aerosol or dust, and gases (1 sigma each)
    cast : factors of red, green and blue by which the camera's white balance is off
    white : reflectance of flat ground that fills the camera's well
    """

    atmosphere: Atmosphere
    weather: Weather
    mistaken: tuple[float, float]
    camera: Camera
    cast: tuple[float, float, float]
    white: float


def campaign(place: Place) -> Campaign:
    """The campaign over a simulated place.

    Raises
    ------
    SurveyError : its camera is not known.
    """
    height, air = place.sun.elevation, place.air
    if place.planet == "mars":
        atmosphere, weather = martian(height, air.dust), martian_weather(place.temperature_k)
    else:
        atmosphere, weather = terrestrial(height, air.haze, air.water_cm), terrestrial_weather(place.temperature_k)
    mistaken = air.haze_error, air.water_error
    return Campaign(atmosphere, weather, mistaken, camera(place.camera.name), place.camera.cast, place.camera.white)


def instruments(surface: Surface, flown: Campaign, entropy: tuple[int, ...]) -> dict[str, Instrument]:
    """The instruments over a surface, by modality; each has random numbers of its own.

    Parameters
    ----------
    entropy : whole numbers, at least 0, that set this campaign's noise and errors apart from all others
    """
    air, mistaken = flown.atmosphere, flown.mistaken
    seeds = {modality: (*entropy, number + 1) for number, modality in enumerate(MODALITIES)}
    return {
        "rgb": photograph(surface, air, flown.camera, flown.cast, flown.white, seeds["rgb"]),
        "hyperspectral": image(HYPERSPECTRAL, surface, air, mistaken, seeds["hyperspectral"]),
        "multispectral": image(MULTISPECTRAL, surface, air, mistaken, seeds["multispectral"]),
        "thermal": thermometer(surface, air, flown.weather, seeds["thermal"]),
        "gamma": spectrometer(surface, seeds["gamma"]),
        "elevation": scanner(surface, seeds["elevation"]),
    }
