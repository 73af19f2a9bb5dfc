"""The report says everything it was given, loads nothing from elsewhere, and is written whole or not at all."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from outcrop.errors import WorkspaceError
from outcrop.record.formats import NOTHING, Picture, fixed, plain, size, spread
from outcrop.record.report import (
    Artefact,
    Change,
    Finding,
    Lineage,
    ModalityRow,
    ModelRow,
    Quotient,
    Report,
    SceneSummary,
    SiteSummary,
    Step,
    render_report,
    write_report,
)

#: The head of a PNG of 640 x 480 pixels: all that a report reads of a picture.
PNG = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + b"IHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big")
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Page(HTMLParser):
    """Text by cell, elements with their attributes, and whether every element is closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.text += data
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += f" {data.strip()}" if self.rows[-1][-1] else data.strip()

    def row(self, first: str) -> list[str]:
        return next(row for row in self.rows if row and row[0] == first)

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def metrics(**changes: Any) -> dict[str, Any]:
    return {
        "macro_f1": 0.8123,
        "overall_accuracy": 0.8567,
        "average_accuracy": 0.8011,
        "kappa": 0.7654,
        "iou": None,
        "ece": 0.0432,
        "nll": 0.5219,
        "per_class": {"dunite": {"f1": 0.9012, "support": 1204}, "moss": {"f1": None, "support": 0}},
        "absent": ["moss"],
        "interval": {"macro_f1": [0.7912, 0.8344], "per_class": {"dunite": [0.8801, 0.9203]}},
        "latency_ms_p50": 1.23,
        "latency_ms_p95": 4.56,
        "throughput": 12345.0,
        "parameters": 23456,
        "bytes": 98304,
        **changes,
    }


def forest() -> dict[str, Any]:
    cost = ("latency_ms_p50", "latency_ms_p95", "throughput", "parameters", "bytes")
    return metrics(**dict.fromkeys(cost), interval=None, macro_f1=0.7001)


@pytest.fixture
def report() -> Report:
    return Report(
        title="Leka",
        verdict="The student keeps most of what the teacher knows.",
        created="8 October 2025",
        models=(
            ModelRow("teacher", "all sensors", metrics(), confusion=Picture(PNG, "who was taken for whom")),
            ModelRow("forest", "RGB", forest()),
            ModelRow("student", "RGB, distilled", metrics(macro_f1=0.7777), subject=True),
        ),
        retention=Quotient(0.9574, (0.9331, 0.9789)),
        gap_recovered=Quotient(None, reason="teacher and control do not differ"),
        gain=Quotient(0.0313, (-0.0101, 0.0612)),
        sites=(
            SiteSummary(
                name="leka",
                digest="0123abcd.dir",
                scenes=(SceneSummary("north", 1800, 240, "2 m", "EPSG:32632", (Picture(PNG, "rgb from above"),)),),
                modalities=(
                    ModalityRow("rgb", 3, "reflectance", fine=4),
                    ModalityRow("gamma", 3, "", coarse=10, derived_from="airborne"),
                ),
                cells={"dunite": {"train": 5186, "val": 812, "test": 1204}, "moss": {"train": 77}},
            ),
        ),
        findings=(
            Finding("none", "overlap", "leka", "All is well."),
            Finding("critical", "support", "moss", "Too few blocks."),
            Finding("warning", "nodata_share", "leka/north", "2.3 % without data."),
        ),
        checks_passed=57,
        curves=(Picture(PNG, "loss and score by epoch"),),
        correctness=(Picture(PNG, "right and wrong cells", "north"),),
        lineage=Lineage(
            run_id="run-1",
            commit="c0ffee",
            dirty=True,
            flow_key="flow-key",
            source_digest="source-digest",
            seed=1729,
            device="cpu",
            packages={"torch": "2.8.0"},
            steps=(Step("teacher", "key-t", "run-t", True), Step("census", "key-c", None, False)),
            models=(Artefact("student", "models:/student/3", "digest-s"),),
            changes=(Change("train.epochs", 120, 40), Change("student.features", 256, 64)),
            parameters={"seed": 1729, "train": {"epochs": 40}},
        ),
    )


def test_every_number_of_a_model_stands_in_its_row(report: Report) -> None:
    row = Page(render_report(report)).row("teacher all sensors")
    assert row[1:] == [
        "0.812 0.791 to 0.834", "0.857", "0.801", "0.765", "0.043", "0.522", "1.23 p95 4.56", "12,345", "23,456",
        "98.3 kB",
    ]  # fmt: skip


def test_what_does_not_apply_reads_as_an_en_dash(report: Report) -> None:
    page = Page(render_report(report))
    assert page.row("forest RGB")[1] == "0.700"
    assert page.row("forest RGB")[-4:] == [NOTHING] * 4
    assert page.row("moss")[1:] == ["77", "0", "0"]
    absent = [row for row in page.rows if row[0] == "moss"][1]
    assert absent == ["moss", "0", NOTHING, NOTHING, NOTHING]
    assert "not part of any mean: moss" in page.text


def test_iou_is_a_column_only_where_a_model_has_one(report: Report) -> None:
    assert "IoU" not in render_report(report)
    binary = replace(report.models[0], metrics=metrics(iou=0.6789))
    page = Page(render_report(replace(report, models=(binary, *report.models[1:]))))
    assert page.row("teacher all sensors")[5] == "0.679"
    assert page.row("forest RGB")[5] == NOTHING
    assert page.of("th")[1]["colspan"] == "5"


def test_quotients_are_shown_or_explained(report: Report) -> None:
    text = Page(render_report(report)).text
    assert "0.957" in text and "0.933 to 0.979" in text
    assert "-0.010 to 0.061" in text
    assert "not defined" in text and "Not defined here: teacher and control do not differ." in text


def test_the_data_are_summarised(report: Report) -> None:
    page = Page(render_report(report))
    assert "0123abcd.dir" in page.text
    assert "1,800 × 240 base cells of 2 m" in page.text  # noqa: RUF001
    assert page.row("rgb") == ["rgb", "3", "reflectance", "4 × 4 pixels in a base cell", "measured"]  # noqa: RUF001
    assert page.row("gamma")[2:] == [NOTHING, "a pixel covers 10 × 10 base cells", "derived from airborne"]  # noqa: RUF001
    assert page.row("dunite") == ["dunite", "5,186", "812", "1,204"]
    assert page.row("all") == ["all", "5,263", "812", "1,204"]


def test_findings_are_ordered_by_severity(report: Report) -> None:
    page = Page(render_report(report))
    shown = [row for row in page.rows if row[0] in ("critical", "warning", "note")]
    assert [row[0] for row in shown] == ["critical", "warning", "note"]
    assert shown[1] == ["warning", "nodata_share", "leka/north", "2.3 % without data."]
    assert "57 checks passed" in page.text


def test_classes_come_with_support_and_interval(report: Report) -> None:
    dunite = [row for row in Page(render_report(report)).rows if row[0] == "dunite"][1]
    assert dunite == ["dunite", "1,204", "0.901 0.880 to 0.920", "0.901", "0.901 0.880 to 0.920"]


def test_lineage_is_complete(report: Report) -> None:
    page = Page(render_report(report))
    for value in ("run-1", "c0ffee", "dirty", "flow-key", "source-digest", "1729", "cpu", "torch 2.8.0"):
        assert value in page.text
    assert page.row("teacher") == ["teacher", "key-t", "run-t", "cached"]
    assert page.row("census") == ["census", "key-c", NOTHING, "computed"]
    assert page.row("student") == ["student", "models:/student/3", "digest-s"]
    assert page.row("train.epochs") == ["train.epochs", "120", "40"]
    assert page.row("student.features") == ["student.features", "256", "64"]
    assert "train:\n  epochs: 40" in page.text


def test_a_clean_commit_has_no_badge(report: Report) -> None:
    assert "dirty" not in render_report(replace(report, lineage=replace(report.lineage, dirty=False)))


def test_nothing_is_loaded_from_elsewhere(report: Report) -> None:
    html = render_report(report)
    page = Page(html)
    assert not {tag for tag, _ in page.elements} & {"script", "link", "iframe", "object", "embed", "base"}
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset", "style", "data", "poster"):
            link = attributes.get(name) or "#"
            assert link.startswith(("#", "data:image/png;base64,")), link
        assert not any(name.startswith("on") for name in attributes)
    assert not re.search(r"url\(|@import|https?://", html)
    assert "default-src 'none'" in html


def test_every_picture_has_a_text_and_its_size(report: Report) -> None:
    pictures = Page(render_report(report)).of("img")
    assert {picture["alt"] for picture in pictures} == {
        "who was taken for whom", "rgb from above", "loss and score by epoch", "right and wrong cells",
    }  # fmt: skip
    assert {(picture["width"], picture["height"]) for picture in pictures} == {("320", "240")}


def test_the_contents_lead_to_sections(report: Report) -> None:
    page = Page(render_report(report))
    sections = [section["id"] for section in page.of("section")]
    assert [link["href"] for link in page.of("a")] == [f"#{section}" for section in sections]


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=y>"


def test_hostile_strings_are_text(report: Report) -> None:
    picture = Picture(PNG, HOSTILE, HOSTILE)
    lineage = replace(
        report.lineage,
        device=HOSTILE,
        parameters={HOSTILE: HOSTILE},
        changes=(Change(HOSTILE, HOSTILE, [HOSTILE]),),
        steps=(Step(HOSTILE, HOSTILE, HOSTILE, False),),
    )
    scored = metrics(per_class={HOSTILE: {"f1": 0.5, "support": 1}}, absent=[HOSTILE])
    site = replace(report.sites[0], name=HOSTILE, cells={HOSTILE: {"train": 1}})
    hostile = replace(
        report,
        title=HOSTILE,
        verdict=HOSTILE,
        notes=(HOSTILE,),
        models=(ModelRow(HOSTILE, HOSTILE, scored, confusion=picture),),
        gap_recovered=Quotient(None, reason=HOSTILE),
        sites=(site,),
        findings=(Finding("warning", HOSTILE, HOSTILE, HOSTILE),),
        curves=(picture,),
        scores=picture,
        lineage=lineage,
    )
    page = Page(render_report(hostile))
    assert not page.of("script")
    assert all(str(shown["src"]).startswith("data:") and "onerror" not in shown for shown in page.of("img"))
    assert page.text.count("<script>alert(1)</script>") > 10


def test_a_report_of_nothing_still_reads(report: Report) -> None:
    empty = replace(
        report, models=(), sites=(), findings=(), curves=(), correctness=(),
        lineage=replace(report.lineage, steps=(), models=(), changes=()),
    )  # fmt: skip
    text = Page(render_report(empty)).text
    for sentence in ("Nothing was found.", "No training was recorded.", "No test scene was mapped."):
        assert sentence in text
    assert "Every parameter is at its default." in text


def test_write_replaces_the_whole_file(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "reports" / "leka.html"
    assert write_report(replace(report, title="Earlier"), path) == path
    write_report(report, path)
    assert path.read_text(encoding="utf-8") == render_report(report)
    assert [file.name for file in path.parent.iterdir()] == ["leka.html"]


def test_a_failed_write_leaves_the_earlier_report(report: Report, tmp_path: Path, monkeypatch: Any) -> None:
    path = write_report(report, tmp_path / "leka.html")
    before = path.read_bytes()

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(WorkspaceError, match=r"cannot write the report: no space left on device .*leka\.html"):
        write_report(replace(report, title="Later"), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["leka.html"]


def test_a_path_below_a_file_is_refused(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot write the report"):
        write_report(report, tmp_path / "file" / "leka.html")


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        (fixed(0.12345), "0.123"),
        (fixed(float("nan")), NOTHING),
        (fixed(None), NOTHING),
        (spread([0.1, float("nan")]), ""),
        (spread(None), ""),
        (size(999), "999 B"),
        (size(1_660_000), "1.7 MB"),
        (size(2.5e9), "2.5 GB"),
        (size(None), NOTHING),
        (plain(None), "null"),
        (plain(True), "true"),
        (plain("all"), "all"),
        (plain({"start": 4.0, "end": 1.0}), "{end: 1.0, start: 4.0}"),
    ],
)
def test_values_read_as_expected(shown: str, expected: str) -> None:
    assert shown == expected
