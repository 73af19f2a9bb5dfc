"""Frozen, typed mirror of ``params.yaml``: unknown keys, wrong types and contradictions are refused at construction."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, ConfigDict, Field, model_validator

from outcrop.errors import ParamsError
from outcrop.settings import NonNegative, Positive, Section, Seed, Share, build, merge, nest, read_yaml, value_at
from outcrop.upkeep import Monitor, Serve

#: How the names of parameters begin that shape the student alone: the teacher stays as it is while a search runs.
SEARCHABLE = ("distil.", "train.lr.student")


def _each_once(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(names)) < len(names):
        raise ValueError("a modality is named twice")
    return names


#: Ways of adapting to a new site.
Way = Literal["batch_norm", "prototypes", "logistic", "fine_tuned", "redistilled"]
Modalities = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_each_once)]


class Labels(Section):
    per_class: Positive | Literal["all"]


class Fractions(Section):
    train: Share
    val: Share
    test: Share

    @model_validator(mode="after")
    def _sum_to_one(self) -> Self:
        if abs(self.train + self.val + self.test - 1) > 1e-6:
            raise ValueError("train, val and test must sum to 1")
        return self


class Split(Section):
    block: Annotated[int, Field(ge=2)]
    buffer: Positive
    fractions: Fractions


class Sites(Section):
    """Which sites' blocks are trained (and validated) on, and which are tested.

    A site that is only tested offers all its blocks to the test; of one that is only trained on, the test blocks stay
    unused.
    """

    train: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all"]
    test: Annotated[tuple[str, ...], Field(min_length=1)] | Literal["all"]


class Patches(Section):
    pool_mb: Positive
    batch: Annotated[int, Field(ge=2)]
    pairs: Positive


class Radiometry(Section):
    """Random radiometric change of one modality. All but ``warp`` are standard deviations.

    ``gain`` is relative and drawn per band and per patch, ``offset`` (per patch) and ``noise`` (per pixel) are in units
    of the band's training standard deviation; ``warp``, at most 1, is the largest shift along the band axis, in bands.
    """

    gain: NonNegative = 0.0
    offset: NonNegative = 0.0
    noise: NonNegative = 0.0
    warp: Share = 0.0


class Augment(Section):
    """``flips`` for all, and the radiometry of each modality (any name; ``default`` for the others)."""

    model_config = ConfigDict(frozen=True, extra="allow", allow_inf_nan=False)
    __pydantic_extra__: dict[str, Radiometry] = Field(init=False)
    flips: bool
    default: Radiometry

    def of(self, modality: str) -> Radiometry:
        """The radiometry of ``modality``."""
        return (self.__pydantic_extra__ or {}).get(modality, self.default)


class LearningRate(Section):
    """Highest learning rate by role: assistants and controls take the student's."""

    teacher: Annotated[float, Field(gt=0)]
    student: Annotated[float, Field(gt=0)]

    def of(self, role: str) -> float:
        """That of a role."""
        return self.teacher if role == "teacher" else self.student


class Epochs(Section):
    """Longest training by role; a control's is that of the model that it is compared with."""

    teacher: Positive
    assistant: Positive
    student: Positive

    def of(self, role: Literal["teacher", "assistant", "student"], effort: float = 1.0) -> int:
        """That of a role, ``effort`` times as long."""
        longest: int = getattr(self, role)
        return max(1, round(effort * longest))


class Train(Section):
    epochs: Epochs
    samples: Positive
    lr: LearningRate
    weight_decay: NonNegative
    warmup: Share
    patience: Positive
    val_samples: Positive
    class_balance: Annotated[float, Field(ge=0, lt=1)]
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"]


class Teacher(Section):
    """The teacher's networks: ``members`` are trained one by one and averaged (see `outcrop.learning.committee`)."""

    members: Positive
    stages: Annotated[tuple[Positive, ...], Field(min_length=1)]
    features: dict[str, Positive]
    centre: bool
    token: Positive
    heads: Positive
    hidden: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    modality_dropout: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.token % self.heads:
            raise ValueError(f"token ({self.token}) must be a multiple of heads ({self.heads})")
        if "default" not in self.features:
            raise ValueError("features needs a `default` for modalities that it does not name")
        return self


class Student(Section):
    stages: Annotated[tuple[Positive, ...], Field(min_length=1)]
    centre: bool
    features: Positive


class Temperature(Section):
    start: Annotated[float, Field(gt=0)]
    end: Annotated[float, Field(gt=0)]
    schedule: Literal["constant", "linear", "cosine"]


class Distil(Section):
    """The chain of ``rungs`` and how each is taught; rungs that a survey lacks a modality for are dropped."""

    rungs: Annotated[tuple[Modalities | Literal["all"], ...], Field(min_length=2)]
    logits: Literal["plain", "standardised", "decoupled", "dist"]
    gate: bool
    temperature: Temperature
    logit_weight: NonNegative
    feature_weight: NonNegative
    relation_weight: NonNegative
    hard_weight: NonNegative
    guide_dropout: Annotated[float, Field(ge=0, lt=1)]
    unlabelled_share: Annotated[float, Field(ge=0, lt=1)]
    class_balance: Annotated[float, Field(ge=0, lt=1)]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if "all" in self.rungs[1:]:
            raise ValueError("`all` sensors can only be the first of rungs")
        seen = [rung if rung == "all" else tuple(sorted(rung)) for rung in self.rungs]
        if len(set(seen)) < len(seen):
            raise ValueError("a rung is listed twice in rungs")
        return self


class Range(Section):
    """Bounds of a searched parameter and the scale on which its values lie evenly.

    ``one_minus_log`` is even in log10(1 - value): for shares close to 1.
    """

    low: float
    high: float
    scale: Literal["linear", "log", "one_minus_log"]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.low >= self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high})")
        if self.scale == "log" and self.low <= 0:
            raise ValueError(f"a log scale needs a low ({self.low}) above 0")
        if self.scale == "one_minus_log" and self.high >= 1:
            raise ValueError(f"a one_minus_log scale needs a high ({self.high}) below 1")
        return self


class Search(Section):
    """How `outcrop.learning.search` looks for better parameters; ``space`` goes by dotted name (null: not searched)."""

    enabled: bool
    population: Annotated[int, Field(ge=5)]
    iterations: Positive
    fidelity: Annotated[float, Field(gt=0, le=1)]
    promote: Positive
    seeds: Positive
    repeats: Annotated[int, Field(ge=0)]
    space: dict[str, Range | None]


class Evaluate(Section):
    stride: Positive
    bootstrap: Positive
    bins: Positive
    latency_runs: Positive


class Promote(Section):
    """The gate. ``latency_ms`` (median of one patch) and ``size_mb`` (of the weights) hold whatever the metrics say."""

    latency_ms: Annotated[float, Field(gt=0)]
    size_mb: Annotated[float, Field(gt=0)]
    draws: Annotated[int, Field(ge=100)]
    signature_days: Positive


class Forest(Section):
    trees: Positive
    samples: Positive


class FineTuning(Section):
    """``steps`` for the last layer at ``lr``, as many for all at a tenth of it; ``strength`` holds weights in place."""

    steps: Positive
    lr: Annotated[float, Field(gt=0)]
    strength: NonNegative


class Onboard(Section):
    """How a student is adapted to a new site; see `outcrop.learning.adaptation`. Strengths hold heads at the source's.

    ``rungs`` are the ways that are tried where labels are all there is, ``rungs_with_teacher`` those where the teacher
    can see the site; they are climbed in the order of the ladder.
    """

    rungs: tuple[Way, ...]
    rungs_with_teacher: tuple[Way, ...]
    sampling: Literal["random", "by_class"]
    batch_norm_prior: Annotated[float, Field(gt=0)]
    prototype_prior: Annotated[float, Field(gt=0)]
    strengths: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=1)]
    fine_tuning: FineTuning
    teacher_strength: Annotated[float, Field(gt=0)]
    ridge: Annotated[float, Field(gt=0)]
    rehearsals: Annotated[tuple[NonNegative, ...], Field(min_length=1)]
    forgetting: Share
    smoothing: Annotated[float, Field(gt=0, lt=1)]
    balance: Share
    cells: Positive
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    accuracy: Share
    next_points: Positive
    curve: Annotated[tuple[Annotated[int, Field(ge=3)], ...], Field(min_length=1)]
    draws: Positive
    reference_cells: Positive


class Simulate(Section):
    size: Annotated[int, Field(ge=48)]
    seed: Seed


class Params(Section):
    """Every parameter of one survey. Sections bear the name of the step or part that reads them."""

    seed: Seed
    footprint: Positive
    labels: Labels
    split: Split
    sites: Sites
    patches: Patches
    augment: Augment
    train: Train
    teacher: Teacher
    student: Student
    distil: Distil
    search: Search
    evaluate: Evaluate
    promote: Promote
    forest: Forest
    onboard: Onboard
    monitor: Monitor
    simulate: Simulate
    serve: Serve

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.footprint % 2 == 0:
            raise ValueError(f"footprint ({self.footprint}) must be odd")
        if self.split.buffer < self.footprint:
            raise ValueError(f"split.buffer ({self.split.buffer}) must be at least the footprint ({self.footprint})")
        if self.split.block <= self.split.buffer:
            raise ValueError(f"split.block ({self.split.block}) must exceed split.buffer ({self.split.buffer})")
        for name in self.search.space:
            if not name.startswith(SEARCHABLE) or not isinstance(value_at(self.dump(), name), float):
                raise ValueError(f"search.space: `{name}` is not a decimal number of the student's training alone")
        return self

    def dump(self) -> dict[str, Any]:
        """Plain nested values, with the names of ``params.yaml``."""
        return self.model_dump(mode="json", by_alias=True)


def load_params(path: Path, overrides: Mapping[str, Any] | None = None) -> Params:
    """Read ``params.yaml``, put ``overrides`` (a survey's ``params:``) over it, and check the result.

    Raises
    ------
    ParamsError : the file is missing or not YAML, or a value is unknown, of the wrong type or contradictory.
    """
    return build(Params, merge(read_yaml(path, ParamsError), overrides or {}), path, ParamsError)


def parse_changes(changes: Sequence[str]) -> dict[str, Any]:
    """Nested parameters from words like ``train.epochs=40``; values are read as YAML.

    Raises
    ------
    ParamsError : a word is not NAME=VALUE, or its value is not YAML.
    """
    nested: dict[str, Any] = {}
    for change in changes:
        name, equals, text = change.partition("=")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            equals = ""
        if not equals or not name:
            raise ParamsError(f"`{change}` is not a parameter", where="--set", remedy="write it as train.samples=4096")
        nested = merge(nested, nest(name, value))
    return nested
