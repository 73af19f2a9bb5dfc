"""Trials of a search: each is run once, kept at once, and found again after a kill."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from math import isfinite, nan
from pathlib import Path
from typing import Any, Protocol

from outcrop.errors import WorkspaceError
from outcrop.learning.spaces import Candidate

#: How much the log-likelihood can count: less than any difference of macro-F1 that a few thousand cells can show.
TIE = 1e-6


@dataclass(frozen=True)
class Trial:
    """One training of a student: with which values, for which share of its epochs, from which seed."""

    candidate: Candidate
    fidelity: float
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a trained student scored on the validation blocks, against hard labels and at temperature 1."""

    macro_f1: float
    nll: float
    seconds: float

    @property
    def loss(self) -> float:
        """1 - macro-F1 + 1e-6 nll / (1 + nll): what is minimised.

        The second term is bounded, so that it breaks ties and does nothing else; a training that diverged is worse than
        any that did not, rather than an error. The distillation's own loss would not do: it depends on the temperature
        and the weights that are searched, and falls to 0 as the temperature grows.
        """
        tie = self.nll / (1 + self.nll) if isfinite(self.nll) else 1.0
        return 1 - (self.macro_f1 if isfinite(self.macro_f1) else 0.0) + TIE * tie


#: Trains the student of a trial and scores it; everything else that it depends on stands in the memo's context.
Objective = Callable[[Trial], Outcome]
Measured = tuple[Trial, Outcome]


class Workers(Protocol):
    """Like `map`: a function over trials, here, in threads, in processes or on a cluster.

    Results may come in any order, for each names its trial; a lazy map has every result kept as soon as it is there.
    """

    def __call__(self, function: Callable[[Trial], Measured], trials: Sequence[Trial], /) -> Iterable[Measured]: ...


class Tell(Protocol):
    """Told once of every trial: it was run now (``fresh``), or found from an earlier search."""

    def __call__(self, trial: Trial, outcome: Outcome, fresh: bool, /) -> None: ...


class Memo:
    """Outcomes by trial, in a file of JSON lines that only grows.

    Every line bears the ``context`` (a digest, say, of data, code and teacher) in which its trial was run; those of
    other contexts are left alone. A line that cannot be read, such as one that a kill cut short, is a trial not run.
    """

    def __init__(self, path: Path, context: str) -> None:
        self._path, self._context = path, context
        self._outcomes = dict(self._read())

    def __contains__(self, trial: Trial) -> bool:
        return trial in self._outcomes

    def __getitem__(self, trial: Trial) -> Outcome:
        return self._outcomes[trial]

    def keep(self, trial: Trial, outcome: Outcome) -> None:
        """Write an outcome through to the file.

        Raises
        ------
        WorkspaceError : the file cannot be written.
        """
        line = json.dumps(
            {
                "context": self._context,
                "values": dict(trial.candidate.values),
                "fidelity": trial.fidelity,
                "seed": trial.seed,
                "outcome": {name: value if isfinite(value) else None for name, value in asdict(outcome).items()},
            },
            allow_nan=False,
        )
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("ab") as stream:
                stream.write(f"{line}\n".encode())
        except OSError as cause:
            raise self._failure("written", cause) from cause
        self._outcomes[trial] = outcome

    def _read(self) -> Iterator[Measured]:
        try:
            content = self._path.read_bytes() if self._path.exists() else b""
            if content and not content.endswith(b"\n"):
                # What a kill cut short must not run into the next line.
                with self._path.open("ab") as stream:
                    stream.write(b"\n")
        except OSError as cause:
            raise self._failure("read", cause) from cause
        for line in content.split(b"\n"):
            with suppress(ValueError, KeyError, TypeError, AttributeError):
                entry = json.loads(line)
                if entry["context"] == self._context:
                    yield _measured(entry)

    def _failure(self, what: str, cause: OSError) -> WorkspaceError:
        reason = (cause.strerror or str(cause)).lower()
        return WorkspaceError(f"the trials cannot be {what}: {reason}", where=self._path, remedy="check the folder")


def _measured(entry: dict[str, Any]) -> Measured:
    candidate = Candidate(tuple((name, float(value)) for name, value in entry["values"].items()))
    scores = {name: nan if value is None else float(value) for name, value in entry["outcome"].items()}
    return Trial(candidate, float(entry["fidelity"]), int(entry["seed"])), Outcome(**scores)


def _measure(objective: Objective, trial: Trial) -> Measured:
    return trial, objective(trial)


class Trials:
    """Runs trials, each once: the memo has what was run before."""

    def __init__(self, objective: Objective, memo: Memo, workers: Workers, tell: Tell) -> None:
        self._objective, self._memo, self._workers, self._tell = objective, memo, workers, tell
        self._told: set[Trial] = set()

    def run(self, trials: Sequence[Trial]) -> list[Outcome]:
        """Outcomes in the order of ``trials``, among which one may occur twice."""
        missing = [trial for trial in dict.fromkeys(trials) if trial not in self._memo]
        for trial in dict.fromkeys(trials):
            if trial in self._memo:
                self._say(trial, fresh=False)
        for trial, outcome in self._workers(partial(_measure, self._objective), missing) if missing else ():
            self._memo.keep(trial, outcome)
            self._say(trial, fresh=True)
        return [self._memo[trial] for trial in trials]

    def _say(self, trial: Trial, fresh: bool) -> None:
        if trial not in self._told:
            self._told.add(trial)
            self._tell(trial, self._memo[trial], fresh)
