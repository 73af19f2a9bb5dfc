"""What the words of labels mean: the class of each feature, from its attribute or from a table joined to it."""

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from outcrop.errors import DataError
from outcrop.survey.entries import PointEntry, PolygonEntry
from outcrop.survey.raw.csvfiles import column, listed, normalized, read_table, texts
from outcrop.survey.raw.sources import raw_file
from outcrop.survey.raw.vectors import counted
from outcrop.survey.sites import NO_LABEL
from outcrop.survey.surveys import Survey

if TYPE_CHECKING:
    import geopandas as gpd

#: The words that the survey's label files say of one feature. None: nothing is said, for the table does not know it.
Words = set[str] | None


def classify(
    features: "gpd.GeoDataFrame", entry: PolygonEntry | PointEntry, survey: Survey, raw: Path
) -> tuple[NDArray[np.uint8], list[str]]:
    """Find the class of each feature.

    Returns
    -------
    places, notes : places in the vocabulary (n,), `NO_LABEL` where there is none; why features got no label, in words

    Raises
    ------
    SurveyError : a column is missing, or the table.
    DataError : words that are neither classes nor in the survey's mapping; the table is damaged.
    """
    words = _own_words(features, entry, raw) if entry.join is None else _joined_words(features, entry, raw)
    known = vocabulary(survey)
    unknown = sorted({word for said in words for word in said or ()} - set(known))
    if unknown:
        raise DataError(
            f"the survey has no class for {counted(len(unknown), 'word')} of `{entry.attribute}` "
            f"({listed([repr(word[:60]) for word in unknown], 3)})",
            where=raw / (entry.join.table if entry.join else entry.file),
            remedy="add what they mean to `mapping` of the survey",
        )
    meanings = [{known[word] for word in said or ()} for said in words]
    places = [min(meaning) if len(meaning) == 1 else NO_LABEL for meaning in meanings]
    return np.array(places, dtype=np.uint8), _tell(words, meanings, entry)


def _tell(words: list[Words], meanings: list[set[int]], entry: PolygonEntry | PointEntry) -> list[str]:
    table = f"in {PurePosixPath(entry.join.table).name}" if entry.join else ""
    reasons = {
        f"no row {table}": words.count(None),
        f"no value of `{entry.attribute}`": words.count(set()),
        f"rows of two classes {table}": sum(len(meaning) > 1 for meaning in meanings),
    }
    return [f"{counted(number, entry.noun)} got no label: {reason}" for reason, number in reasons.items() if number]


def _own_words(features: "gpd.GeoDataFrame", entry: PolygonEntry | PointEntry, raw: Path) -> list[Words]:
    return [{word} if word else set() for word in texts(column(features, entry.attribute, raw / entry.file))]


def _joined_words(features: "gpd.GeoDataFrame", entry: PolygonEntry | PointEntry, raw: Path) -> list[Words]:
    assert entry.join is not None
    path, key = raw_file(raw, entry.join.table), entry.join.key
    table = read_table(path)
    rows: dict[str | None, set[str]] = defaultdict(set)
    for found, word in zip(texts(column(table, key, path)), texts(column(table, entry.attribute, path)), strict=True):
        rows[found].update({word} if word else ())
    rows.pop(None, None)
    return [rows.get(found) for found in texts(column(features, key, raw / entry.file))]


def vocabulary(survey: Survey) -> dict[str, int]:
    """Places of the words that the survey knows: classes by name, by what the mapping says, and by value."""
    places = {entry.name: place for place, entry in enumerate(survey.classes)}
    mapped = {word: NO_LABEL if name is None else places[name] for word, name in survey.mapping.items()}
    values = {str(entry.value): place for place, entry in enumerate(survey.classes) if entry.value is not None}
    return {normalized(word): place for word, place in (values | mapped | places).items()}
