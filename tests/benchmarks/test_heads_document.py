"""The section on what RGB can still see: what is written of a result, and where it goes."""

from pathlib import Path

from benchmarks import heads
from benchmarks.documents import put_section


def found() -> heads.Result:
    r2 = {"value": 0.5, "low": 0.4, "high": 0.6}
    held = {"coverage": {"value": 0.93, "low": 0.9, "high": 0.95}, "width": 0.2, "spread": 0.3}
    row = {
        "property": "soil_ph",
        "title": "soil pH",
        "cue": "vegetation response",
        "unit": "pH",
        "verdict": "not supported",
        "comparison": {
            "teacher": r2,
            "student": {**r2, "value": 0.1},
            "control": r2,
            "gain": r2,
            "gap_recovered": None,
        },
        "held": {"teacher": held, "student": held, "control": held},
        "blocks": 13,
        "cells": 4500,
    }
    return {
        "place": "illinois",
        "size": 256,
        "dates": ["0", "1", "3"],
        "train": heads.TRAIN,
        "per_class": 30,
        "ways": {"measured": 300, "confidence": 0.9},
        "rows": [row],
    }


def test_the_section_says_what_is_not_supported() -> None:
    text = heads.section(found())
    assert text.startswith(heads.SECTION + "\n")
    assert "| soil pH | vegetation response | 0.50 (0.40 to 0.60) | 0.10 (0.40 to 0.60) |" in text
    assert "| - | not supported |" in text and "93 % (90 to 95)" in text


def test_a_section_replaces_its_elder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "carbon.md"
    path.write_text("# Title\n\nWords.\n\n## First\nOne.\n\n### Deeper\nTwo.\n\n## Last\nThree.\n")
    put_section(path, "## New", "## New\nFour.\n")
    once = path.read_text()
    assert once == "# Title\n\nWords.\n\n## First\nOne.\n\n### Deeper\nTwo.\n\n## New\nFour.\n\n## Last\nThree.\n"
    put_section(path, "## New", "## New\nFive.\n\n")
    assert path.read_text() == once.replace("Four", "Five")
