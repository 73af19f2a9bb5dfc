"""`outcrop monitor` through its real command: two dates of a site whose ground and camera change in a known way."""

import json
import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from benches import Bench, Caller, copy_bench
from conftest import CELL, SIDE, TinySurvey, write_geotiff

from tasks import monitor as parts
from tasks.records import archive_of
from tasks.workspace import Workspace

Trained = tuple[Bench, dict[str, Any]]
FIRST, SECOND = date(2025, 3, 1), date(2030, 9, 1)
MONITOR = {"inputs": {"depth": "0.1+-0.02"}, "feedstock": ["olivine"], "products": ["calcite"], "unfamiliar": 0.9}
#: What happens between the dates: the share of the olivine that carbonates, and the gain of the camera.
CARBONATED, GAIN = 0.5, 1.15


class Watched(NamedTuple):
    """A bench after two dates, what the command said of each, and the events that it emitted."""

    bench: Bench
    first: dict[str, Any]
    second: dict[str, Any]
    events: list[Any]


def write_scene(tiny: TinySurvey, name: str, acquired: date, *, carbonated: float = 0.0, gain: float = 1.0) -> None:
    """Another scene of the site `quarry`: the tiny site's ground, of which some olivine became calcite."""
    rng = np.random.default_rng(len(name))
    entries = tiny.entries["sites"]
    folder = tiny.raw / name
    turned = (tiny.labels == 1) & (rng.random(tiny.labels.shape) < carbonated)
    cells = np.where(turned, 2, np.add.outer(np.arange(SIDE) // 5, np.arange(SIDE) // 3) % 3)
    fine = cells.repeat(2, 0).repeat(2, 1)
    colours = np.array([[60, 60, 70], [90, 140, 60], [220, 215, 190]])
    rgb = gain * colours[fine].transpose(2, 0, 1) + rng.normal(0, 8, (3, 2 * SIDE, 2 * SIDE))
    write_geotiff(folder / "rgb.tif", np.clip(rgb, 1, 255).astype(np.uint8), cell=CELL / 2, nodata=0)
    scene = json.loads(json.dumps(entries["north"]["scenes"]["first"]).replace("first/rgb", f"{name}/rgb"))
    quarry = entries.setdefault("quarry", {"title": "The quarry", "scenes": {}})
    quarry["scenes"][name] = scene | {"acquired": acquired.isoformat()}


@pytest.fixture(scope="module")
def watched(trained: Trained, call: Caller, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """The quarry was not trained on; its second scene comes after the first date was monitored."""
    from prefect.events.clients import AssertingEventsClient
    from prefect.events.worker import EventsWorker

    bench = copy_bench(trained[0], tmp_path_factory.mktemp("watched"))
    bench.tiny.entries["params"] |= {"sites": {"train": ["north"], "test": ["north"]}, "monitor": MONITOR}
    EventsWorker.set_client_override(AssertingEventsClient)
    try:
        said = []
        for name, acquired, how in (
            ("spring", FIRST, {}),
            ("autumn", SECOND, {"carbonated": CARBONATED, "gain": GAIN}),
        ):
            write_scene(bench.tiny, name, acquired, **how)
            bench.write_survey()
            said.append(call.told(bench, "monitor", "quarry"))
        EventsWorker.instance().drain()
        events = [each for client in AssertingEventsClient.all for each in client.events]
    finally:
        EventsWorker.set_client_override(None)
        AssertingEventsClient.reset()
    yield Watched(bench, said[0], said[1], [each for each in events if each.event.startswith("outcrop.")])


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


def test_what_has_changed_and_drifted_is_told(watched: Watched) -> None:
    told = watched.second
    change, drift = told["change"], told["drift"]
    assert change["alarm"] and change["low"] < change["share"] < change["high"]
    assert change["share"] == pytest.approx(CARBONATED, abs=0.15)
    assert drift["kind"] == "sensor" and drift["compared"] == 1
    (sign,) = drift["signs"]
    assert (sign["where"], sign["name"]) == ("rgb", "gain") and re.search(r"\+1[1-9]\.\d%", sign["sentence"])
    assert told["labels"]["expired"]
    assert [row["changed"] for row in told["series"]] == [None, True]
    assert [row["drift"] for row in told["series"]] == ["none", "sensor"]
    assert told["series"][1]["p50"] < told["series"][0]["p50"], "what has carbonated binds no more"


def test_the_second_date_rests_on_the_first(watched: Watched) -> None:
    (_, first), (entry, second) = monitorings(watched.bench)
    assert second.inputs["before"] == first.id and entry.record == watched.second["record"] == second.id
    assert second.inputs["map before"] == first.inputs["map"] != second.inputs["map"]
    assert second.facts["change"] == watched.second["change"]


def test_events_say_what_a_retraining_must_know(watched: Watched) -> None:
    assert [each.event for each in watched.events] == ["outcrop.drift", "outcrop.labels-expired"]
    drift, expired = watched.events
    assert watched.second["events"] == [drift.event, expired.event]
    assert drift.resource.id == expired.resource.id == "outcrop.site.tiny.quarry"
    assert drift.payload["kind"] == "sensor" and drift.payload["scene"] == "autumn"
    archive = archive_of(Workspace(watched.bench.root))
    assert archive.find(drift.payload["subject"]) == watched.second["record"]


def test_the_page_shows_the_series_and_needs_no_network(watched: Watched) -> None:
    page = Path(watched.second["report"]).read_text(encoding="utf-8")
    for part in ("The quarry, 2030-09-01", "The ground has changed", "The sensor has drifted", "expired", "spring"):
        assert part in page
    assert not re.search(r"(src|href)=.(?!data:|#)", page) and page.count("data:image/png") == 2


def test_a_date_is_recorded_once(watched: Watched, call: Caller) -> None:
    lines = len(archive_of(Workspace(watched.bench.root)).ledger.lines())
    again = call.told(watched.bench, "monitor", "quarry")
    assert len(archive_of(Workspace(watched.bench.root)).ledger.lines()) == lines
    same = [name for name in again if name not in ("cached",)]
    assert {name: again[name] for name in same} == {name: watched.second[name] for name in same}


def test_a_run_that_was_killed_goes_on(watched: Watched, call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another depth makes another estimate of the same date; it is killed where the maps are done."""

    def killed(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    words = ("--set", "monitor.inputs.depth=0.2")
    known = len(monitorings(watched.bench))
    with monkeypatch.context() as patch:
        patch.setattr("tasks.carbon._estimate_all", killed)
        assert call(watched.bench, "monitor", "quarry", "--survey", str(watched.bench.survey), *words).code == 130
    assert len(monitorings(watched.bench)) == known
    monkeypatch.setattr(parts, "map_one", killed)
    told = call.told(watched.bench, "monitor", "quarry", *words)
    assert told["gross"]["p50"] == pytest.approx(2 * watched.second["gross"]["p50"], rel=0.05)
    assert len(told["series"]) == 2, "the date is estimated anew, not added"
    assert len(monitorings(watched.bench)) == known + 1


BAD: dict[str, tuple[tuple[str, ...], str]] = {
    "dates out of order": (("quarry", "--scene", "spring"), "the dates are out of order"),
    "unknown site": (("oman",), "the survey has no site oman"),
    "unknown scene": (("quarry", "--scene", "winter"), "site quarry has no scene winter"),
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
