"""Tables as a user brings them (CSV in UTF-8): every value is a text, every row is known by its line in the file."""

import csv
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING
from unicodedata import normalize

import numpy as np

from outcrop.errors import DataError, SurveyError

if TYPE_CHECKING:
    import pandas as pd


def read_table(path: Path) -> "pd.DataFrame":
    """Read a CSV file. What is read is kept for the next scene, hence not to be changed.

    Returns
    -------
    one column of texts a column of the file; the index is the line number, from 1

    Raises
    ------
    DataError : it is no table, is not UTF-8, or a line has more or fewer values than the header.
    SurveyError : two columns have the same name.
    """
    stat = path.stat()
    return _read(path, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=2)
def _read(path: Path, modified: int, size: int) -> "pd.DataFrame":
    import pandas as pd  # heavy, and few surveys have tables

    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, row) for row in reader if row]
    except (OSError, ValueError, csv.Error) as cause:
        raise DataError("the table cannot be read", where=path, remedy="export it as CSV in UTF-8 again") from cause
    if not rows:
        raise DataError("the table is empty", where=path, remedy="export it again")
    header = [name.strip() for name in rows.pop(0)[1]]
    if twice := [name for name in header if header.count(name) > 1]:
        raise SurveyError(f"the table has two columns `{twice[0]}`", where=path, remedy="rename one")
    for line, row in rows:
        if len(row) != len(header):
            raise DataError(
                f"line {line} has {len(row)} values, the header has {len(header)}", where=path, remedy="correct it"
            )
    lines, values = [line for line, _ in rows], [row for _, row in rows]
    return pd.DataFrame(values, columns=header, index=lines, dtype=object)


def column(table: "pd.DataFrame", name: str, path: Path) -> "pd.Series":
    """One column of a table, or of the attributes of features.

    Raises
    ------
    SurveyError : there is no such column; the error names those that there are.
    """
    names = [str(each) for each in table.columns if each != getattr(table, "active_geometry_name", None)]
    if name not in names:
        raise SurveyError(f"there is no column `{name}`, only {listed(names)}", where=path, remedy="choose one")
    return table[name]


def listed(names: Iterable[str], limit: int = 15) -> str:
    """Names for an error, the first ``limit`` of them."""
    some = [str(name) for name in names]
    return ", ".join(some[:limit]) + (", ..." if len(some) > limit else "") if some else "none"


def texts(values: "pd.Series") -> list[str | None]:
    """Values as texts that can be compared: whole numbers without a point, accents composed; None where missing."""
    return [None if void else _text(value) for value, void in zip(values, values.isna(), strict=True)]


def _text(value: object) -> str | None:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    return normalized(str(value)) or None


def normalized(word: str) -> str:
    """A word without blanks around it, its accents composed with their letters (Unicode NFC)."""
    return normalize("NFC", word.strip())
