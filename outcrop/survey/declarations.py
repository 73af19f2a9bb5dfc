"""What a survey declares of a modality, measured or derived: its bands, its unit, and the values it can hold."""

from collections.abc import Iterator
from dataclasses import dataclass

from outcrop.errors import SurveyError
from outcrop.survey.sensors import sensor_bands
from outcrop.survey.sites import Band
from outcrop.survey.surveys import DerivedEntry, MeasuredEntry, Survey


@dataclass(frozen=True)
class Declaration:
    """``bands`` is None where the files say which bands there are; ``range`` is lowest and highest, in ``unit``."""

    bands: tuple[Band, ...] | None
    unit: str
    range: tuple[float, float]


def declare(survey: Survey, modality: str) -> Declaration:
    """What the survey declares of ``modality``.

    Raises
    ------
    SurveyError : an unknown sensor, or bands that the sensor, or the modality that it is derived from, does not have.
    """
    entry = survey.modalities[modality]
    if isinstance(entry, MeasuredEntry):
        return Declaration(_measured_bands(entry, modality), entry.unit, entry.range)
    parent = declare(survey, entry.from_)
    bands: tuple[Band, ...] | None
    if entry.measure == "slope":
        bands, unit, limits = (Band("slope"),), "degree", (0.0, 90.0)
    elif entry.measure == "roughness":
        bands, unit, limits = (Band("roughness"),), parent.unit, (0.0, parent.range[1] - parent.range[0])
    else:
        bands, unit, limits = _seen_bands(entry, parent, modality), parent.unit, parent.range
    return Declaration(bands, entry.unit or unit, entry.range or limits)


def _measured_bands(entry: MeasuredEntry, modality: str) -> tuple[Band, ...] | None:
    if entry.sensor is None:
        return None if entry.bands is None else tuple(Band(name) for name in entry.bands)
    return choose(sensor_bands(entry.sensor), entry.bands, f"the sensor `{entry.sensor}` of `{modality}`")


def _seen_bands(entry: DerivedEntry, parent: Declaration, modality: str) -> tuple[Band, ...] | None:
    if entry.srf is not None:
        return choose(sensor_bands(entry.srf), entry.bands, f"the sensor `{entry.srf}` of `{modality}`")
    if parent.bands is None:
        return None
    return choose(parent.bands, entry.bands, f"`{entry.from_}`, which `{modality}` is derived from,")


def choose(bands: tuple[Band, ...], names: tuple[str, ...] | None, owner: str) -> tuple[Band, ...]:
    """The bands that ``names`` names, in that order; all where it is None. ``owner`` says whose they are.

    Raises
    ------
    SurveyError : there is no band of such a name.
    """
    known = {band.name: band for band in bands}
    missing = [name for name in names or () if name not in known]
    if missing:
        some = ", ".join(list(known)[:15]) + (", ..." if len(known) > 15 else "")
        raise SurveyError(f"{owner} has no band `{missing[0]}`", remedy=f"choose among {some}")
    return bands if names is None else tuple(known[name] for name in names)


def declared_ranges(survey: Survey) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every modality, in its unit."""
    return {modality: declare(survey, modality).range for modality in survey.modalities}


def derivation_order(survey: Survey) -> Iterator[tuple[str, DerivedEntry]]:
    """The derived modalities, each after the one that it is derived from."""
    done = {name for name, entry in survey.modalities.items() if isinstance(entry, MeasuredEntry)}
    left = {name: entry for name, entry in survey.modalities.items() if isinstance(entry, DerivedEntry)}
    while left:
        ready = [name for name, entry in left.items() if entry.from_ in done]
        for name in ready:
            yield name, left.pop(name)
        done.update(ready)
