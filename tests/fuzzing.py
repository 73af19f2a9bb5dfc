"""Raw rasters with random damage, read in a process of its own, which a crash or a hang ends; run by `test_fuzz`.

    python tests/fuzzing.py FOLDER FIRST COUNT

Case n is always the same. Its number is printed before it is tried; at the end, how many cases ended how.
"""

import json
import random
import resource
import signal
import sys
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from conftest import EAST, NORTH, TinySurvey, make_tiny_survey, write_geotiff
from rawfiles import MAP_INFO, write_envi

from outcrop.errors import OutcropError
from outcrop.params import Params
from outcrop.survey.grids import Grid
from outcrop.survey.ingest import ingest_site
from outcrop.survey.raw.labels import lay_labels
from outcrop.survey.raw.layers import Base, lay_over
from outcrop.survey.raw.sources import inspect
from outcrop.survey.surveys import Survey

#: Seconds that a case may take, and bytes that the process may ask for.
SECONDS, MEMORY = 10, 6 << 30
HEIGHT, WIDTH = 24, 20
BASE = Base(Grid(HEIGHT, WIDTH, Affine(10, 0, EAST, 0, -10, NORTH), "EPSG:32627"), placed=True)
#: Every case so many is ingested as a whole.
INGESTED = 20
HUGE = [
    "0",
    "-1",
    "1",
    "255",
    "65536",
    "2147483647",
    "4294967296",
    "99999999999999999999",
    "1e99",
    "nan",
    "",
    "{",
    "\0",
]


def cube(dtype: Any, bands: int) -> np.ndarray:
    return (np.arange(bands * HEIGHT * WIDTH) % 20 + 10).reshape(bands, HEIGHT, WIDTH).astype(dtype)


def geotiff(path: Path, dtype: Any = np.uint8, bands: int = 1, **profile: Any) -> Path:
    return write_geotiff(path.with_suffix(".tif"), cube(dtype, bands), **profile)


def envi(path: Path, dtype: Any = np.int16, bands: int = 3, **options: Any) -> Path:
    return write_envi(path.with_suffix(".img"), cube(dtype, bands), **options).with_suffix(".hdr")


WAVELENGTHS = MAP_INFO + "\nwavelength units = nm\nwavelength = {450, 550.5, 650}\nband names = {a, b, c}"
TILED = {"tiled": True, "blockxsize": 16, "blockysize": 16}
KINDS: dict[str, Callable[[Path], Path]] = {
    "plain": geotiff,
    "deflate, tiled": lambda path: geotiff(path, np.int16, 3, compress="deflate", predictor=2, nodata=-9, **TILED),
    "lzw": lambda path: geotiff(path, np.float32, compress="lzw", predictor=3),
    "packed bits": lambda path: geotiff(path, np.uint16, compress="packbits"),
    "jpeg": lambda path: geotiff(path, np.uint8, 3, compress="jpeg", photometric="ycbcr", interleave="pixel", **TILED),
    "zstd": lambda path: geotiff(path, np.float64, 2, compress="zstd"),
    "BigTIFF": lambda path: geotiff(path, np.uint8, 2, BIGTIFF="YES", interleave="band"),
    "big-endian": lambda path: geotiff(path, np.int16, ENDIANNESS="BIG"),
    "bsq": envi,
    "bil": lambda path: envi(path, interleave="bil", more=WAVELENGTHS),
    "bip": lambda path: envi(path, interleave="bip", more=WAVELENGTHS, skip=7),
    "bip, big-endian": lambda path: envi(path, np.float32, interleave="bip", order=">"),
}


def damaged(whole: bytes, rng: random.Random) -> bytes:
    """Bytes changed, taken out, put in, cut off, or a number of four bytes made extreme; most near the beginning."""
    content = bytearray(whole)
    reach = rng.choice([64, 400, len(content)])

    def place() -> int:
        return rng.randrange(min(reach, len(content)) or 1)

    for _ in range(rng.choice([1, 1, 1, 2, 5])):
        match rng.randrange(8):
            case 0:
                del content[place() :]
            case 1:
                at = place()
                del content[at : at + rng.randrange(1, 40)]
            case 2:
                content[(at := place()) : at] = rng.randbytes(rng.randrange(1, 20))
            case 3 | 4:
                at = place() & ~1
                content[at : at + 4] = rng.choice(
                    [b"\0" * 4, b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0\0\1\0", b"\0\0\0\x10"]
                )
            case _:
                content[at : at + 1] = bytes([rng.randrange(256)]) if (at := place()) >= 0 else b""
    return bytes(content)


def misworded(whole: bytes, rng: random.Random) -> bytes:
    """Lines of an ENVI header doubled, lost or cut, their numbers made extreme."""
    lines = whole.decode().splitlines()
    for _ in range(rng.choice([1, 1, 2, 4])):
        at = rng.randrange(len(lines))
        match rng.randrange(6):
            case 0:
                lines.insert(rng.randrange(len(lines)), lines[at])
            case 1 if len(lines) > 1:
                del lines[at]
            case 2:
                lines[at] = lines[at][: rng.randrange(len(lines[at]) + 1)]
            case _:
                key, equals, value = lines[at].partition(" = ")
                parts = value.split(",")
                parts[rng.randrange(len(parts))] = rng.choice(HUGE)
                lines[at] = key + equals + ",".join(parts)
    return "\n".join(lines).encode()


@cache
def sound(folder: Path, kind: str) -> dict[str, bytes]:
    """The files of an undamaged raster by suffix; the first is the one that is named to ingest."""
    path = KINDS[kind](folder / kind / "a")
    return {each.suffix: each.read_bytes() for each in (path, *sorted(set(path.parent.iterdir()) - {path}))}


def make(folder: Path, number: int) -> tuple[str, Path, random.Random]:
    """The raster of a case: its kind, its file, and what further chance there is."""
    rng = random.Random(number)
    kind = rng.choice(list(KINDS))
    files = sound(folder, kind)
    for old in folder.glob("a.*"):
        old.unlink()
    named, target = next(iter(files)), rng.choice(list(files) if rng.random() < 0.1 else list(files)[:1])
    change = misworded if target == ".hdr" and rng.random() < 0.6 else damaged
    for suffix, content in files.items():
        (folder / f"a{suffix}").write_bytes(change(content, rng) if suffix == target else content)
    return kind, folder / f"a{named}", rng


def survey_of(survey: TinySurvey, file: str, role: str) -> tuple[Survey, Params]:
    """A survey of one scene that has the file as its modality, or as its labels."""
    files = {"rasters": {"lwir": "first/sound.tif"}, "labels": file} if role == "labels" else {}
    scene = {"acquired": "2024-07-01", "rasters": {"lwir": file}, "labels": "first/sound.tif"} | files
    survey.entries["sites"]["north"]["scenes"] = {"first": scene}
    survey.entries["classes"] = [
        {"name": f"class{value}", "value": value, "colour": "#123456"} for value in range(10, 30)
    ]
    return survey.load()


def read(survey: Survey, raw: Path, role: str) -> None:
    """What ingest does of a raster before it writes anything, and reading it whole."""
    scene = survey.sites["north"].scenes["first"]
    if role == "labels":
        layer: Any = lay_labels(scene, {}, survey, raw)
    else:
        layer = lay_over(inspect(raw, scene.rasters["lwir"]), BASE, "lwir", survey, raw / "never.tif")
    for _ in layer.contents():
        pass


def attempt(survey: TinySurvey, surveys: dict[tuple[str, str], tuple[Survey, Params]], number: int) -> str:
    """How a case ends: "read", or the kind of the error."""
    raw = survey.raw
    _, path, rng = make(raw / "first", number)
    file, role = f"first/{path.name}", rng.choice(["raster", "raster", "labels"])
    if (file, role) not in surveys:
        surveys[file, role] = survey_of(survey, file, role)
    try:
        declared, params = surveys[file, role]
        if number % INGESTED:
            read(declared, raw, role)
        else:
            ingest_site(declared, "north", params, raw, survey.destination)
        return "read"
    except OutcropError as error:
        sentence = str(error)
        assert "; " in sentence and "\n" not in sentence and sentence.endswith("."), sentence
        assert not list(survey.destination.glob(".*")), "something was left behind"
        return type(error).__name__


def main(folder: Path, first: int, count: int) -> None:
    survey, surveys = make_tiny_survey(folder), {}
    survey.entries["modalities"] = {"lwir": {"unit": "K", "range": [-1e6, 1e6]}}
    survey.entries["params"] |= {"distil": {"rungs": ["all", ["lwir"]]}}
    geotiff(survey.raw / "first" / "sound")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    ends: Counter[str] = Counter()
    for number in range(first, first + count):
        print(number, flush=True)
        signal.alarm(SECONDS)
        ends[attempt(survey, surveys, number)] += 1
        signal.alarm(0)
    print(json.dumps(ends))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
