"""`outcrop monitor` and `outcrop cameras`: dates and pictures of a site whose ground and camera are known."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from benches import Bench, Caller, copy_bench, own_results
from conftest import CELL, SIDE, TinySurvey, write_geotiff
from PIL import Image

from flows import served
from tasks import monitor as parts
from tasks.records import archive_of
from tasks.workspace import Workspace

Trained = tuple[Bench, dict[str, Any]]
FIRST, SECOND, THIRD = date(2025, 3, 1), date(2030, 9, 1), date(2031, 1, 15)
MONITOR = {"inputs": {"depth": "0.1+-0.02"}, "feedstock": ["olivine"], "products": ["calcite"], "unfamiliar": 1.0}
#: Whether a busy machine makes it champion or not.
MODEL = ("--model", "student")
#: Half of the olivine carbonates before the second date; before the third the camera shows less of the light.
CARBONATED, GAIN = 0.5, 0.85


class Watched(NamedTuple):
    """A bench after three dates, what the command said of each, and the events that it emitted."""

    bench: Bench
    first: dict[str, Any]
    second: dict[str, Any]
    third: dict[str, Any]
    events: list[Any]


def write_scene(tiny: TinySurvey, name: str, acquired: date, *, carbonated: bool = False, gain: float = 1.0) -> None:
    """Another scene of the site `quarry`: the tiny site's ground, of which some olivine became calcite."""
    rng = np.random.default_rng(len(name))
    entries = tiny.entries["sites"]
    folder = tiny.raw / name
    rows, cols = np.indices((SIDE, SIDE))
    cells = (rows // 5 + cols // 3) % 3
    cells[(cells == 1) & (rows // 5 % 2 == 0) & carbonated] = 2
    fine = cells.repeat(2, 0).repeat(2, 1)
    colours = np.array([[60, 60, 70], [90, 140, 60], [220, 215, 190]])
    rgb = gain * colours[fine].transpose(2, 0, 1) + rng.normal(0, 8, (3, 2 * SIDE, 2 * SIDE))
    write_geotiff(folder / "rgb.tif", np.clip(rgb, 1, 255).astype(np.uint8), cell=CELL / 2, nodata=0)
    scene = json.loads(json.dumps(entries["north"]["scenes"]["first"]).replace("first/rgb", f"{name}/rgb"))
    quarry = entries.setdefault("quarry", {"title": "The quarry", "scenes": {}})
    quarry["scenes"][name] = scene | {"acquired": acquired.isoformat()}


@pytest.fixture(scope="module")
def watched(trained: Trained, call: Caller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The quarry was not trained on; each scene comes after the date before was monitored."""
    from prefect.events.clients import AssertingEventsClient
    from prefect.events.worker import EventsWorker

    bench = copy_bench(trained[0], tmp_path_factory.mktemp("watched"))
    bench.tiny.entries["params"] |= {"sites": {"train": ["north"], "test": ["north"]}, "monitor": MONITOR}
    EventsWorker.set_client_override(AssertingEventsClient)
    try:
        said = []
        for name, acquired, how in (
            ("spring", FIRST, {}),
            ("autumn", SECOND, {"carbonated": True}),
            ("winter", THIRD, {"carbonated": True, "gain": GAIN}),
        ):
            write_scene(bench.tiny, name, acquired, **how)
            bench.write_survey()
            said.append(call.told(bench, "monitor", "quarry", *MODEL))
        EventsWorker.instance().drain()
        events = [each for client in AssertingEventsClient.all for each in client.events]
    finally:
        EventsWorker.set_client_override(None)
        AssertingEventsClient.reset()
    yield Watched(bench, *said, [each for each in events if each.event.startswith("outcrop.")])


def monitorings(bench: Bench) -> list[Any]:
    return list(archive_of(Workspace(bench.root)).of_kind("monitoring"))


def test_the_first_date_is_estimated_and_recorded(watched: Watched) -> None:
    told = watched.first
    assert told["scene"] == "spring" and told["acquired"] == FIRST.isoformat()
    assert told["gross"]["p5"] < told["gross"]["p50"] < told["gross"]["p95"] and told["unit"] == "t CO2"
    assert "not a creditable removal" in told["screening"]
    assert told["change"] == {"reason": "this is the first date"}
    assert told["drift"]["kind"] == "none" and told["drift"]["compared"] == 0
    assert told["labels"] == {"date": "2024-07-01", "days": 243, "expired": False} and not told["events"]
    (_, record), *_ = monitorings(watched.bench)
    assert set(record.inputs) == {"validated", "map", "carbon"}


def test_how_much_has_changed_is_told(watched: Watched) -> None:
    told = watched.second
    change, drift = told["change"], told["drift"]
    assert change["alarm"] and 0 < change["low"] < change["share"] < change["high"]
    assert change["share"] == pytest.approx(CARBONATED, abs=0.15)
    assert drift["kind"] == "none" and drift["compared"] == 1 and not drift["signs"]
    assert told["labels"]["expired"]
    assert told["series"][1]["p50"] < told["series"][0]["p50"], "what has carbonated binds no more"


def test_a_sensor_that_drifted_is_no_change(watched: Watched) -> None:
    drift = watched.third["drift"]
    assert drift["kind"] == "sensor" and drift["compared"] == 2
    (sign,) = drift["signs"]
    assert (sign["where"], sign["name"]) == ("rgb", "gain") and re.search(r"-1[1-9]\.\d%", sign["sentence"])
    assert [row["changed"] for row in watched.third["series"]] == [None, True, False]
    assert [row["drift"] for row in watched.third["series"]] == ["none", "none", "sensor"]


def test_every_date_rests_on_the_one_before(watched: Watched) -> None:
    (_, first), (entry, second), (_, third) = monitorings(watched.bench)
    assert second.inputs["before"] == first.id and entry.record == watched.second["record"] == second.id
    assert second.inputs["map before"] == first.inputs["map"] != second.inputs["map"]
    assert second.facts["change"] == watched.second["change"]
    assert third.inputs["before"] == second.id


def test_events_say_what_a_retraining_must_know(watched: Watched) -> None:
    expired, drift, again = watched.events
    assert watched.second["events"] == [expired.event] == ["outcrop.labels-expired"]
    assert watched.third["events"] == [drift.event, again.event] == ["outcrop.drift", "outcrop.labels-expired"]
    assert {each.resource.id for each in watched.events} == {"outcrop.site.tiny.quarry"}
    assert drift.payload["kind"] == "sensor" and drift.payload["scene"] == "winter"
    archive = archive_of(Workspace(watched.bench.root))
    assert archive.find(drift.payload["subject"]) == watched.third["record"]


def test_the_page_shows_the_series_and_needs_no_network(watched: Watched) -> None:
    page, last = (Path(told["report"]).read_text(encoding="utf-8") for told in (watched.second, watched.third))
    for part in ("The quarry, 2030-09-01", "The ground has changed", "expired", "spring"):
        assert part in page
    assert "The quarry, 2031-01-15" in last and "The sensor has drifted" in last
    assert not re.search(r"(src|href)=.(?!data:|#)", page) and page.count("data:image/png") == 2


def test_a_date_is_recorded_once(watched: Watched, call: Caller) -> None:
    lines = len(archive_of(Workspace(watched.bench.root)).ledger.lines())
    again = call.told(watched.bench, "monitor", "quarry", *MODEL)
    assert len(archive_of(Workspace(watched.bench.root)).ledger.lines()) == lines
    same = [name for name in again if name not in ("cached",)]
    assert {name: again[name] for name in same} == {name: watched.third[name] for name in same}


def test_a_service_asks_what_the_command_asks(watched: Watched, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """`call` brings the server that the flow needs."""
    bench = watched.bench
    monkeypatch.setenv("OUTCROP_REAL_DATA", str(bench.tiny.raw))
    monkeypatch.chdir(bench.root)
    lines = len(archive_of(Workspace(bench.root)).ledger.lines())
    with own_results(bench):
        state = served.monitor.fn(str(bench.survey.relative_to(bench.root)), "quarry", "student")
    assert state.name == "Completed" and "The sensor has drifted" in state.message
    assert state.message.endswith(f"Report: {watched.third['report']}")
    assert len(archive_of(Workspace(bench.root)).ledger.lines()) == lines


def test_a_run_that_was_killed_goes_on(watched: Watched, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another depth makes another estimate of the same date; it is killed where the maps are done."""

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    words = (*MODEL, "--set", "monitor.inputs.depth=0.2")
    known = len(monitorings(watched.bench))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.carbon._estimate_all", killed)
        assert call(watched.bench, "monitor", "quarry", "--survey", str(watched.bench.survey), *words).code == 130
    assert len(monitorings(watched.bench)) == known
    monkeypatch.setattr(parts, "map_one", killed)
    told = call.told(watched.bench, "monitor", "quarry", *words)
    assert told["gross"]["p50"] == pytest.approx(2 * watched.third["gross"]["p50"], rel=0.05)
    assert len(told["series"]) == 3, "the date is estimated anew, not added"
    assert len(monitorings(watched.bench)) == known + 1


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "dates out of order": (("quarry", "--scene", "spring"), "the dates are out of order"),
    "unknown site": (("oman",), "the survey has no site oman"),
    "unknown scene": (("quarry", "--scene", "summer"), "site quarry has no scene summer"),
    "unknown class": (("quarry", "--set", "monitor.products=[calsite]"), "names calsite, which is no class"),
    "no depth": (("quarry", "--set", "monitor.inputs.depth=null"), "monitor.inputs.depth"),
    "negative depth": (("quarry", "--set", "monitor.inputs.depth=-1"), "must be at least 0"),
    "unknown input": (("quarry", "--set", "monitor.inputs.hight=1"), "monitor.inputs.hight"),
    "unknown profile": (("quarry", "--set", "monitor.profile=gold"), "there is no profile `gold`"),
    "unknown model": (("quarry", "--model", "student/9"), "there is no model `student/9`"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_is_told_in_one_sentence(case: str, watched: Watched, call: Caller) -> None:
    words, sentence = BAD[case]
    lines = len(archive_of(Workspace(watched.bench.root)).ledger.lines())
    said = call(watched.bench, "monitor", *words, "--survey", str(watched.bench.survey))
    assert said.code == 2 and sentence in said.err and len(said.err.strip().splitlines()) == 1, said.err
    assert len(archive_of(Workspace(watched.bench.root)).ledger.lines()) == lines


COLOURS = np.array([[60, 60, 70], [90, 140, 60], [220, 215, 190]])


def photograph(path: Path, olivine: float, seed: int) -> None:
    """A picture of stripes of olivine and calcite, in pixels half as large as the model's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    cells = np.where(np.arange(40) < 40 * olivine, 1, 2)[None].repeat(30, axis=0)
    fine = COLOURS[cells.repeat(4, 0).repeat(4, 1)] + rng.normal(0, 8, (120, 160, 3))
    Image.fromarray(np.clip(fine, 1, 255).astype(np.uint8)).save(path, quality=95)


@pytest.fixture(scope="module")
def pictured(watched: Watched) -> Bench:
    """Three cameras at the quarry, one of which has no picture of the second date."""
    bench, cameras = watched.bench, {}
    for number, (name, olivine) in enumerate((("crusher", 0.5), ("heap", 0.75), ("ramp", 0.6))):
        told = {"images": f"{name}/*.jpg", "position": [500100.0 + number, 7099900.0], "gsd_m": 2.5}
        cameras[name] = told | {"area_m2": 120_000.0}
        for day in ("2025-03-01", "2025-04-01")[: 1 if name == "ramp" else 2]:
            photograph(bench.tiny.raw / name / f"{day}.jpg", olivine, number)
    cameras["crusher"] = told | {"images": "crusher/*.jpg", "homography": [[2.5, 0, 0], [0, -2.5, 300], [0, 0, 1]]}
    bench.tiny.entries["sites"]["quarry"]["cameras"] = cameras
    bench.write_survey()
    return bench


def test_cameras_are_summed_by_area_and_missing_ones_widen(pictured: Bench, serverless_call: Caller) -> None:
    all_there, less = (
        serverless_call.told(pictured, "cameras", "quarry", *MODEL, *words) for words in (("--date", "2025-03-01"), ())
    )
    assert less["date"] == "2025-04-01" and set(less["cameras"]) == {"crusher", "heap"}
    assert less["missing"] == {"ramp": 120_000.0} and not all_there["missing"]
    for name, share in (("crusher", 0.5), ("heap", 0.75)):
        assert less["cameras"][name]["mapped"]["olivine"] == pytest.approx(share, abs=0.05)
        assert less["cameras"][name]["area_m2"] == pytest.approx(120_000, rel=0.15), "cells at the edge have no patch"
    for told in (all_there, less):
        assert told["whole"]["p5"] < told["whole"]["p50"] < told["whole"]["p95"]
        assert "not a creditable removal" in told["screening"]
    spread = [(each["whole"]["p95"] - each["whole"]["p5"]) / each["whole"]["p50"] for each in (all_there, less)]
    assert spread[1] > 1.2 * spread[0]
    record = archive_of(Workspace(pictured.root)).read(less["record"])
    assert record.kind == "cameras" and record.facts["missing"] == less["missing"]


def test_people_read_what_is_missing(pictured: Bench, serverless_call: Caller) -> None:
    said = serverless_call(pictured, "cameras", "quarry", *MODEL, "--survey", str(pictured.survey))
    assert said.code == 0, said.err
    assert "no picture of ramp" in said.out and "not a creditable removal" in said.out


BAD_CAMERAS: dict[str, tuple[dict[str, Any], tuple[str, ...], str]] = {
    "no cameras": ({}, ("north",), "the survey has no cameras at north"),
    "no picture": ({}, ("quarry", "--date", "2020-01-01"), "no camera has a picture of 2020-01-01"),
    "no suffix": ({"images": "crusher/*.gif"}, ("quarry",), "images must be JPEG or PNG"),
    "no date": ({"images": "crusher/2025-*.jpg"}, ("quarry",), "is no date"),
    "area and homography": ({"area_m2": 5}, ("quarry",), "give either `area_m2` or `homography`"),
    "no size of pixels": ({"gsd_m": None}, ("quarry",), "gsd_m"),
}


@pytest.mark.parametrize("case", BAD_CAMERAS)
def test_cameras_that_cannot_be_used_are_refused(case: str, pictured: Bench, serverless_call: Caller) -> None:
    change, words, sentence = BAD_CAMERAS[case]
    cameras = pictured.tiny.entries["sites"]["quarry"]["cameras"]
    kept = cameras["crusher"]
    cameras["crusher"] = kept | change
    pictured.write_survey()
    try:
        said = serverless_call(pictured, "cameras", *words, "--survey", str(pictured.survey))
    finally:
        cameras["crusher"] = kept
        pictured.write_survey()
    assert said.code == 2 and sentence in said.err and len(said.err.strip().splitlines()) == 1, said.err
