"""What users get wrong: one sentence that says what, where and the remedy, exit code 2, nothing left behind."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from benches import Bench, Caller, Damage, change
from conftest import write_geotiff
from filelock import FileLock

LABELS = np.full((64, 64), 10, np.uint8)


def rare_class(bench: Bench) -> None:
    """A class in one corner only: it cannot be in training, validation and test blocks."""
    values = np.where(np.add.outer(np.arange(64), np.arange(64)) % 2, 10, 20).astype(np.uint8)
    values[:4, :4] = 30
    write_geotiff(bench.tiny.raw / "first" / "labels.tif", values, nodata=0)


def hot(bench: Bench) -> None:
    write_geotiff(bench.tiny.raw / "first" / "thermal.tif", np.full((64, 64), 900, np.float32))


def blank(bench: Bench) -> None:
    """One of two bands has no data anywhere."""
    values = np.stack([np.full((64, 64), 290, np.float32), np.full((64, 64), np.nan, np.float32)])
    write_geotiff(bench.tiny.raw / "first" / "thermal.tif", values)
    change("modalities", "thermal", "bands", value=["day", "night"])(bench)


def infinite(bench: Bench) -> None:
    write_geotiff(bench.tiny.raw / "first" / "thermal.tif", np.full((64, 64), np.inf, np.float32))


def unknown_word(bench: Bench) -> None:
    (bench.tiny.raw / "first" / "points.csv").write_text("x,y,rock\n500005,7099995,granite\n")
    labels = {"points": "first/points.csv", "attribute": "rock", "grid": "elevation"}
    change("sites", "north", "scenes", "first", "labels", value=labels)(bench)


def altered_site(bench: Bench) -> None:
    assert Caller()(bench, "ingest", str(bench.survey)).code == 0
    raster = bench.root / "data" / "sites" / "north" / "first" / "rgb.tif"
    raster.chmod(0o644)
    content = bytearray(raster.read_bytes())
    content[len(content) // 2] ^= 1
    raster.unlink()
    raster.write_bytes(content)


EXPECTATION = """
expectations:
  - type: expect_column_values_to_%s
    kwargs: {column: %s}
    severity: warning
    meta: {check: own, sentence: "{band}"}
"""


def expectations(text: str) -> Damage:
    return lambda bench: (bench.root / "data" / "expectations" / "bands.yaml").write_text(text)


CASES: dict[str, tuple[Damage, str]] = {
    "survey not YAML": (lambda b: b.survey.write_text("a: [1\n"), "is not valid YAML"),
    "survey missing": (lambda b: b.survey.unlink(), "cannot read the file"),
    "unknown key": (change("colour", value="red"), "unknown key `colour`"),
    "unknown parameter": (change("params", "train", "epoch", value=3), "unknown key `train.epoch`"),
    "even footprint": (change("params", "footprint", value=4), "must be odd"),
    "buffer under footprint": (change("params", "split", "buffer", value=1), "must be at least the footprint"),
    "unknown modality in a rung": (change("params", "distil", "rungs", value=["all", ["radar"]]), "`radar` of a rung"),
    "site without raw files": (change("sites", "south", value={}), "build it with `dvc repro`"),
    "raw file missing": (lambda b: (b.tiny.raw / "first" / "rgb.tif").unlink(), "rgb.tif"),
    "raw folder missing": (lambda b: shutil.rmtree(b.tiny.raw), "OUTCROP_REAL_DATA"),
    "unknown label": (
        lambda b: write_geotiff(b.tiny.raw / "first" / "labels.tif", LABELS + 1, nodata=0),
        "value 11",
    ),
    "rare class": (rare_class, "class calcite"),
    "values outside the declared range": (hot, "lie outside 200 to 400 K"),
    "band without data": (blank, "band night has no data at all"),
    "infinite band": (infinite, "band brightness have no data"),
    "unknown class word": (unknown_word, "no class for 1 word of `rock` ('granite')"),
    "site altered behind DVC": (altered_site, "differ from what DVC recorded"),
    "expectations not YAML": (expectations("expectations: ["), "bands.yaml"),
    "expectation of an unknown column": (expectations(EXPECTATION % ("between", "colour")), "the column `colour`"),
    "unknown expectation": (
        expectations(EXPECTATION % ("be_fine", "mean")),
        "no expectation `expect_column_values_to_be_fine`",
    ),
    "no expectations": (lambda b: shutil.rmtree(b.root / "data" / "expectations"), "no expectations of the data"),
    "lock file in conflict": (lambda b: (b.root / "dvc.lock").write_text("<<<<<<< HEAD\na: [1\n"), "not valid YAML"),
    "no DVC": (lambda b: shutil.rmtree(b.root / ".dvc"), "DVC failed"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_sentence_and_nothing_registered(case: str, bench: Bench, call: Caller) -> None:
    damage, expected = CASES[case]
    damage(bench)
    said = call(bench, "retrain", "--survey", str(bench.survey), "--json")
    assert (said.code, said.out) == (2, "")
    sentences = [line for line in said.err.splitlines() if line.startswith("outcrop: ")]
    assert len(sentences) == 1
    assert expected in sentences[0]
    assert "Traceback" not in said.err
    assert not list((bench.root / ".outcrop" / "artifacts").rglob("*.safetensors"))
    assert not list((bench.root / ".outcrop" / "steps").rglob("*.json"))
    assert {path.name for path in (bench.root / "data" / "sites").glob("*")} <= {"north", "north.dvc", ".gitignore"}


def test_a_second_run_of_a_survey_waits_for_the_first(bench: Bench, call: Caller) -> None:
    with FileLock(bench.root / ".outcrop" / "train-tiny.lock"):
        said = call(bench, "retrain", "--survey", str(bench.survey))
    assert said.code == 2
    assert "another run on this survey is under way" in said.err


def test_a_folder_that_is_no_workspace(tmp_path: Path, bench: Bench, call: Caller) -> None:
    bench.root = tmp_path / "elsewhere"
    bench.root.mkdir()
    said = call(bench, "sites")
    assert said.code == 2
    assert "not an Outcrop workspace" in said.err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("retrain", "--epochs", "3"), "No such option"),
        (("retrain", "--set", "seed"), "`seed` is not a parameter"),
        (("ingest",), "Missing argument"),
        (("simulate", "--site", "atlantis"), "atlantis"),
        (("simulate", "--site", "iceland", "--size", "3"), "`simulate.size`"),
        (("simulate", "--site", "iceland", "--seed", "-1"), "`simulate.seed`"),
        (("nonsense",), "No such command"),
    ],
)
def test_wrong_words(words: tuple[str, ...], expected: str, bench: Bench, call: Caller) -> None:
    shutil.copy(Path(__file__).parents[2] / "data/surveys/simulated.yaml", bench.survey.with_name("simulated.yaml"))
    said = call(bench, *words)
    assert said.code == 2
    assert expected in said.err
    assert "Traceback" not in said.err
