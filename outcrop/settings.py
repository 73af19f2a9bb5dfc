"""Settings files: read YAML safely and build frozen models of it; what is wrong in it is told as one sentence."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from outcrop.errors import OutcropError

Model = TypeVar("Model", bound=BaseModel)
#: What every generator of random numbers accepts.
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
NonNegative = Annotated[float, Field(ge=0)]


class Section(BaseModel):
    """A group of parameters: cannot be changed after construction and knows no other keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def merge(defaults: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """``defaults`` with ``overrides`` put over it, section by section."""
    merged = dict(defaults)
    for key, value in overrides.items():
        inner = merged.get(key)
        merged[key] = merge(inner, value) if isinstance(inner, Mapping) and isinstance(value, Mapping) else value
    return merged


def nest(name: str, value: Any) -> dict[str, Any]:
    """A value under a dotted name, as `merge` takes it."""
    for part in reversed(name.split(".")):
        value = {part: value}
    return dict(value)


def value_at(values: Any, name: str) -> Any:
    """The value under a dotted name; None where there is none."""
    for part in name.split("."):
        values = values.get(part) if isinstance(values, Mapping) else None
    return values


class _TwiceError(yaml.MarkedYAMLError):
    """A key occurs twice in one mapping."""


class _StrictLoader(yaml.SafeLoader):
    """Plain YAML without keys that occur twice: the later one would silently win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in names and key.tag != "tag:yaml.org,2002:merge":
                raise _TwiceError(problem=f"the key `{key.value}` occurs twice", problem_mark=key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path, error: type[OutcropError]) -> dict[str, Any]:
    """Read a YAML mapping safely; ``error`` says why it cannot be read."""
    try:
        content = _StrictLoader(path.read_text(encoding="utf-8")).get_single_data()
    except OSError as cause:
        reason = (cause.strerror or str(cause)).lower()
        raise error(f"cannot read the file: {reason}", where=path, remedy="check the path") from cause
    except (yaml.YAMLError, UnicodeDecodeError) as cause:
        mark = getattr(cause, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        if isinstance(cause, _TwiceError):
            raise error(f"{cause.problem}{line}", where=path, remedy="take one of them out") from cause
        raise error(f"the file is not valid YAML{line}", where=path, remedy="mend its syntax") from cause
    if not isinstance(content, dict):
        raise error("the file does not hold a mapping of names to values", where=path, remedy="see data/surveys/")
    return content


def build(model: type[Model], values: Mapping[str, Any], where: object, error: type[OutcropError]) -> Model:
    """Construct a pydantic model, telling the first thing that is wrong as one sentence."""
    try:
        return model.model_validate(values)
    except ValidationError as cause:
        first = cause.errors()[0]
        key = ".".join(_keys(first["loc"], values, first["type"] == "missing"))
        raise error(*_diagnose(first["type"], key, first), where=where, remedy=_remedy(first["type"])) from cause


def _keys(place: tuple[str | int, ...], values: Any, missing: bool) -> Iterator[str]:
    """The keys on the way to ``place`` as the file has them: pydantic puts the alternatives of a union among them."""
    for part in place:
        if part in values if isinstance(values, Mapping) else isinstance(values, Sequence) and isinstance(part, int):
            yield str(part)
            values = values[part]
    if missing:
        yield str(place[-1])


def _diagnose(kind: str, key: str, detail: Any) -> tuple[str]:
    if kind == "extra_forbidden":
        return (f"unknown key `{key}`",)
    if kind == "missing":
        return (f"key `{key}` is missing",)
    message = detail["msg"].removeprefix("Value error, ")
    at = f"`{key}`: " if key else ""
    value = "" if isinstance(detail["input"], Mapping) else f", got {detail['input']!r}"
    return (f"{at}{message[0].lower()}{message[1:]}{value}",)


def _remedy(kind: str) -> str:
    return {"extra_forbidden": "check its spelling", "missing": "add it"}.get(kind, "correct the value")
