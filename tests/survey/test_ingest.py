"""Ingest: a table of bad inputs with the sentence each must give, and nothing left behind."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from conftest import CELL, EAST, NORTH, TinySurvey, write_geotiff

from outcrop.errors import DataError, OutcropError, SurveyError, WorkspaceError
from outcrop.survey.rasters import read_window

Damage = Callable[[TinySurvey], object]


def swap(name: str, values: np.ndarray, **profile: object) -> Damage:
    return lambda survey: write_geotiff(survey.raw / "first" / name, values, **profile)


def entry(*keys: str, value: object) -> Damage:
    def damage(survey: TinySurvey) -> None:
        inner = survey.entries
        for key in keys[:-1]:
            inner = inner[key]
        inner[keys[-1]] = value

    return damage


def cut(name: str, keep: float) -> Damage:
    def damage(survey: TinySurvey) -> None:
        path = survey.raw / "first" / name
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return damage


def without_crs(name: str) -> Damage:
    def damage(survey: TinySurvey) -> None:
        with rasterio.open(survey.raw / "first" / name) as dataset:
            values, cell = dataset.read(), dataset.transform.a
        write_geotiff(survey.raw / "first" / name, values, cell=cell, crs=None)

    return damage


def link_out(survey: TinySurvey) -> None:
    path = survey.raw / "first" / "rgb.tif"
    path.rename(survey.raw.parent / "rgb.tif")
    path.symlink_to(survey.raw.parent / "rgb.tif")


ONE = np.ones((64, 64), np.float32)
LABELS = np.full((64, 64), 10, np.uint8)
THERMAL = ("modalities", "thermal")
BAD_INPUTS: dict[str, tuple[Damage, type[OutcropError], str]] = {
    "missing": (lambda s: (s.raw / "first/rgb.tif").unlink(), SurveyError, "the raw file is missing"),
    "leaves the folder": (link_out, SurveyError, "leads out of the data folder"),
    "not a raster": (lambda s: (s.raw / "first/rgb.tif").write_text("x"), DataError, "is not a readable GeoTIFF"),
    "truncated": (cut("rgb.tif", 0.6), DataError, "cannot be read to its end"),
    "truncated labels": (cut("labels.tif", 0.7), DataError, "cannot be read to its end"),
    "bands": (swap("thermal.tif", np.stack([ONE, ONE])), SurveyError, "`thermal` has 2 bands, `bands` .* names 1"),
    "sensor": (
        entry(*THERMAL, value={"sensor": "aster", "unit": "K", "range": [0, 1]}),
        SurveyError,
        "`thermal` has 1 bands, the sensor `aster` in the survey names 14",
    ),
    "unknown sensor": (
        entry(*THERMAL, value={"sensor": "hubble", "unit": "K", "range": [0, 1]}),
        SurveyError,
        "`hubble` is not known, only aster, aviris, landsat8_oli",
    ),
    "apart": (swap("thermal.tif", ONE, origin=(EAST + 64 * CELL, NORTH)), SurveyError, "do not overlap"),
    "no whole ratio": (swap("thermal.tif", ONE, cell=7.0), SurveyError, "do not nest"),
    "off the lines": (swap("thermal.tif", ONE, origin=(EAST + 3, NORTH)), SurveyError, "do not fall on"),
    "rotated": (
        swap("thermal.tif", ONE, transform=rasterio.Affine(10, 2, EAST, 2, -10, NORTH)),
        SurveyError,
        "is not north-up",
    ),
    "south-up": (
        swap("labels.tif", LABELS, transform=rasterio.Affine(10, 0, EAST, 0, 10, NORTH)),
        SurveyError,
        "is not north-up",
    ),
    "another CRS, elsewhere": (
        swap("thermal.tif", ONE, crs="EPSG:32628"),
        SurveyError,
        "the raster and the labels do not overlap",
    ),
    "no CRS": (without_crs("rgb.tif"), SurveyError, "the labels have a CRS, the raster has none"),
    "labels without CRS": (without_crs("labels.tif"), SurveyError, "the raster has a CRS, the labels have none"),
    "complex": (swap("thermal.tif", ONE.astype(np.complex64)), SurveyError, "holds complex64"),
    "part without nodata": (
        swap("thermal.tif", np.ones((32, 64), np.uint8)),
        SurveyError,
        "covers only a part of the labels and has no nodata value",
    ),
    "nodata out of range": (
        lambda s: (swap("thermal.tif", LABELS)(s), entry(*THERMAL, "nodata", value=-1)(s)),
        SurveyError,
        "nodata value -1 does not fit into uint8",
    ),
    "label value": (swap("labels.tif", np.full((64, 64), 40, np.uint8)), DataError, "the label value 40 is not in"),
    "label bands": (swap("labels.tif", np.stack([LABELS, LABELS])), SurveyError, "the label raster has 2 bands"),
    "label nodata": (
        swap("labels.tif", LABELS, nodata=10),
        SurveyError,
        "declares 10, the value of class `basalt`, as nodata",
    ),
}


@pytest.mark.parametrize("name", BAD_INPUTS)
def test_bad_input_is_one_sentence_and_leaves_nothing(name: str, tiny_survey: TinySurvey) -> None:
    damage, error, message = BAD_INPUTS[name]
    damage(tiny_survey)
    with pytest.raises(error, match=message) as caught:
        tiny_survey.ingest()
    text = str(caught.value)
    assert ";" in text and "\n" not in text and text.endswith(".")
    assert list(tiny_survey.destination.iterdir()) == []


@pytest.mark.parametrize(
    ("site", "message"),
    [
        ("south", "has no site `south`, only built, north"),
        ("built", "no raw files to ingest; build it"),
    ],
)
def test_sites_that_cannot_be_ingested(site: str, message: str, tiny_survey: TinySurvey) -> None:
    tiny_survey.entries["sites"]["built"] = {}
    with pytest.raises(SurveyError, match=message):
        tiny_survey.ingest(site)
    assert not tiny_survey.destination.exists()


def test_a_destination_that_cannot_be_written(tiny_survey: TinySurvey) -> None:
    tiny_survey.destination.write_text("a file")
    with pytest.raises(WorkspaceError, match="cannot write `north`"):
        tiny_survey.ingest()


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from conftest import make_tiny_survey
from outcrop.errors import WorkspaceError
survey = make_tiny_survey(Path({folder!r}))
survey.load()
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
try:
    survey.ingest()
except WorkspaceError as error:
    print(error)
print(list(survey.destination.iterdir()))
"""


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    code = FULL_DISK.format(tests=str(Path(__file__).parents[1]), folder=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "cannot be written" in done.stdout and done.stdout.strip().endswith("[]")


def test_an_interrupt_leaves_the_earlier_site_as_it_was(tiny_survey: TinySurvey) -> None:
    site = tiny_survey.ingest()
    before = {path: path.read_bytes() for path in site.path.rglob("*") if path.is_file()}

    def interrupt(done: int, total: int, step: str) -> None:
        if "elevation" in step:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_survey.ingest(progress=interrupt)
    assert [path.name for path in tiny_survey.destination.iterdir()] == ["north"]
    assert {path: path.read_bytes() for path in site.path.rglob("*") if path.is_file()} == before


def test_leftovers_of_a_killed_run_are_removed(tiny_survey: TinySurvey) -> None:
    (tiny_survey.destination / ".north.building" / "first").mkdir(parents=True)
    tiny_survey.ingest()
    assert [path.name for path in tiny_survey.destination.iterdir()] == ["north"]


def test_a_run_killed_between_the_two_renames_loses_nothing(tiny_survey: TinySurvey) -> None:
    site = tiny_survey.ingest()
    split = (site.path / "first" / "split.tif").read_bytes()
    site.path.rename(tiny_survey.destination / ".north.retired")
    tiny_survey.entries["params"]["seed"] = 1234
    tiny_survey.ingest()
    assert (site.path / "first" / "split.tif").read_bytes() == split
    assert [path.name for path in tiny_survey.destination.iterdir()] == ["north"]


def test_the_same_raw_files_give_the_same_bytes(tiny_survey: TinySurvey, tmp_path: Path) -> None:
    one = tiny_survey.ingest().path
    tiny_survey.destination = tmp_path / "elsewhere"
    other = tiny_survey.ingest().path
    names = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(other) for path in other.rglob("*") if path.is_file())
    assert all((one / name).read_bytes() == (other / name).read_bytes() for name in names)


def test_a_raster_that_covers_a_part_is_filled_with_nodata(tiny_survey: TinySurvey) -> None:
    values = np.arange(30 * 20, dtype=np.float32).reshape(30, 20)
    write_geotiff(tiny_survey.raw / "first/thermal.tif", values, origin=(EAST + 50 * CELL, NORTH + 5 * CELL))
    thermal = tiny_survey.ingest().scenes[0].rasters["thermal"]
    expected = np.full((64, 64), np.nan)
    expected[:25, 50:] = values[5:, :14]
    np.testing.assert_array_equal(read_window(thermal, 0, 0, 64, 64)[0], expected)


def test_rasters_without_any_georeference_lie_on_each_other(tiny_survey: TinySurvey) -> None:
    bare = {"crs": None, "transform": rasterio.Affine.identity()}
    for name, values in (("labels.tif", LABELS), ("elevation.tif", np.arange(64 * 64, dtype=np.int16).reshape(64, 64))):
        write_geotiff(tiny_survey.raw / "first" / name, values, **bare)
    scenes = tiny_survey.entries["sites"]["north"]["scenes"]
    scenes["first"]["rasters"] = {"elevation": "first/elevation.tif"}
    scene = tiny_survey.ingest().scenes[0]
    assert scene.grid.crs is None
    assert read_window(scene.rasters["elevation"], 1, 0, 1, 1)[0, 0, 0] == 32.0
    write_geotiff(tiny_survey.raw / "first/elevation.tif", np.ones((60, 64), np.int16), **bare)
    with pytest.raises(SurveyError, match="without georeference"):
        tiny_survey.ingest()


def test_the_files_own_scale_counts_when_the_survey_names_none(tiny_survey: TinySurvey) -> None:
    del tiny_survey.entries["modalities"]["elevation"]["scale"]
    with rasterio.open(tiny_survey.raw / "first/elevation.tif", "r+") as dataset:
        dataset.scales, dataset.offsets = (0.25,), (7.0,)
    raster = tiny_survey.ingest().scenes[0].rasters["elevation"]
    assert (raster.scale, raster.offset) == (0.25, 7.0)
    expected = tiny_survey.elevation[5, 5] * 0.25 + 7
    assert read_window(raster, 5, 5, 1, 1)[0, 0, 0] == expected
