"""Expectations: which values of the tables in `outcrop.survey.checks` are good, in files that a survey team edits.

A folder holds one YAML file a table. Each entry is an expectation in Great Expectations' own terms (type, arguments,
severity) with the words for a row that does not meet it. All but the types and their arguments is checked here, before
any data are read; those are checked where Great Expectations is (``tasks/validate.py``).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from outcrop.errors import SurveyError
from outcrop.settings import Section, build, read_yaml
from outcrop.survey.checks import TABLES

Severity = Literal["warning", "critical"]
#: Arguments of an expectation that name columns.
COLUMNS = ("column", "column_A", "column_B", "column_list")


class Meta(Section):
    """The name of the check, the same at both severities, and a format string over the row's columns and ``kwargs``."""

    check: Annotated[str, Field(min_length=1)]
    sentence: Annotated[str, Field(min_length=1)]


class Expectation(Section):
    """What is expected of every row of a table: ``warning`` is shown, ``critical`` stops the flow."""

    type: str
    kwargs: dict[str, Any]
    severity: Severity
    meta: Meta

    def words(self, row: Mapping[str, Any]) -> str:
        """The sentence about a row."""
        return self.meta.sentence.format(**{**self.kwargs, **row})

    def columns(self) -> list[Any]:
        """The columns that the arguments name."""
        named = [self.kwargs[key] for key in COLUMNS if key in self.kwargs]
        return [column for entry in named for column in (entry if isinstance(entry, list) else [entry])]


class Suite(Section):
    """All that is expected of one table."""

    expectations: Annotated[tuple[Expectation, ...], Field(min_length=1)]


#: The expectations of each table, in the order in which findings are told.
Suites = dict[str, tuple[Expectation, ...]]


def read_suites(folder: Path) -> Suites:
    """The expectations that the YAML files of a folder hold, each named like its table.

    Raises
    ------
    SurveyError : one sentence on the first thing that is wrong.
    """
    files = {path.stem: path for path in sorted(folder.glob("*.yaml"))}
    if not files:
        raise SurveyError(
            "there are no expectations of the data",
            where=folder,
            remedy="copy data/expectations from Outcrop's repository, or correct `expectations` of the survey",
        )
    for name, path in files.items():
        if name not in TABLES:
            raise SurveyError(f"there is no table `{name}`", where=path, remedy=f"choose among {', '.join(TABLES)}")
    return {name: _read_suite(name, files[name]) for name in TABLES if name in files}


def _read_suite(table: str, path: Path) -> tuple[Expectation, ...]:
    suite = build(Suite, read_yaml(path, SurveyError), path, SurveyError)
    for entry in suite.expectations:
        _check_columns(entry, table, path)
        _check_words(entry, table, path)
    return suite.expectations


def _check_columns(entry: Expectation, table: str, path: Path) -> None:
    known = TABLES[table].columns
    named = entry.columns()
    unknown = [column for column in named if not isinstance(column, str) or column not in known]
    if unknown or not named:
        what = f"names the column `{unknown[0]}`, which the table does not have" if unknown else "names no column"
        raise SurveyError(f"check `{entry.meta.check}` {what}", where=path, remedy=f"choose among {', '.join(known)}")


def _check_words(entry: Expectation, table: str, path: Path) -> None:
    """Try the sentence on a row of nothings."""
    known = TABLES[table].columns
    try:
        entry.words({name: kind() for name, kind in known.items()})
    except (KeyError, IndexError) as cause:
        raise SurveyError(
            f"the sentence of check `{entry.meta.check}` names `{cause.args[0]}`, which is no column of the table",
            where=path,
            remedy=f"choose among {', '.join([*known, *entry.kwargs])}",
        ) from cause
    except (ValueError, TypeError, AttributeError) as cause:
        raise SurveyError(
            f"the sentence of check `{entry.meta.check}` cannot be filled in: {cause}",
            where=path,
            remedy="write it as a Python format string over the columns of the table",
        ) from cause
