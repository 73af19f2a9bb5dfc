"""The ladder: what every rung keeps of the teacher, by each way of training its student, over seeds.

Use it to say which sensors can stay at home. Every model is scored on the same test cells, and a bootstrap draw takes
the same blocks for all models and seeds: a value is the mean over seeds of a metric, a draw's value the mean over seeds
of the metric on its blocks. Retentions and shares are quotients of such means, so that one seed that gains next to
nothing does not decide them. The intervals tell what other blocks would have done, not what other seeds would have:
``by_seed`` shows these.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from pydantic import TypeAdapter

from outcrop.errors import DataError
from outcrop.learning.metrics import (
    Array,
    Estimate,
    Scored,
    block_sums,
    class_f1,
    estimate,
    kept,
    paired_weights,
    scalars,
    share_of,
)

#: How a rung's student is trained: on labels alone; from the teacher; the same for as long as the whole chain takes;
#: from the rungs above, one after another; from the teacher's outputs for other cells.
Method = Literal["control", "direct", "direct_equal_compute", "progressive", "shuffled_teacher"]
#: The share of the teacher's macro-F1 that a rung must keep to do.
ENOUGH = 0.965


@dataclass(frozen=True)
class SeedScores:
    """What the models of one seed said of the test cells: the teacher, and the students by rung and method."""

    teacher: Scored
    students: Mapping[str, Mapping[Method, Scored]]


@dataclass(frozen=True)
class Scores:
    """How a model did. ``class_f1`` holds the classes that the test has; ``worst_class`` is the one of lowest F1."""

    macro_f1: Estimate
    by_seed: tuple[float, ...]
    nll: Estimate
    ece: Estimate
    class_f1: dict[str, Estimate]
    worst_class: str

    @property
    def worst_f1(self) -> Estimate:
        """F1 of the worst class."""
        return self.class_f1[self.worst_class]


@dataclass(frozen=True)
class Gain:
    """Macro-F1 of one method less that of another, paired by block."""

    difference: Estimate
    by_seed: tuple[float, ...]


@dataclass(frozen=True)
class Share:
    """A quotient of differences, or the reason why it is refused."""

    estimate: Estimate | None
    refused: str = ""


@dataclass(frozen=True)
class Outcome:
    """What one method made of a rung.

    Parameters
    ----------
    retention : student's / teacher's macro-F1
    class_retention : the same of every class's F1; None where that of the teacher may be 0
    gap_recovered : (student - control) / (teacher - control)
    over : gains over each other method of the rung; that over the control is what distillation is worth
    """

    scores: Scores
    retention: Estimate
    class_retention: dict[str, Estimate | None]
    gap_recovered: Share
    over: dict[Method, Gain]


@dataclass(frozen=True)
class RungResult:
    """All methods on one rung.

    ``gain_ratio`` is (progressive - control) / (other - control), by the other: ``direct``, ``direct_equal_compute``.
    """

    methods: dict[Method, Outcome]
    gain_ratio: dict[Method, Share]


@dataclass(frozen=True)
class Ladder:
    """Teacher and rungs on the same test cells; ``support`` counts the cells of the classes that the test has."""

    seeds: tuple[int, ...]
    support: dict[str, int]
    blocks: int
    teacher: Scores
    rungs: dict[str, RungResult]


def measure_ladder(
    scores: Iterable[tuple[int, SeedScores]], class_names: Sequence[str], *, bins: int, draws: int, seed: int
) -> Ladder:
    """Everything that can be said of the rungs.

    Parameters
    ----------
    scores : seed and its models; taken one after another: a generator need not hold all seeds' probabilities
    bins, draws, seed : of the calibration error, and of the bootstrap

    Raises
    ------
    DataError : there is no seed, the models were not scored on the same cells, or a seed lacks one of them.
    """
    cells, weights, values = _collect(scores, bins, draws, seed)
    means = {name: _Values.mean(list(by_seed.values())) for name, by_seed in values.items()}
    support = np.bincount(cells.labels, minlength=len(class_names))
    names = {c: name for c, name in enumerate(class_names) if support[c]}
    teacher = means.pop(_TEACHER)
    rungs: dict[str, dict[Method, _Values]] = {}
    for (rung, method), mean in means.items():
        rungs.setdefault(rung, {})[cast(Method, method)] = mean
    return Ladder(
        seeds=tuple(values[_TEACHER]),
        support={name: int(support[c]) for c, name in names.items()},
        blocks=weights.shape[1],
        teacher=teacher.scores(names),
        rungs={rung: _rung(methods, teacher, names) for rung, methods in rungs.items()},
    )


#: Models by rung and method.
_Name = tuple[str, str]
_TEACHER: _Name = ("", "teacher")


def _collect(
    scores: Iterable[tuple[int, SeedScores]], bins: int, draws: int, seed: int
) -> tuple[Scored, Array, dict[_Name, dict[int, "_Values"]]]:
    """The first model with its cells, the weights of their blocks, and every model's values by seed."""
    values: dict[_Name, dict[int, _Values]] = {}
    for number, models in scores:
        named: dict[_Name, Scored] = {_TEACHER: models.teacher}
        for rung, methods in models.students.items():
            named |= {(rung, method): scored for method, scored in methods.items()}
        if not values:
            cells, values = models.teacher, {name: {} for name in named}
            weights = paired_weights(len(np.unique(cells.blocks)), draws, seed)
        _check(cells, named, values, number)
        for name, scored in named.items():
            values[name][number] = _Values.of(scored, weights, bins)
    if not values:
        raise DataError("there is no seed to measure the ladder with")
    return cells, weights, values


def _check(cells: Scored, named: Mapping[_Name, Scored], asked: Iterable[_Name], seed: int) -> None:
    """Refuse models of other cells than the first's, and other models than those of the first seed."""
    if uneven := sorted(set(asked) ^ set(named)):
        raise DataError(f"not every seed has the model `{_words(uneven[0])}`", where=f"seed {seed}", remedy="score it")
    for name, scored in named.items():
        if not (np.array_equal(scored.labels, cells.labels) and np.array_equal(scored.blocks, cells.blocks)):
            raise DataError(
                f"the model `{_words(name)}` was scored on other cells than the first",
                where=f"seed {seed}",
                remedy="score every model on the same test cells",
            )


def _words(name: _Name) -> str:
    return " ".join(name).strip().replace("_", " ")


@dataclass(frozen=True)
class _Values:
    """Metrics under `paired_weights`: arrays (1 + draws,), F1 of classes (1 + draws, classes); macro-F1 by seed."""

    macro_f1: Array
    nll: Array
    ece: Array
    class_f1: Array
    by_seed: Array

    @classmethod
    def of(cls, scored: Scored, weights: Array, bins: int) -> "_Values":
        """Those of one model."""
        sums = block_sums(scored, bins).weighted(weights)
        found = scalars(sums)
        macro = found["macro_f1"]
        return cls(macro, found["nll"], found["ece"], class_f1(sums.confusion), macro[:1])

    @classmethod
    def mean(cls, each: Sequence["_Values"]) -> "_Values":
        """The mean over seeds."""
        macro, nll, ece, f1 = (
            np.mean([getattr(one, name) for one in each], axis=0) for name in ("macro_f1", "nll", "ece", "class_f1")
        )
        return cls(macro, nll, ece, f1, np.concatenate([one.by_seed for one in each]))

    def scores(self, names: Mapping[int, str]) -> Scores:
        """What they say of the model."""
        classes = {name: estimate(self.class_f1[:, c]) for c, name in names.items()}
        worst = min(classes, key=lambda name: classes[name].value)
        macro, nll, ece = map(estimate, (self.macro_f1, self.nll, self.ece))
        return Scores(macro, tuple(self.by_seed.tolist()), nll, ece, classes, worst)

    def over(self, other: "_Values") -> Gain:
        """The gain over another model."""
        return Gain(estimate(self.macro_f1 - other.macro_f1), tuple((self.by_seed - other.by_seed).tolist()))


def _rung(methods: Mapping[Method, _Values], teacher: _Values, names: Mapping[int, str]) -> RungResult:
    control = methods.get("control")
    outcomes: dict[Method, Outcome] = {}
    for method, student in methods.items():
        outcomes[method] = Outcome(
            scores=student.scores(names),
            retention=kept(student.macro_f1, teacher.macro_f1),
            class_retention={name: _class_retention(student, teacher, c) for c, name in names.items()},
            gap_recovered=_gap_recovered(student, control, teacher),
            over={other: student.over(values) for other, values in methods.items() if other != method},
        )
    others: tuple[Method, ...] = ("direct", "direct_equal_compute")
    return RungResult(outcomes, {other: _gain_ratio(methods, other) for other in others if other in methods})


def _class_retention(student: _Values, teacher: _Values, c: int) -> Estimate | None:
    whole = teacher.class_f1[:, c]
    return None if estimate(whole).may_be(0) else kept(student.class_f1[:, c], whole)


def _gap_recovered(student: _Values, control: _Values | None, teacher: _Values) -> Share:
    if control is None:
        return Share(None, "the rung has no control")
    return _share(student, control, teacher, "the teacher")


def _gain_ratio(methods: Mapping[Method, _Values], other: Method) -> Share:
    missing = {"progressive", "control"} - set(methods)
    if missing:
        return Share(None, f"the rung has no {min(missing)}")
    return _share(methods["progressive"], methods["control"], methods[other], other.replace("_", " "))


def _share(model: _Values, control: _Values, other: _Values, name: str) -> Share:
    """The gain of ``model`` over the control as a share of that of ``other``, where ``other`` gains for certain."""
    whole = other.macro_f1 - control.macro_f1
    if estimate(whole).high < 0:
        return Share(None, f"{name} is worse than the control")
    found = share_of(model.macro_f1 - control.macro_f1, whole)
    return Share(found, "" if found else f"{name} may be no better than the control")


@dataclass(frozen=True)
class CheapestRung:
    """The cheapest rung that keeps ``share`` of the teacher's macro-F1; ``rung`` is None where none does.

    Parameters
    ----------
    certain : the lower end of the retention's interval keeps it as well
    left_out : rungs that could not be judged, with the reason
    """

    share: float
    method: Method
    rung: str | None
    cost: float | None
    retention: Estimate | None
    certain: bool
    left_out: dict[str, str]


def cheapest_rung(
    ladder: Ladder, costs: Mapping[str, float | None], method: Method = "progressive", share: float = ENOUGH
) -> CheapestRung:
    """The cheapest rung whose retention is at least ``share``; of equally cheap ones, the one that keeps most.

    The method is given, not chosen for each rung: the best of several on the test cells would be flattered.

    Parameters
    ----------
    costs : by rung, what its sensors need, e.g. their power in W or their price; None where it is not known
    """
    left_out: dict[str, str] = {}
    enough: list[tuple[float, float, str]] = []
    for name, rung in ladder.rungs.items():
        cost = costs.get(name)
        if method not in rung.methods:
            left_out[name] = f"it has no {method.replace('_', ' ')} student"
        elif cost is None:
            left_out[name] = "what its sensors cost is not known"
        elif (retention := rung.methods[method].retention).value >= share:
            enough.append((cost, -retention.value, name))
    if not enough:
        return CheapestRung(share, method, None, None, None, False, left_out)
    cost, _, best = min(enough)
    retention = ladder.rungs[best].methods[method].retention
    return CheapestRung(share, method, best, cost, retention, retention.low >= share, left_out)


_LADDERS = TypeAdapter(Ladder)


def dump_ladder(ladder: Ladder) -> dict[str, Any]:
    """The ladder as JSON has it: nested mappings, an estimate as ``value``, ``low`` and ``high``."""
    dumped: dict[str, Any] = _LADDERS.dump_python(ladder, mode="json")
    return dumped


def parse_ladder(dumped: Mapping[str, Any]) -> Ladder:
    """The ladder that `dump_ladder` wrote."""
    return _LADDERS.validate_python(dumped)
