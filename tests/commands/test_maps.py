"""`outcrop export` and `outcrop map` through their real commands."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pystac
import pytest
import rasterio
from benches import Bench, Caller
from pystac.extensions.mlm import MLMExtension

from outcrop.errors import DataError
from outcrop.field import exports
from outcrop.record.digests import digest_folder
from tasks import map as mapping
from tasks.records import archive_of
from tasks.workspace import Workspace

Trained = tuple[Bench, dict[str, Any]]


def scene_of(bench: Bench) -> Path:
    return bench.root / "data" / "sites" / "north" / "first" / "first.json"


def values_of(folder: Path, name: str = "class") -> np.ndarray:
    with rasterio.open(folder / f"{name}.tif") as dataset:
        return dataset.read(1)


def test_an_export_proves_itself(exported: tuple[Path, dict[str, Any]], trained: Trained) -> None:
    folder, told = exported
    _, result = trained
    assert told["graphs"]["fp32"]["difference"] <= 1e-4
    network = told["calibration"]["torch_macro_f1"]
    if "int8" in told["graphs"]:
        assert network - told["graphs"]["int8"]["macro_f1"] <= 0.01
    else:
        assert "8 bits would cost" in told["refused"]["int8"] and not (folder / "int8.onnx").exists()
    assert told["source"]["uri"] == result["models"]["student"]
    assert told["source"]["data"] == result["sites"]
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=folder, check=False)
    assert checked.returncode == 0


def test_an_export_says_what_it_is(exported: tuple[Path, dict[str, Any]]) -> None:
    folder, told = exported
    card = (folder / "MODEL_CARD.md").read_text()
    assert told["source"]["digest"] in card and "basalt, olivine, calcite" in card and "macro f1" in card
    item = pystac.Item.from_file(str(folder / "model.stac.json"))
    model = MLMExtension.ext(item)
    assert model.input[0].bands == ["red", "green", "blue"]
    assert [entry.name for entry in model.output[0].classes] == ["basalt", "olivine", "calcite"]
    assert item.properties["outcrop:footprint"] == 3
    assert set(item.properties["outcrop:normalisation"]["rgb"]) == {"type", "mean", "stddev"}


def test_without_labels_to_check_on_int8_is_left_out(
    trained: Trained, serverless_call: Caller, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*args: Any) -> None:
        raise DataError("no labelled cell can be used")

    monkeypatch.setattr(exports, "labelled_cells", none)
    said = serverless_call(trained[0], "export", "tiny-student", "-o", str(tmp_path / "export"), "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert set(told["graphs"]) == {"fp32"} and told["graphs"]["fp32"]["difference"] <= 1e-4
    assert "has labels" in told["refused"]["int8"] and told["graphs"]["fp32"]["macro_f1"] is None
    assert "none has a label" in (tmp_path / "export" / "MODEL_CARD.md").read_text()


def test_mapping_an_export_needs_neither_torch_nor_a_workflow_tool(
    exported: tuple[Path, dict[str, Any]], trained: Trained, tmp_path: Path
) -> None:
    bench, _ = trained
    words = ["outcrop", "map", str(exported[0]), str(scene_of(bench)), "-o", str(tmp_path / "map"), "--json"]
    code = f"import sys; from flows.cli import main; sys.argv = {words}; main()"
    code = f"import atexit, sys; atexit.register(lambda: print(*{{n.split('.')[0] for n in sys.modules}})); {code}"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=bench.environment, capture_output=True, text=True, check=True
    )
    told, modules = done.stdout.splitlines()
    heavy = {"torch", "prefect", "mlflow", "dvc", "great_expectations", "lightning_fabric", "dask", "distributed"}
    assert not heavy & set(modules.split())
    assert json.loads(told)["mapped"] == (values_of(tmp_path / "map") < 255).sum() > 0
    assert not list(tmp_path.glob(".*"))


def test_several_scenes_are_mapped_side_by_side_as_one_by_one(
    exported: tuple[Path, dict[str, Any]], trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    bench, _ = trained
    scenes = {"north-first": scene_of(bench), "rgb": bench.tiny.raw / "first" / "rgb.tif"}
    for name, scene in scenes.items():
        assert serverless_call(bench, "map", str(exported[0]), str(scene), "-o", str(tmp_path / "one" / name)).code == 0
    words = ["map", str(exported[0]), *map(str, scenes.values()), "-o", str(tmp_path / "many"), "--workers", "2"]
    said = serverless_call(bench, *words, "--json")
    assert said.code == 0, said.err
    assert [Path(each["map"]).name for each in json.loads(said.out)["maps"]] == list(scenes)
    assert digest_folder(tmp_path / "many") == digest_folder(tmp_path / "one")
    said = serverless_call(bench, *words[:3], *words[2:])
    assert said.code == 2 and "two of the scenes have the same name" in said.err


def test_an_export_maps_as_its_model_does(
    exported: tuple[Path, dict[str, Any]], trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    bench, _ = trained
    archive = archive_of(Workspace(bench.root))
    exports = list(archive.of_kind("export"))
    for name, model in {"export": str(exported[0]), "model": "tiny-student"}.items():
        said = serverless_call(bench, "map", model, str(scene_of(bench)), "-o", str(tmp_path / name))
        assert said.code == 0, said.err
    assert list(archive.of_kind("export")) == exports, "mapping by a model's name exports nothing that is kept"
    (_, first), (_, second) = list(archive.of_kind("map"))[-2:]
    assert first.inputs == second.inputs and set(first.inputs) == {"model", "scene"}
    made = archive.read(first.inputs["model"]).made
    assert made is not None and made.digests["model"] == exported[1]["source"]["digest"]
    (_, export), *_ = exports
    assert export.inputs == {"model": first.inputs["model"]} and "fp32.onnx" in export.files
    for name in ("class", "unfamiliar"):
        one, other = (values_of(tmp_path / made, name) for made in ("export", "model"))
        assert ((one < 255) == (other < 255)).all() and (one == other).mean() > 0.999


def test_a_map_knows_how_often_its_model_errs(
    exported: tuple[Path, dict[str, Any]], trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    """What the model was tested with travels in the export and the map, so that areas can be corrected anywhere."""
    bench, _ = trained
    counts = {}
    for name, model in {"export": str(exported[0]), "model": "tiny-student"}.items():
        said = serverless_call(bench, "map", model, str(scene_of(bench)), "-o", str(tmp_path / name))
        assert said.code == 0, said.err
        told = json.loads((tmp_path / name / "map.json").read_text())["properties"]["outcrop:confusion"]
        assert told["classes"] == ["basalt", "olivine", "calcite"]
        counts[name] = told["counts"]
    tested = next(bench.root.glob(".outcrop/steps/evaluate-*/metrics.json"))
    assert counts["export"] == counts["model"] == json.loads(tested.read_text())["student"]["confusion"]
    said = serverless_call(bench, "carbon", str(tmp_path / "export"), "--depth", "0.1+-0.02", "--json")
    assert said.code == 0, said.err
    assert json.loads(said.out)["map"]["model"] == exported[1]["source"]["digest"]


def test_a_map_that_was_killed_goes_on(
    exported: tuple[Path, dict[str, Any]],
    trained: Trained,
    serverless_call: Caller,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bench, _ = trained
    words = ("map", str(exported[0]), str(scene_of(bench)), "-o", str(tmp_path / "map"))

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(mapping, "write_map", killed)
        assert serverless_call(bench, *words).code == 130
    assert [path.name for path in tmp_path.iterdir()] == [".map.unfinished"]
    said = serverless_call(bench, *words)
    assert said.code == 0 and "1 blocks are finished" in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["map"]
    with monkeypatch.context() as patch:
        patch.setattr(mapping, "write_map", killed)
        assert serverless_call(bench, *words, "--probabilities").code == 130
    # What another kind of map has finished is of no use.
    assert "are finished" not in serverless_call(bench, *words).err


def altered(folder: Path, name: str) -> Path:
    copy = folder / "altered"
    shutil.copytree(folder.parent / "student", copy)
    (copy / name).write_bytes((copy / name).read_bytes()[:-1] + b"!")
    return copy


def torn(folder: Path) -> Path:
    raster = folder.parent / "first" / "rgb.tif"
    raster.write_bytes(raster.read_bytes()[: raster.stat().st_size // 2])
    return folder.parent / "first" / "first.json"


def occupied(folder: Path) -> Path:
    (folder / "holiday.jpg").touch()
    return folder


def under_a_file(folder: Path) -> Path:
    (folder / "file").touch()
    return folder / "file" / "map"


BAD: dict[str, tuple[str, Any, tuple[str, ...], str]] = {
    "graph altered": ("model", lambda f: altered(f, "fp32.onnx"), (), "the export's `fp32.onnx` was altered"),
    "manifest altered": ("model", lambda f: altered(f, "export.json"), (), "the export's `export.json` was altered"),
    "unknown model": ("model", lambda f: "tiny-pupil", (), "no model is called `tiny-pupil`"),
    "folder without a model": ("model", lambda f: f, (), "the folder holds no model"),
    "raster torn": ("scene", torn, (), "the raster cannot be read"),
    "no scene": ("scene", lambda f: f / "none.tif", (), "there is no such scene"),
    "output is something else": ("output", occupied, (), "what stands there is no map"),
    "output under a file": ("output", under_a_file, (), "the map cannot be written: not a directory"),
    "no amount of memory": ("scene", None, ("--memory", "much"), "`much` is no amount of memory"),
    "little memory": ("scene", None, ("--memory", "10MB"), "10 MB are not enough"),
    "no list of bands": ("scene", None, ("--bands", "red"), "`red` is no list of bands"),
    "bands of an item": ("scene", None, ("--bands", "3,2,1"), "the bands of a STAC item have names"),
}


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_and_no_map(
    case: str, exported: tuple[Path, dict[str, Any]], trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    what, make, words, expected = BAD[case]
    bench, _ = trained
    shutil.copytree(exported[0], tmp_path / "student")
    shutil.copytree(scene_of(bench).parent, tmp_path / "first")
    (tmp_path / "case").mkdir()
    given: dict[str, Any] = {"model": tmp_path / "student", "scene": scene_of(bench), "output": tmp_path / "map"}
    if make is not None:
        given[what] = make(tmp_path / "case")
    said = serverless_call(
        bench, "map", str(given["model"]), str(given["scene"]), "-o", str(given["output"]), *words, "--json"
    )
    assert (said.code, said.out) == (2, "")
    assert expected in said.err and "Traceback" not in said.err
    assert not (given["output"] / "class.tif").exists()
    assert not list(tmp_path.rglob(".*"))


def test_a_raster_that_was_damaged_since_it_was_recorded_is_told(
    exported: tuple[Path, dict[str, Any]], trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    """The damage is behind the last block, where no decoder looks."""
    bench, _ = trained
    raster = scene_of(bench).parent / "rgb.tif"
    whole = raster.read_bytes()
    raster.write_bytes(whole + b"\0")
    try:
        said = serverless_call(bench, "map", str(exported[0]), str(scene_of(bench)), "-o", str(tmp_path / "map"))
    finally:
        raster.write_bytes(whole)
    assert said.code == 2 and "the raster is not the one that was recorded" in said.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("room", "expected"),
    [(200, "the map cannot be written: file too large"), (4_000, "the raster cannot be written")],
    ids=["for no block", "for no raster"],
)
def test_a_full_disk_is_told_and_leaves_no_map(
    room: int, expected: str, exported: tuple[Path, dict[str, Any]], trained: Trained, tmp_path: Path
) -> None:
    bench, _ = trained
    words = ["outcrop", "map", str(exported[0]), str(scene_of(bench)), "-o", str(tmp_path / "map")]
    code = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))"
    code = f"import sys; from flows.cli import main; sys.argv = {words}; {code}; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], env=bench.environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert expected in done.stderr and done.stderr.splitlines()[-1].startswith("outcrop: ")
    assert "Traceback" not in done.stderr  # libtiff may say a word of its own before
    assert not {path.name for path in tmp_path.iterdir()} - {".map.unfinished"}


@pytest.mark.parametrize(
    ("model", "words", "expected"),
    [
        ("tiny-teacher", (), "only students and assistants are exported"),
        ("tiny-student", ("--site", "south"), "there is no such site"),
    ],
)
def test_what_cannot_be_exported(
    model: str, words: tuple[str, ...], expected: str, trained: Trained, serverless_call: Caller, tmp_path: Path
) -> None:
    bench, _ = trained
    said = serverless_call(bench, "export", model, "-o", str(tmp_path / "export"), *words)
    assert said.code == 2 and expected in said.err
    assert not list(tmp_path.iterdir())


def test_what_a_model_costs_is_told_and_logged(trained: Trained, serverless_call: Caller, tmp_path: Path) -> None:
    bench, _ = trained
    said = serverless_call(bench, "bench", "tiny-student", "-o", str(tmp_path), "--seconds", "0.1", "--json")
    assert said.code == 0, said.err
    told = json.loads(said.out)
    names = [row["name"] for row in told["contenders"]]
    assert names[:3] == ["teacher torch", "student torch", "student fp32"]
    for row in told["contenders"]:
        assert 0 < row["latency_ms_p50"] <= row["latency_ms_p95"] and row["peak_mb"] > 30
        computing = row["computing_j_per_km2"]
        assert computing["low"] <= computing["joules"] <= computing["high"]
        assert row["whole_j_per_km2"]["joules"] == pytest.approx(computing["joules"] + 3600 * row["sensors_w"])
    assert told["sensor_power_saved"] == pytest.approx(1 - 11.8 / (11.8 + 5 + 8))
    assert json.loads((tmp_path / "bench.json").read_text())["contenders"] == told["contenders"]
    assert (tmp_path / "bench.png").read_bytes()[:4] == b"\x89PNG"
    mlflow.set_tracking_uri(f"sqlite:///{bench.root / '.outcrop' / 'mlflow.db'}")
    logged = mlflow.MlflowClient().get_run(told["run_id"])
    assert logged.data.metrics["student_fp32.cells_per_second"] > 0
