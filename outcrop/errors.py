"""The one base class of every error that a user can cause."""

from copyreg import __newobj__  # type: ignore[attr-defined]
from typing import Any


class OutcropError(Exception):
    """Something a user can mend: one sentence that says what is wrong, where, and the remedy.

    The command line prints the sentence and exits with code 2; a traceback is never shown for it.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str = "") -> None:
        place = f" ({where})" if where is not None else ""
        advice = f"; {remedy}" if remedy else ""
        super().__init__(f"{what}{place}{advice}.")

    def __reduce__(self) -> tuple[Any, ...]:
        """Of an error that another process sends, the sentence is made already."""
        return __newobj__, (type(self), *self.args)


class ParamsError(OutcropError):
    """A parameter is unknown, missing, of the wrong type, or contradicts another."""


class SurveyError(OutcropError):
    """A survey file, or what it points to, cannot be used."""


class SiteError(OutcropError):
    """A site on disk is missing, damaged, or not what its manifest says."""


class DataError(OutcropError):
    """The data themselves are unfit: wrong values, no support, nothing left to train on."""


class ModelError(OutcropError):
    """A stored model cannot be loaded, or does not fit the data it is asked to see."""


class WorkspaceError(OutcropError):
    """The workspace (DVC, stores, folders) is not in a state in which the command can run."""


class RecordError(OutcropError):
    """A record or the ledger is missing, damaged, or cannot be written."""
