"""The ledger and the archive: what is acknowledged stays, whoever is killed; what is damaged is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from benchmarks.ledgers import Writers, run
from outcrop.errors import RecordError
from outcrop.record import ledger as ledger_module
from outcrop.record.archives import Archive
from outcrop.record.ledger import Head, check_chain, check_head
from outcrop.record.records import Record


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    made = Archive(tmp_path / "records", tmp_path, tmp_path / "lock")
    made.found()
    return made


def record(archive: Archive, subject: str, **more: object) -> Record:
    return Record.model_validate(
        {"project": archive.project, "survey": "tiny", "kind": "model", "name": "a", "subject": subject, **more}
    )


def test_killed_writers_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    left = run(Writers(writers=4, records=30, every=0.15), tmp_path)
    assert (left.acknowledged, left.lines) == (120, 120)
    assert (left.lost, left.twice, left.faults) == (0, 0, ())
    assert left.kills + left.cuts > 0


def test_what_a_killed_writer_left_goes_with_the_next_record(archive: Archive) -> None:
    kept = archive.folder / "files"
    kept.mkdir()
    for folder in (archive.folder, kept):
        (folder / f".{'a' * 64}.json.draft").write_text('{"proj')
    archive.keep(record(archive, "run-1"))
    archive.keep_file(archive.folder / "project.json")
    assert not list(archive.folder.rglob(".*"))


def test_a_record_is_named_by_its_content_and_entered_once(archive: Archive) -> None:
    first = archive.keep(record(archive, "run-1"))
    assert archive.keep(record(archive, "run-1")) == first
    second = archive.keep(record(archive, "run-2", inputs={"teacher": first}))
    assert [entry.record for entry in archive.ledger.entries()] == [first, second]
    assert archive.find("run-2") == second
    assert archive.find("run-3") is None
    assert archive.read(second).inputs == {"teacher": first}


def test_a_line_that_a_kill_cut_short_is_taken_back(archive: Archive) -> None:
    for subject in ("a", "b"):
        archive.keep(record(archive, subject))
    whole = archive.ledger.path.read_bytes()
    for cut in (1, 40, 300):
        archive.ledger.path.write_bytes(whole[:-cut])
        assert check_chain(archive.ledger.lines(), archive.project) != []
        archive.keep(record(archive, "c"))
        assert check_chain(archive.ledger.lines(), archive.project) == []
        assert [entry.subject for entry in archive.ledger.entries()] == ["a", "c"]


def test_a_tail_that_was_cut_off_is_seen_by_who_noted_the_head(archive: Archive) -> None:
    for subject in "abc":
        archive.keep(record(archive, subject))
    head, entries = archive.head(), archive.ledger.entries()
    assert check_chain(archive.ledger.lines()[:-1], archive.project) == []
    assert check_head(entries, head, "the registry") == []
    assert check_head(entries[:-1], head, "the registry") == [
        "the ledger was truncated: it has 2 lines, the registry saw 3"
    ]
    assert "another hash" in check_head(entries, Head(2, head.hash), "the registry")[0]


def test_a_clock_that_was_set_back_is_refused_unless_by_little(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive.keep(record(archive, "a"))

    class Clock(datetime):
        behind = timedelta(seconds=30)

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            return datetime.now(UTC) - cls.behind

    monkeypatch.setattr(ledger_module, "datetime", Clock)
    archive.keep(record(archive, "b"))
    assert check_chain(archive.ledger.lines(), archive.project) == []
    Clock.behind = timedelta(hours=1)
    with pytest.raises(RecordError, match="set the clock"):
        archive.keep(record(archive, "c"))


BAD = [
    ("edited", lambda path: path.write_bytes(path.read_bytes().replace(b"tiny", b"tidy")), "was edited"),
    ("missing", lambda path: path.unlink(), "is missing"),
    ("no JSON", lambda path: path.write_bytes(b"\x00\xff"), "was edited"),
]


@pytest.mark.parametrize(("name", "damage", "told"), BAD, ids=[case[0] for case in BAD])
def test_a_damaged_record_is_refused(name: str, damage: object, told: str, archive: Archive) -> None:
    kept = archive.keep(record(archive, "a"))
    damage(archive.place(kept))  # type: ignore[operator]
    with pytest.raises(RecordError, match=told):
        archive.read(kept)


def test_a_damaged_ledger_is_not_written_on(archive: Archive) -> None:
    archive.keep(record(archive, "a"))
    archive.ledger.path.write_bytes(b"{}\n")
    with pytest.raises(RecordError, match="a line of the ledger is damaged"):
        archive.keep(record(archive, "b"))


def test_a_record_of_another_project_is_not_kept(archive: Archive) -> None:
    foreign = record(archive, "a").model_copy(update={"project": "another"})
    with pytest.raises(RecordError, match="of another project"):
        archive.keep(foreign)
