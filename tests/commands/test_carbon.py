"""`outcrop carbon` through the real entry point, on maps whose truth is known."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benches import Bench, Caller, Said
from conftest import CELL, CRS, EAST, NORTH, PROJECT, write_geotiff

CLASSES = ("basalt", "olivine", "calcite")
CONFUSION = {"classes": CLASSES, "counts": (np.eye(3) * 900 + 50).tolist(), "effective": 500}


def make_map(folder: Path, **properties: Any) -> Path:
    """A map of three stripes with its confusion matrix, as `outcrop map` writes it."""
    cells = np.repeat(np.arange(3, dtype=np.uint8), [10, 20, 30])[None].repeat(40, axis=0)
    write_geotiff(folder / "class.tif", cells, nodata=255)
    told = {"outcrop:confusion": CONFUSION, "outcrop:model": "a" * 64, "outcrop:survey": "tiny"} | properties
    values = [{"value": value, "name": name} for value, name in enumerate(CLASSES)]
    item = {
        "id": "first-map",
        "properties": {"datetime": None, "start_datetime": "2024-07-01T00:00:00Z"} | told,
        "assets": {"class": {"classification:classes": values}},
    }
    (folder / "map.json").write_text(json.dumps(item))
    return folder


def write_regions(path: Path, east: float = EAST) -> Path:
    """Two squares of 100 m; the first holds basalt alone."""
    features = []
    for number, name in enumerate(("pit", "heap")):
        left = east + 300 * number
        ring = [(left, NORTH), (left + 100, NORTH), (left + 100, NORTH - 100), (left, NORTH - 100), (left, NORTH)]
        geometry = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"name": name}, "geometry": geometry})
    crs = {"type": "name", "properties": {"name": CRS}}
    path.write_text(json.dumps({"type": "FeatureCollection", "crs": crs, "features": features}))
    return path


@pytest.fixture
def carbon(bench: Bench, serverless_call: Caller, tmp_path: Path) -> Any:
    """Runs the command on the map of this test."""
    folder = make_map(tmp_path / "map")

    def run(*words: str, on: Path = folder) -> Said:
        return serverless_call(bench, "carbon", str(on), *words)

    return run


def test_regions_are_estimated_beside_the_whole(carbon: Any, bench: Bench, tmp_path: Path) -> None:
    regions = write_regions(tmp_path / "regions.geojson")
    words = ("--depth", "0.5+-0.05", "--porosity", "0.1", "--regions", str(regions), "--region-name", "name", "--json")
    said = carbon(*words)
    assert said.code == 0, said.err
    told = json.loads(said.out)
    assert "not a creditable removal" in told["screening"] and told["unit"] == "t CO2"
    whole, pit = told["regions"]["whole map"], told["regions"]["pit"]
    assert set(told["regions"]) == {"whole map", "pit", "heap"}
    assert whole["area_m2"] == 2400 * CELL**2 and pit["area_m2"] == 100 * CELL**2
    assert pit["mapped"]["basalt"] == 1 and pit["areas"]["basalt"]["p5"] < 1
    for region in told["regions"].values():
        assert region["gross"]["p5"] < region["gross"]["p50"] < region["gross"]["p95"]
    assert {"areas", "composition", "depth"} <= set(whole["variance"]) and "porosity" not in whole["variance"]
    written = json.loads(Path(told["estimate"]).read_text())
    assert written["regions"] == told["regions"] and written["screening"] == told["screening"]
    record = json.loads((bench.root / "records" / f"{told['record']}.json").read_text())
    assert record["kind"] == "carbon" and "not a creditable removal" in record["facts"]["screening"]


def test_the_same_map_gives_the_same_estimate(carbon: Any) -> None:
    first, second = (json.loads(carbon("--depth", "1+-0.2", "--json").out) for _ in range(2))
    assert first == second


def test_people_read_a_table_and_the_warning(carbon: Any) -> None:
    words = ("--profile", "rate", "--pathway", "weathering", "--application-rate", "50+-5", "--feedstock", "basalt")
    conditions = ("--grain", "100+-30", "--temperature", "12+-2", "--ph", "6.5+-0.3")
    said = carbon(*words, *conditions, "--losses", "0.1+-0.05", "--emissions", "0.05+-0.01")
    assert said.code == 0, said.err
    for part in ("whole map", "a year", "not a creditable removal", "emissions", "P95"):
        assert part in said.out


def test_the_legacy_profile_gives_an_index(carbon: Any) -> None:
    told = json.loads(carbon("--profile", "legacy", "--json").out)
    assert told["unit"] == "index without unit"
    assert told["regions"]["whole map"]["naive"] == pytest.approx((10 * 0.28 + 20 * 0.85) / 60)


def test_it_needs_neither_torch_nor_a_workflow_tool_nor_a_workspace(tmp_path: Path) -> None:
    folder = make_map(tmp_path / "map")
    words = ["outcrop", "carbon", str(folder), "--depth", "1", "--json"]
    code = "import atexit, sys; atexit.register(lambda: print(*{n.split('.')[0] for n in sys.modules}));"
    code += f"from flows.cli import main; sys.argv = {words}; main()"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={"PYTHONPATH": str(PROJECT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    told, modules = done.stdout.splitlines()
    assert not {"torch", "prefect", "mlflow", "dvc", "great_expectations"} & set(modules.split())
    assert json.loads(told)["record"] is None


def without_unit(folder: Path) -> tuple[str, ...]:
    path = folder / "profile.yaml"
    path.write_text(
        "profile: mine\ntitle: mine\nquantity: index\nunit: index\nsources: {}\n"
        "index: {basalt: {value: 1, sd: 0, source: me}}\n"
    )
    return "--profile", str(path)


def of_plants(folder: Path) -> tuple[str, ...]:
    path = folder / "profile.yaml"
    path.write_text(
        "profile: plants\ntitle: plants\nquantity: capacity\nunit: t/t\nsources: {}\n"
        "eta: {value: 1.7, sd: 0, unit: '1', source: me}\n"
        "composition: {unit: share of the volume, concentration: 60, source: me,"
        " rocks: {basalt: {}, olivine: {}, calcite: {calcite: 1}}}\n"
    )
    return "--profile", str(path), "--depth", "1"


def far_away(folder: Path) -> tuple[str, ...]:
    return "--depth", "1", "--regions", str(write_regions(folder / "far.geojson", EAST + 50_000))


def other_classes(folder: Path) -> tuple[str, ...]:
    path = folder / "confusion.json"
    path.write_text(json.dumps({"classes": ["a", "b"], "counts": [[1, 0], [0, 1]], "effective": 2}))
    return "--depth", "1", "--confusion", str(path)


BAD: dict[str, tuple[Any, str]] = {
    "profile without units": (without_unit, "key `index.basalt.unit` is missing"),
    "unknown profile": (lambda _: ("--profile", "gold", "--depth", "1"), "there is no profile `gold`"),
    "negative mass": (lambda _: ("--application-rate", "-5", "--feedstock", "basalt"), "must be at least 0"),
    "depth missing": (lambda _: (), "neither depth nor application rate"),
    "regions outside": (far_away, "the region `region 1` holds no mapped cell"),
    "no potential": (of_plants, "no class of the map has a potential"),
    "unknown feedstock": (lambda _: ("--depth", "1", "--feedstock", "gold"), "the map has no class gold"),
    "other classes": (other_classes, "of other classes than the map"),
    "no such regions": (lambda f: ("--depth", "1", "--regions", str(f / "no.gpkg")), "is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_told_in_one_sentence(case: str, carbon: Any, tmp_path: Path) -> None:
    damage, sentence = BAD[case]
    said = carbon(*damage(tmp_path))
    assert said.code == 2 and sentence in said.err and len(said.err.strip().splitlines()) == 1
    assert not list((tmp_path / "map").glob("carbon-*"))


def test_maps_that_cannot_be_used_are_refused(carbon: Any, tmp_path: Path) -> None:
    untested = make_map(tmp_path / "untested", **{"outcrop:confusion": None})
    cases = {tmp_path: "the folder is no map", untested: "does not say how often its model errs"}
    for folder, sentence in cases.items():
        said = carbon("--depth", "1", on=folder)
        assert said.code == 2 and sentence in said.err
