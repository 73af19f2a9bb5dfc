"""The raw files of a site: all that belong to it, by content; and that a change of any of them makes it anew."""

import os
from pathlib import Path

from conftest import TinySurvey

from outcrop.record.digests import digest_file
from tasks.raw import Origin, fingerprint, raw_digests
from tasks.workspace import Workspace

FIRST = {f"first/{name}.tif" for name in ("rgb", "thermal", "elevation", "labels")}


def test_what_lies_beside_a_raw_file_under_its_name_belongs_to_it(tiny_survey: TinySurvey) -> None:
    survey, params = tiny_survey.load()
    folder = tiny_survey.raw / "first"
    for name in ("rgb.tfw", "rgb.tif.aux.xml", "rgb2.tif", "notes.txt"):
        (folder / name).write_text(name)
    before = fingerprint(tiny_survey.raw, survey, "north", params)
    digests = raw_digests(survey, "north", tiny_survey.raw)
    assert set(digests) == FIRST | {"first/rgb.tfw", "first/rgb.tif.aux.xml"}
    assert digests["first/rgb.tif"] == digest_file(folder / "rgb.tif")
    os.utime(folder / "rgb2.tif", (0, 0))
    assert fingerprint(tiny_survey.raw, survey, "north", params) == before
    os.utime(folder / "rgb.tfw", (0, 0))
    assert fingerprint(tiny_survey.raw, survey, "north", params) != before


def test_an_origin_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    workspace, origin = Workspace(tmp_path), Origin("f", "d.dir", {"a": "b"})
    assert Origin.read(workspace, "north") is None
    origin.keep(workspace, "north")
    assert Origin.read(workspace, "north") == origin
    for damaged in ("0" * 64, '{"fingerprint": "f"', "[]", '{"unknown": 1}'):
        (tmp_path / ".outcrop" / "ingested" / "north.json").write_text(damaged)
        assert Origin.read(workspace, "north") is None
