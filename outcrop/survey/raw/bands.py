"""Which bands a raw raster has: what the survey, its sensors and tables say, and what the files say themselves."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING

from outcrop.errors import DataError, SurveyError
from outcrop.survey.declarations import declare
from outcrop.survey.raw.csvfiles import column, read_table
from outcrop.survey.raw.headers import Read
from outcrop.survey.raw.sources import Source, raw_file
from outcrop.survey.sites import Band
from outcrop.survey.surveys import BandNumbers, MeasuredEntry, Survey

if TYPE_CHECKING:
    import pandas as pd


def take(source: Source, numbers: Sequence[BandNumbers] | None) -> Source:
    """The raster with only the bands that ``numbers`` names, in that order; all where it is None.

    Raises
    ------
    SurveyError : there is no such band, a range runs backwards, or a band is named twice.
    """
    if numbers is None:
        return source
    chosen = [number - 1 for each in numbers for number in _numbers(each)]
    wrong = [f"the empty range {each}" for each in numbers if not _numbers(each)]
    wrong += [f"band {band + 1}" for band in chosen if band >= source.count]
    wrong += [f"band {band + 1} twice" for band in chosen if chosen.count(band) > 1]
    if wrong:
        raise SurveyError(
            f"`take` names {wrong[0]}, the raster has {source.count} bands",
            where=source.path,
            remedy="correct it in the survey",
        )
    header = source.header

    def open_bands(places: Sequence[int]) -> AbstractContextManager[Read]:
        return header.open_bands([chosen[place] for place in places])

    bands = tuple(header.bands[band] for band in chosen)
    return replace(source, header=replace(header, bands=bands, open_bands=open_bands))


def _numbers(each: BandNumbers) -> range:
    """A band's number, or the numbers of a range such as "4-9"; one that runs backwards has none."""
    first, _, last = str(each).partition("-")
    return range(int(first), int(last or first) + 1)


def raster_bands(source: Source, modality: str, survey: Survey) -> tuple[Band, ...]:
    """Bands of a modality whose raw raster is ``source``.

    Names are the survey's, else the file's. Wavelengths are those of the survey's table, else the file's, else the
    sensor's, which are nominal.

    Raises
    ------
    SurveyError, DataError : the survey names another number of bands; its sensor or its table cannot be used.
    """
    entry = survey.modalities[modality]
    assert isinstance(entry, MeasuredEntry)
    named = declare(survey, modality).bands
    said = f"the sensor `{entry.sensor}`" if entry.sensor else "`bands`"
    if entry.wavelengths is not None:
        named = _read_bands(raw_file(source.raw, entry.wavelengths), source.bands)
        said = f"the table `{entry.wavelengths}`"
    if named is None:
        return source.bands
    if source.count != len(named):
        raise SurveyError(
            f"the raster of `{modality}` has {source.count} bands, {said} in the survey names {len(named)}",
            where=source.path,
            remedy="correct the survey or choose the bands",
        )
    if entry.wavelengths is not None:
        return named
    return tuple(_seen(*both) for both in zip(named, source.bands, strict=True))


def _seen(named: Band, own: Band) -> Band:
    """A band of the survey with the wavelengths that the file gives it."""
    if own.centre_um is None:
        return named
    return replace(named, centre_um=own.centre_um, fwhm_um=own.fwhm_um or named.fwhm_um)


def _read_bands(path: Path, unnamed: tuple[Band, ...]) -> tuple[Band, ...]:
    """Bands of a table with the columns ``centre_um``, ``fwhm_um`` and perhaps ``band``, else with the files' names."""
    table = read_table(path)
    centres, widths = _positive(table, "centre_um", path), _positive(table, "fwhm_um", path)
    names = [text.strip() for text in table["band"]] if "band" in table else [band.name for band in unnamed]
    if "band" in table and ("" in names or len(set(names)) < len(names)):
        raise SurveyError("two bands have the same name, or one has none", where=path, remedy="correct column `band`")
    if len(names) != len(centres):
        names = [str(place + 1) for place in range(len(centres))]
    return tuple(Band(*each) for each in zip(names, centres, widths, strict=True))


def _positive(table: "pd.DataFrame", name: str, path: Path) -> list[float]:
    """Numbers of a column of the table."""
    values = []
    for line, text in column(table, name, path).items():
        try:
            values.append(float(text))
        except ValueError:
            values.append(nan)
        if not 0 < values[-1] < inf:
            raise DataError(f"line {line} has `{text}` as {name}", where=path, remedy="write a wavelength there")
    return values
