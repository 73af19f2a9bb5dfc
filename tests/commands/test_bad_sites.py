"""Sites that were tampered with, and folders that cannot be written: one sentence each, and nothing half written."""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benches import Bench, Caller

from outcrop.survey.sites import Site

Tamper = Callable[[Path], object]


def edit(name: str, tamper: Callable[[dict[str, Any]], object]) -> Tamper:
    def edited(site: Path) -> None:
        content = json.loads((site / name).read_text())
        tamper(content)
        (site / name).write_text(json.dumps(content))

    return edited


def item(href: str) -> Tamper:
    """The manifest's first scene elsewhere."""

    def point(collection: dict[str, Any]) -> None:
        next(link for link in collection["links"] if link["rel"] == "item")["href"] = href

    return edit("collection.json", point)


def asset(name: str, **fields: object) -> Tamper:
    return edit("first/first.json", lambda content: content["assets"][name].update(fields))


def link(name: str) -> Tamper:
    """A file or folder of the site that is a link to the same thing outside it."""

    def linked(site: Path) -> None:
        target = site.parents[2] / "outside"
        shutil.move(site / name, target)
        (site / name).symlink_to(target)

    return linked


LEAVES, OUT = "leaves the site's folder", "leads out of the site's folder"
INSIDE = "a link must be a path inside the site's folder"
TAMPERED: dict[str, tuple[Tamper, str]] = {
    "scene upwards": (item("../south/first/first.json"), LEAVES),
    "scene upwards, later": (item("./first/../../south/first.json"), LEAVES),
    "absolute scene": (item("/etc/passwd"), LEAVES),
    "scene at an address": (item("https://example.org/first.json"), LEAVES),
    "scene with a drive": (item("C:\\first.json"), LEAVES),
    "asset upwards": (asset("rgb", href="../../../raw/first/rgb.tif"), INSIDE),
    "absolute asset": (asset("rgb", href="/etc/passwd"), INSIDE),
    "asset at an address": (asset("rgb", href="https://example.org/rgb.tif"), INSIDE),
    "asset in GDAL's network": (asset("rgb", href="/vsicurl/https://example.org/rgb.tif"), INSIDE),
    "labels upwards": (asset("labels", href="../../labels.tif"), INSIDE),
    "raster linked out": (link("first/rgb.tif"), OUT),
    "scene's manifest linked out": (link("first/first.json"), OUT),
    "scene linked out": (link("first"), OUT),
    "site's manifest linked out": (link("collection.json"), OUT),
    "raster missing": (lambda site: (site / "first/rgb.tif").unlink(), "`rgb.tif` is missing"),
    "bands too few": (asset("rgb", bands=[{"name": "red"}]), "has 3 bands, its manifest says 1"),
    "endless nodata": (asset("elevation", nodata="many"), "`assets.elevation.nodata`"),
    "shape in words": (asset("rgb", **{"proj:shape": ["a", "b"]}), "`assets.rgb.proj:shape.0`"),
}


def assert_sentence(code: int, err: str, expected: str) -> None:
    assert code == 2
    (sentence,) = [line for line in err.splitlines() if line.startswith("outcrop: ")]
    assert expected in sentence and "; " in sentence and sentence.endswith(".")
    assert "Traceback" not in err


@pytest.mark.parametrize("case", TAMPERED)
def test_a_tampered_site_is_neither_shown_nor_replaced(
    case: str, bench: Bench, tiny_site: Site, serverless_call: Caller
) -> None:
    tamper, expected = TAMPERED[case]
    site = bench.root / "data" / "sites" / "north"
    shutil.copytree(tiny_site.path, site)
    tamper(site)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
    survey = str(bench.survey)
    for words in (("sites",), ("sites", "show", "north"), ("sites", "stats", "north"), ("ingest", survey)):
        said = serverless_call(bench, *words)
        assert said.out == ""
        assert_sentence(said.code, said.err, expected)
    assert {path: path.stat().st_mtime_ns for path in site.rglob("*")} == before
    assert [path.name for path in site.parent.iterdir()] == ["north"]


def test_a_tampered_site_is_not_validated_though_dvc_recorded_it(bench: Bench, call: Caller) -> None:
    assert call(bench, "ingest", str(bench.survey)).code == 0
    site = bench.root / "data" / "sites" / "north"
    asset("rgb", href="../../../raw/first/rgb.tif")(site)
    assert_sentence(*call(bench, "validate", "--survey", str(bench.survey))[::2], "differ from what DVC recorded")
    subprocess.run([sys.executable, "-m", "dvc", "add", "--quiet", str(site)], cwd=bench.root, check=True)
    assert_sentence(*call(bench, "validate", "--survey", str(bench.survey))[::2], INSIDE)


@pytest.mark.parametrize("leftover", [".north.building", ".north.retired"])
def test_what_a_killed_ingest_left_is_not_taken_for_a_site(
    leftover: str, bench: Bench, tiny_site: Site, serverless_call: Caller
) -> None:
    left = bench.root / "data" / "sites" / leftover
    shutil.copytree(tiny_site.path, left)
    (left / "first" / "first.json").unlink()
    said = serverless_call(bench, "sites", "--json")
    assert (said.code, json.loads(said.out)) == (0, {"sites": {}})
    said = serverless_call(bench, "sites", "show", leftover)
    assert_sentence(said.code, said.err, f"there is no site `{leftover}`")


def test_a_file_where_the_sites_should_be(bench: Bench, serverless_call: Caller) -> None:
    (bench.root / "data" / "sites").write_text("")
    said = serverless_call(bench, "ingest", str(bench.survey))
    assert_sentence(said.code, said.err, "cannot write `north`: file exists")


def as_anyone() -> None:
    """Take from an administrator's process, and those that it starts, the right to write everywhere."""
    drop_capability, dac_override = 24, 1
    if os.geteuid() == 0:
        assert ctypes.CDLL(None).prctl(drop_capability, dac_override, 0, 0, 0) == 0


def small_files() -> None:
    """No file may grow beyond some kilobytes, which is as if the disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


def ingested(bench: Bench, prepare: Callable[[], object] | None = None) -> subprocess.CompletedProcess[str]:
    """`outcrop ingest` in a process of its own."""
    command = bench.command("ingest", str(bench.survey))
    return subprocess.run(
        command, env=bench.environment, capture_output=True, text=True, check=False, preexec_fn=prepare
    )


@pytest.fixture
def sites(bench: Bench) -> Path:
    """The folder of the sites, still empty."""
    folder = bench.root / "data" / "sites"
    folder.mkdir()
    return folder


def test_a_folder_that_may_only_be_read(bench: Bench, sites: Path) -> None:
    sites.chmod(0o555)
    done = ingested(bench, as_anyone)
    assert_sentence(done.returncode, done.stderr, "cannot write `north`: permission denied")
    assert list(sites.iterdir()) == []


@pytest.mark.parametrize("size", ["16k", "64k", "96k"])
def test_a_disk_that_is_full(size: str, bench: Bench, sites: Path) -> None:
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(sites)], check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        done = ingested(bench)
        left = list(sites.iterdir())
    finally:
        subprocess.run(["umount", str(sites)], check=True)
    assert_sentence(done.returncode, done.stderr, "check free space and write permission")
    assert left == []
    assert list(sites.parent.glob("**/*.dvc")) == []


def test_files_that_may_not_grow(bench: Bench, sites: Path) -> None:
    done = ingested(bench, small_files)
    assert_sentence(done.returncode, done.stderr, "check free space and write permission")
    assert list(sites.iterdir()) == []
