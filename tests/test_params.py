"""Parameters: the file's defaults are valid, a survey's come over them, and every bad value has its sentence."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from outcrop.errors import ParamsError
from outcrop.params import Params, load_params, parse_changes
from outcrop.settings import merge

DEFAULTS = Path(__file__).parents[1] / "params.yaml"


def nested(path: str, value: Any) -> dict[str, Any]:
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


BAD_VALUES: list[tuple[str, Any, str]] = [
    ("footprnt", 9, "unknown key `footprnt`"),
    ("train.epoch", 3, "unknown key `train.epoch`"),
    ("split.fractions.dev", 0.1, "unknown key `split.fractions.dev`"),
    ("augment.rgb.gian", 0.1, "unknown key `augment.rgb.gian`"),
    ("augment.flip", True, "`augment.flip`: input should be a valid dictionary"),
    ("augment.rgb.warp", 1.5, "`augment.rgb.warp`: input should be less than or equal to 1, got 1.5"),
    ("augment.rgb.noise", -0.1, "`augment.rgb.noise`: input should be greater than or equal to 0, got -0.1"),
    ("seed", -1, "`seed`: input should be greater than or equal to 0, got -1"),
    ("seed", 2**32, "`seed`: input should be less than 4294967296"),
    ("simulate.seed", -1, "`simulate.seed`"),
    ("train", None, "`train`: input should be a valid dictionary"),
    ("train.samples", 0, "`train.samples`: input should be greater than or equal to 1, got 0"),
    ("train.samples", 2.5, "`train.samples`: input should be a valid integer"),
    ("train.samples", "many", "`train.samples`: input should be a valid integer.* got 'many'"),
    ("train.lr.student", float("nan"), "`train.lr.student`: input should be a finite number"),
    ("train.lr.student", float("inf"), "`train.lr.student`: input should be a finite number"),
    ("train.lr.student", 0, "`train.lr.student`: input should be greater than 0"),
    ("train.warmup", 1.1, "`train.warmup`: input should be less than or equal to 1"),
    ("train.class_balance", 1.0, "`train.class_balance`: input should be less than 1"),
    ("train.precision", "fp8", "`train.precision`: input should be 'auto', '32-true'.* got 'fp8'"),
    ("labels.per_class", 0, "`labels.per_class`: input should be greater than or equal to 1, got 0"),
    ("labels.per_class", "some", "`labels.per_class`: .* got 'some'"),
    ("patches.batch", 1, "`patches.batch`: input should be greater than or equal to 2"),
    ("split.fractions.train", 0.9, "`split.fractions`: train, val and test must sum to 1"),
    ("split.fractions.train", -0.2, "`split.fractions.train`: input should be greater than or equal to 0"),
    ("footprint", 4, r"footprint \(4\) must be odd"),
    ("split.buffer", 3, r"split.buffer \(3\) must be at least the footprint \(9\)"),
    ("split.block", 9, r"split.block \(9\) must exceed split.buffer \(9\)"),
    ("teacher.heads", 7, r"`teacher`: token \(\d+\) must be a multiple of heads \(7\)"),
    ("teacher.features", None, "`teacher.features`"),
    ("distil.rungs", ["all"], "`distil.rungs`: tuple should have at least 2 items"),
    ("distil.rungs", ["all", []], "tuple should have at least 1 item"),
    ("distil.rungs", ["all", "rgb"], "got 'rgb'"),
    ("distil.rungs", ["all", ["rgb", "rgb"]], "a modality is named twice"),
    ("distil.rungs", [["rgb"], "all"], "`all` sensors can only be the first of rungs"),
    ("distil.rungs", ["all", ["rgb", "gamma"], ["gamma", "rgb"]], "a rung is listed twice in rungs"),
    ("student.stages", [32, 0], r"`student.stages.1`: input should be greater than or equal to 1, got 0"),
    ("distil.temperature.end", 0, "`distil.temperature.end`: input should be greater than 0"),
    ("distil.unlabelled_share", 1, "`distil.unlabelled_share`: input should be less than 1"),
    ("search.populace", 8, "unknown key `search.populace`"),
    ("search.population", 4, "`search.population`: input should be greater than or equal to 5, got 4"),
    ("search.iterations", 0, "`search.iterations`: input should be greater than or equal to 1"),
    ("search.fidelity", 0, "`search.fidelity`: input should be greater than 0"),
    ("search.fidelity", 1.5, "`search.fidelity`: input should be less than or equal to 1"),
    ("search.repeats", -1, "`search.repeats`: input should be greater than or equal to 0"),
    ("search.space", [], "`search.space`: input should be a valid dictionary"),
]


@pytest.mark.parametrize(("path", "value", "message"), BAD_VALUES, ids=lambda x: x if isinstance(x, str) else repr(x))
def test_a_bad_value_is_one_sentence_with_its_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(DEFAULTS, nested(path, value))
    text = str(caught.value)
    assert path.rsplit(".", 1)[-1] in text and str(DEFAULTS) in text
    assert "; " in text and text.endswith(".") and "\n" not in text


SEARCHED = "distil.hard_weight"
NO_NAME = "is not a decimal number of the student's training alone"
BAD_SPACES: list[tuple[str, Any, str]] = [
    (SEARCHED, {"low": 3.0, "high": 3.0}, rf"`search.space.{SEARCHED}`: low \(3.0\) must be below high \(3.0\)"),
    (SEARCHED, {"low": 0, "high": 3}, r"a log scale needs a low \(0.0\) above 0"),
    (SEARCHED, {"high": 1, "scale": "one_minus_log"}, r"a one_minus_log scale needs a high \(1.0\) below 1"),
    (SEARCHED, {"scale": "cubic"}, rf"`search.space.{SEARCHED}.scale`: input should be 'linear', 'log' .* got 'cubic'"),
    (SEARCHED, {"top": 1}, rf"unknown key `search.space.{SEARCHED}.top`"),
    (SEARCHED, 3, rf"`search.space.{SEARCHED}`: input should be a valid dictionary"),
    ("distil.hard_wait", {"low": 1, "high": 3, "scale": "log"}, rf"search.space: `distil.hard_wait` {NO_NAME}"),
    ("distil.pairs", {"low": 1, "high": 3, "scale": "log"}, rf"search.space: `distil.pairs` {NO_NAME}"),
    ("distil.unlabelled", {"low": 0, "high": 1, "scale": "linear"}, rf"search.space: `distil.unlabelled` {NO_NAME}"),
    ("distil.temperature", {"low": 1, "high": 3, "scale": "log"}, rf"search.space: `distil.temperature` {NO_NAME}"),
    ("train.weight_decay", {"low": 0.01, "high": 0.1, "scale": "log"}, rf"`train.weight_decay` {NO_NAME}"),
    ("search.fidelity", {"low": 0.1, "high": 1, "scale": "log"}, rf"search.space: `search.fidelity` {NO_NAME}"),
]


@pytest.mark.parametrize(("name", "value", "message"), BAD_SPACES, ids=range(len(BAD_SPACES)))
def test_a_bad_range_is_one_sentence_with_its_name(name: str, value: Any, message: str) -> None:
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(DEFAULTS, {"search": {"space": {name: value}}})
    assert str(DEFAULTS) in str(caught.value) and "\n" not in str(caught.value)


def test_null_takes_a_parameter_out_of_the_search() -> None:
    params = load_params(DEFAULTS, {"search": {"space": {SEARCHED: None}}})
    assert params.search.space[SEARCHED] is None
    assert Params.model_validate(params.dump()) == params


@pytest.mark.parametrize("key", ["seed", "train", "split.fractions", "augment.default", "teacher.features"])
def test_a_missing_key_is_named(key: str, tmp_path: Path) -> None:
    values = yaml.safe_load(DEFAULTS.read_text())
    inner = values
    *path, last = key.split(".")
    for part in path:
        inner = inner[part]
    del inner[last]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParamsError, match=f"key `{key}` is missing .*; add it"):
        load_params(tmp_path / "params.yaml")


def test_features_need_a_default(tmp_path: Path) -> None:
    values = yaml.safe_load(DEFAULTS.read_text())
    del values["teacher"]["features"]["default"]
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParamsError, match="`teacher`: features needs a `default`"):
        load_params(tmp_path / "params.yaml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"seed: [1", "is not valid YAML in line 1"),
        (b"a: 1\nb: }", "is not valid YAML in line 2"),
        (b"\xff\xfe\xfa", "is not valid YAML"),
        (b"- 1\n- 2", "does not hold a mapping"),
        (b"", "does not hold a mapping"),
        (b"seed: !!python/object/apply:os.getcwd []", "is not valid YAML"),
        (None, "cannot read the file: no such file"),
    ],
)
def test_a_file_that_holds_no_parameters(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParamsError, match=message) as caught:
        load_params(path)
    assert str(path) in str(caught.value)


def test_a_survey_changes_what_it_names_and_nothing_else() -> None:
    default = load_params(DEFAULTS).dump()
    changes = {"labels": {"per_class": "all"}, "split": {"fractions": {"train": 0.5, "val": 0.3}}, "footprint": 7}
    changed = load_params(DEFAULTS, changes).dump()
    assert changed["labels"] == {"per_class": "all"} and changed["footprint"] == 7
    assert changed["split"]["fractions"] == {"train": 0.5, "val": 0.3, "test": 0.2}
    assert changed["split"]["block"] == default["split"]["block"]
    others = set(default) - {"labels", "split", "footprint"}
    assert all(changed[name] == default[name] for name in others)


def test_merging_leaves_both_as_they_were() -> None:
    defaults, overrides = {"a": {"x": 1, "y": 2}, "b": [1, 2]}, {"a": {"y": {"z": 3}}, "b": [3]}
    assert merge(defaults, overrides) == {"a": {"x": 1, "y": {"z": 3}}, "b": [3]}
    assert defaults == {"a": {"x": 1, "y": 2}, "b": [1, 2]} and overrides == {"a": {"y": {"z": 3}}, "b": [3]}


def test_what_is_dumped_is_the_file() -> None:
    params = load_params(DEFAULTS)
    assert Params.model_validate(params.dump()) == params
    assert set(params.dump()) == set(yaml.safe_load(DEFAULTS.read_text()))


def test_parameters_cannot_be_changed() -> None:
    params = load_params(DEFAULTS)
    with pytest.raises(ValidationError, match="frozen"):
        params.train.samples = 3  # type: ignore[misc]


def test_changes_on_the_command_line_nest_and_join() -> None:
    changes = parse_changes(["train.samples=3", "train.lr.student=1.0e-2", "labels.per_class=all"])
    assert changes == {"train": {"samples": 3, "lr": {"student": 0.01}}, "labels": {"per_class": "all"}}


@pytest.mark.parametrize("word", ["seed", "=3", "seed=[1"])
def test_a_change_that_is_none_is_refused(word: str) -> None:
    with pytest.raises(ParamsError, match="is not a parameter"):
        parse_changes([word])
