"""Bands of known sensors. ``sensors.csv`` beside this module holds the figures and says where they come from."""

import csv
from functools import cache
from importlib.resources import files

from outcrop.errors import SurveyError
from outcrop.survey.sites import Band


def sensor_bands(name: str) -> tuple[Band, ...]:
    """The bands of a sensor, in the order in which its rasters hold them.

    Raises
    ------
    SurveyError : no such sensor is known.
    """
    known = _sensors()
    if name not in known:
        raise SurveyError(
            f"the sensor `{name}` is not known, only {', '.join(sorted(known))}",
            remedy="use one of these, or name the bands under `bands`",
        )
    return known[name]


@cache
def _sensors() -> dict[str, tuple[Band, ...]]:
    text = files("outcrop.survey").joinpath("sensors.csv").read_text(encoding="utf-8")
    table: dict[str, list[Band]] = {}
    for row in csv.DictReader(line for line in text.splitlines() if not line.startswith("#")):
        band = Band(row["band"], float(row["centre_um"]), float(row["fwhm_um"]))
        table.setdefault(row["sensor"], []).append(band)
    return {sensor: tuple(bands) for sensor, bands in table.items()}
