"""Raw files and survey files that cannot be ingested: one sentence each, exit code 2, and nothing written anywhere."""

from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pytest
import rasterio
import yaml
from benches import Bench, Caller, Damage, Said, change
from conftest import CELL, CRS, EAST, NORTH, write_geotiff
from rawfiles import write_envi
from shapely.geometry import Point, Polygon, box

ONE = np.ones((64, 64), np.float32)
LABELS = np.full((64, 64), 10, np.uint8)
SQUARE = box(EAST, NORTH - 200, EAST + 300, NORTH)
BOWTIE = Polygon([(EAST, NORTH), (EAST + 90, NORTH - 90), (EAST + 90, NORTH), (EAST, NORTH - 90)])
SCENE = ("sites", "north", "scenes", "first")
#: A scene for every file that matches.
ANY = {"acquired": "2024-07-01", "rasters": {"thermal": "first/T_*.tif"}, "labels": "first/labels.tif"}
POINTS = {"points": "first/points.csv", "attribute": "rock", "grid": "elevation"}


def swap(name: str, values: np.ndarray, **profile: Any) -> Damage:
    return lambda bench: write_geotiff(bench.tiny.raw / "first" / name, values, **profile)


def cut(name: str, keep: float) -> Damage:
    def damage(bench: Bench) -> None:
        path = bench.tiny.raw / "first" / name
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return damage


def unplaced(name: str) -> Damage:
    """The raster as it is, but without its CRS."""

    def damage(bench: Bench) -> None:
        path = bench.tiny.raw / "first" / name
        with rasterio.open(path) as dataset:
            values, layout = dataset.read(), {"transform": dataset.transform, "nodata": dataset.nodata}
        write_geotiff(path, values, crs=None, **layout)

    return damage


def envi(old: str, new: str) -> Damage:
    def damage(bench: Bench) -> None:
        path = write_envi(bench.tiny.raw / "first" / "thermal.img", ONE[np.newaxis])
        header = path.with_suffix(".hdr")
        header.write_text(header.read_text().replace(old, new))
        change(*SCENE, "rasters", "thermal", value="first/thermal.img")(bench)

    return damage


def drawn(*shapes: Any, rock: str = "basalt", attribute: str = "rock", crs: str | None = CRS) -> Damage:
    """Labels as polygons."""

    def damage(bench: Bench) -> None:
        frame = geopandas.GeoDataFrame({"rock": [rock] * len(shapes)}, geometry=list(shapes), crs=crs)
        frame.to_file(bench.tiny.raw / "first" / "drawn.gpkg")
        entry = {"polygons": "first/drawn.gpkg", "attribute": attribute, "grid": "elevation"}
        change(*SCENE, "labels", value=entry)(bench)

    return damage


def listed(*lines: str) -> Damage:
    """Labels as a table of points."""

    def damage(bench: Bench) -> None:
        (bench.tiny.raw / "first" / "points.csv").write_text("\n".join(lines))
        change(*SCENE, "labels", value=POINTS)(bench)

    return damage


def two_keys(bench: Bench) -> None:
    """Files whose names give one scene key."""
    for key in ("a b", "A-b"):
        write_geotiff(bench.tiny.raw / "first" / f"T_{key}.tif", ONE)
    change("sites", "north", "scenes", value={"plot-*": ANY})(bench)


def stack_without_crs(bench: Bench) -> None:
    write_geotiff(bench.tiny.raw / "first" / "a.tif", ONE)
    write_geotiff(bench.tiny.raw / "first" / "b.tif", ONE, crs=None)
    change("modalities", "thermal", "bands", value=["a", "b"])(bench)
    change(*SCENE, "rasters", "thermal", value=["first/a.tif", "first/b.tif"])(bench)


def key_twice(bench: Bench) -> None:
    text = yaml.safe_dump(bench.tiny.entries)
    bench.survey.write_text(text.replace("    scenes:\n", "    scenes:\n      first: {}\n"))


def link(name: str) -> Damage:
    """A file of the data folder that is a link to one outside it."""

    def damage(bench: Bench) -> None:
        path, target = bench.tiny.raw / name, bench.tiny.raw.parent / "outside"
        path.rename(target)
        path.symlink_to(target)

    return damage


def moved(where: str, **cells: float) -> Any:
    return {"origin": (EAST + cells.get("east", 0) * CELL, NORTH), "crs": where}


RASTERS: dict[str, tuple[Damage, str]] = {
    "missing file": (lambda b: (b.tiny.raw / "first/rgb.tif").unlink(), "the raw file is missing"),
    "missing label file": (lambda b: (b.tiny.raw / "first/labels.tif").unlink(), "the raw file is missing"),
    "a folder for a file": (change(*SCENE, "rasters", "rgb", value="first"), "the raw file is missing"),
    "not a raster": (lambda b: (b.tiny.raw / "first/rgb.tif").write_text("x"), "is not a readable GeoTIFF"),
    "an empty file": (lambda b: (b.tiny.raw / "first/rgb.tif").write_text(""), "is not a readable GeoTIFF"),
    "truncated": (cut("rgb.tif", 0.6), "cannot be read to its end"),
    "truncated in its header": (cut("rgb.tif", 0.001), "is not a readable GeoTIFF"),
    "truncated labels": (cut("labels.tif", 0.7), "cannot be read to its end"),
    "band count": (swap("thermal.tif", np.stack([ONE, ONE])), "has 2 bands, `bands` in the survey names 1"),
    "ENVI data shorter than its header": (envi("lines = 64", "lines = 65"), "the header makes it 16640 bytes"),
    "ENVI data longer than its header": (envi("samples = 64", "samples = 60"), "the file has 16384"),
    "ENVI header of another type": (envi("data type = 4", "data type = 5"), "the header makes it 32768 bytes"),
    "apart": (swap("thermal.tif", ONE, **moved(CRS, east=64)), "the raster and the labels do not overlap"),
    "apart in another CRS": (swap("thermal.tif", ONE, **moved("EPSG:32628")), "do not overlap"),
    "no whole ratio": (swap("thermal.tif", ONE, cell=7.0), "do not nest in base cells"),
    "off the grid's lines": (swap("thermal.tif", ONE, **moved(CRS, east=0.3)), "do not fall on the label grid's lines"),
    "no CRS": (unplaced("rgb.tif"), "the labels have a CRS, the raster has none"),
    "labels without CRS": (unplaced("labels.tif"), "the raster has a CRS, the labels have none"),
    "one of several without CRS": (stack_without_crs, "is not on the grid of `a.tif`"),
    "complex numbers": (swap("thermal.tif", ONE.astype(np.complex64)), "the raster holds complex64"),
    "label value": (swap("labels.tif", LABELS + 1), "the label value 11 is not in the survey's classes"),
    "label value that is nodata": (swap("labels.tif", LABELS, nodata=10), "as nodata"),
    "labels of two bands": (swap("labels.tif", np.stack([LABELS, LABELS])), "the label raster has 2 bands"),
    "link out of the folder": (link("first/rgb.tif"), "leads out of the data folder"),
    "labels that link out": (link("first/labels.tif"), "leads out of the data folder"),
    "folder that links out": (link("first"), "leads out of the data folder"),
}

LABELLED: dict[str, tuple[Damage, str]] = {
    "attribute missing": (drawn(SQUARE, attribute="unit"), "there is no column `unit`, only rock"),
    "empty geometry": (drawn(SQUARE, Polygon()), "1 feature without finite coordinates"),
    "no geometry": (drawn(SQUARE, None), "1 feature without finite coordinates"),
    "invalid geometry": (drawn(SQUARE, BOWTIE), "1 polygon near the scene cannot be filled"),
    "points for polygons": (drawn(Point(EAST + 5, NORTH - 5)), "features of type Point, not polygons alone"),
    "no features": (drawn(), "the file holds no features"),
    "polygons without CRS": (drawn(SQUARE, crs=None), "the polygons have no CRS, the grid has one"),
    "unknown class word": (drawn(SQUARE, rock="Basalt?"), "no class for 1 word of `rock` ('Basalt?')"),
    "points outside": (listed("x,y,rock", "1,2,basalt", "3,4,basalt"), "none of the 2 points lies in the scene"),
    "CSV without coordinates": (listed("a,b,rock", "1,2,basalt"), "no columns `x` and `y`, nor `lon` and `lat`"),
    "CSV with words as coordinates": (listed("x,y,rock", "here,there,basalt"), "without numbers as coordinates"),
    "CSV with infinite coordinates": (listed("x,y,rock", "inf,nan,basalt"), "without numbers as coordinates"),
    "CSV with a short line": (listed("x,y,rock", "1,2"), "line 2 has 2 values, the header has 3"),
    "CSV without lines": (listed("x,y,rock"), "the file holds no features"),
    "unknown word of a point": (
        listed("x,y,rock", f"{EAST + 5},{NORTH - 5},granite"),
        "no class for 1 word of `rock` ('granite')",
    ),
}

PATH = "a raw file's path must be relative to the data folder and stay in it"
SURVEYS: dict[str, tuple[Damage, str]] = {
    "scene key twice": (key_twice, "the key `first` occurs twice in line"),
    "two files of one key": (two_keys, "two keys give the scene `plot-a-b`"),
    "unknown parameter": (change("params", "train", "epoch", value=3), "unknown key `train.epoch`"),
    "even footprint": (change("params", "footprint", value=4), "footprint (4) must be odd"),
    "buffer under footprint": (change("params", "split", "buffer", value=1), "must be at least the footprint (3)"),
    "block under buffer": (change("params", "split", "block", value=3), "split.block (3) must exceed split.buffer (3)"),
    "shares over one": (change("params", "split", "fractions", "train", value=0.9), "must sum to 1"),
    "infinite parameter": (change("params", "train", "weight_decay", value=float("inf")), "`train.weight_decay`"),
    "unknown modality in a rung": (change("params", "distil", "rungs", value=["all", ["radar"]]), "`radar` of a rung"),
    "unknown modality of the teacher": (change("params", "distil", "rungs", value=[["x"], ["rgb"]]), "`x` of a rung"),
    "path upwards": (change(*SCENE, "rasters", "rgb", value="first/../../rgb.tif"), PATH),
    "absolute path": (change(*SCENE, "rasters", "rgb", value="/etc/passwd"), PATH),
    "label path upwards": (change(*SCENE, "labels", value="../labels.tif"), PATH),
    "polygon path upwards": (change(*SCENE, "labels", value=POINTS | {"points": "../p.csv"}), PATH),
    "joined table upwards": (
        change(*SCENE, "labels", value=POINTS | {"join": {"table": "../t.csv", "key": "k"}}),
        PATH,
    ),
    "wavelength table upwards": (
        change("modalities", "thermal", value={"wavelengths": "../w.csv", "unit": "K", "range": [0, 1]}),
        PATH,
    ),
    "pattern upwards": (
        change("sites", "north", "scenes", value={"*": ANY | {"rasters": {"thermal": "../T_*.tif"}}}),
        PATH,
    ),
    "site upwards": (change("sites", "../north", value={}), "`sites.../north`"),
    "scene upwards": (change("sites", "north", "scenes", "../x", value={}), "`sites.north.scenes.../x`"),
    "unknown site": (change("sites", value={"south": {}}), "the survey has no site north"),
    "site without raw files": (change("sites", "north", value={}), "build it with `dvc repro`"),
}
BAD = RASTERS | LABELLED | SURVEYS


def assert_refused(said: Said, expected: str) -> None:
    """One sentence with a remedy, in the words of `expected`, and nothing else that looks like trouble."""
    assert (said.code, said.out) == (2, "")
    (sentence,) = [line for line in said.err.splitlines() if line.startswith("outcrop: ")]
    assert expected in sentence and "; " in sentence and sentence.endswith(".")
    assert "Traceback" not in said.err


def traces(bench: Bench) -> set[Path]:
    """What ingest, DVC and MLflow leave in a workspace."""
    folders = ("data/sites", ".outcrop/ingested", ".outcrop/steps", ".outcrop/artifacts", ".dvc/cache")
    left = {path for folder in folders for path in (bench.root / folder).rglob("*")}
    return left | set(bench.root.glob(".outcrop/*.db")) | set(bench.root.rglob("*.dvc"))


@pytest.mark.parametrize("case", BAD)
def test_one_sentence_and_nothing_written(case: str, bench: Bench, serverless_call: Caller) -> None:
    damage, expected = BAD[case]
    bench.survey.unlink()
    damage(bench)
    if not bench.survey.exists():
        bench.write_survey()
    before = traces(bench)
    assert_refused(serverless_call(bench, "ingest", str(bench.survey), "north", "--json"), expected)
    assert traces(bench) == before


def test_an_earlier_site_is_not_touched(bench: Bench, serverless_call: Caller) -> None:
    assert serverless_call(bench, "ingest", str(bench.survey)).code == 0
    before = {path: path.read_bytes() for path in traces(bench) if path.is_file()}
    cut("elevation.tif", 0.5)(bench)
    assert_refused(serverless_call(bench, "ingest", str(bench.survey), "--json"), "cannot be read to its end")
    assert {path: path.read_bytes() for path in traces(bench) if path.is_file()} == before
