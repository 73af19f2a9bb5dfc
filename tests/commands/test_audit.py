"""Audits through the real command: what holds, and every kind of tampering or loss with the finding that names it."""

import json
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from benches import Caller
from forgery import Audited, commit_all, make_keys

from outcrop.record.digests import digest_value
from tasks.records import archive_of


class Case(NamedTuple):
    """What a forger or a fault does, and what the audit must find."""

    name: str
    damage: Callable[[Audited], object]
    finding: str


def flip(path: Path) -> None:
    """Another bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def flip_file(name: str) -> Callable[[Audited], None]:
    return lambda audited: flip(audited.file(audited.subject(), name))


def flip_asset(name: str) -> Callable[[Audited], None]:
    return lambda audited: flip(next((audited.bench.root / "data" / "sites" / "north").rglob(name)))


def cached(audited: Audited, name: str) -> Path:
    """Where DVC keeps an asset."""
    _, record = audited.record("dataset")
    md5 = next(file.md5 for role, file in record.files.items() if role.endswith(name))
    assert md5 is not None
    return audited.bench.root / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]


def edit_line(audited: Audited) -> None:
    audited.rewrite_ledger(lambda lines: [*lines[:2], lines[2].replace(b'"model"', b'"Model"'), *lines[3:]])


def backdate(audited: Audited) -> None:
    """Another time in the last line, whose hash is made to fit; the registry's note with it."""

    def change(lines: list[bytes]) -> list[bytes]:
        values = json.loads(lines[-1])
        values["time"] = "2020-01-01T00:00:00+00:00"
        del values["hash"]
        return [*lines[:-1], json.dumps({**values, "hash": digest_value(values)}).encode() + b"\n"]

    audited.rewrite_ledger(change)


def change_project(audited: Audited) -> None:
    """A record that another project has written, put in the place of one of ours."""
    name, record = audited.record("evaluation")
    other = record.model_copy(update={"project": "00000000-0000-0000-0000-000000000000"})
    audited.forge(name, lambda values: values.update(other.model_dump(mode="json")))


def register_unrecorded(audited: Audited) -> None:
    version = audited.client.get_model_version("tiny-student", "1")
    audited.client.create_model_version("tiny-student", version.source)


def serve_another(audited: Audited) -> None:
    """Let version 1 be served from the files of version 2: in the database, for MLflow itself does not."""
    with sqlite3.connect(audited.bench.root / ".outcrop" / "mlflow.db") as database:
        (other,) = database.execute(
            "SELECT source FROM model_versions WHERE name = 'tiny-student' AND version = 2"
        ).fetchone()
        database.execute("UPDATE model_versions SET source = ? WHERE name = 'tiny-student' AND version = 1", (other,))
    database.close()


def swap_parent(audited: Audited) -> None:
    """Say that the student was taught by the teacher twice, and not by the last assistant."""
    subject = audited.record("promotion")[1].inputs["challenger"]
    guide, _ = audited.record("guide", "teacher")
    model, _ = audited.record("model", "control")
    audited.forge(subject, lambda values: values["inputs"].update({"guides/3": model, "guides/2": guide}))


def edit_metric(audited: Audited) -> None:
    run = audited.record("evaluation")[1].subject
    audited.client.log_metric(run, "distilled.macro_f1", 0.99)


def lose_commits(audited: Audited) -> None:
    shutil.rmtree(audited.bench.root / ".git")
    commit_all(audited.bench.root)


def replace_split(audited: Audited) -> None:
    """Other test blocks than were recorded, with everything else made to fit."""
    name, _ = audited.record("validation")
    audited.forge(name, lambda values: values["facts"]["blocks"]["test"].pop())


def soil(audited: Audited) -> None:
    """The record of a training whose code differed from its commit."""
    subject = audited.record("promotion")[1].inputs["challenger"]
    audited.forge(subject, lambda values: values["made"].update(dirty=True))


def mix_vocabularies(audited: Audited) -> None:
    name, _ = audited.record("model", "teacher")
    audited.forge(name, lambda values: values["facts"].update(classes=["basalt", "olivine", "gypsum"]))


def expire(audited: Audited) -> None:
    """Sign again, for no time at all."""
    from outcrop.record.signatures import sign
    from tasks.champions import signed_files

    archive = archive_of(audited.workspace)
    promotion, _ = audited.record("promotion")
    sign(archive, promotion, signed_files(archive, audited.subject()), audited.private, days=-1)


def drop_signature(audited: Audited) -> None:
    shutil.rmtree(audited.bench.root / "records" / "signatures")


def swap_key(audited: Audited) -> None:
    """Sign again with another key."""
    from outcrop.record.signatures import sign
    from tasks.champions import signed_files

    archive = archive_of(audited.workspace)
    promotion, _ = audited.record("promotion")
    private, _ = make_keys(audited.bench.root)
    sign(archive, promotion, signed_files(archive, audited.subject()), private, days=1)


def retract_site(audited: Audited) -> None:
    from tasks.stewardship import retract

    retract(audited.workspace, "north", "the lens was dirty")


def params_file(audited: Audited) -> None:
    flip(audited.file(audited.subject(), "params.yaml"))


def validation_result(audited: Audited) -> None:
    flip(audited.file(audited.record("validation")[1], "validation.json"))


def swap(first: int, second: int) -> Callable[[list[bytes]], list[bytes]]:
    def change(lines: list[bytes]) -> list[bytes]:
        lines[first], lines[second] = lines[second], lines[first]
        return lines

    return change


CASES = [
    Case("a flipped byte in the weights", flip_file("weights.safetensors"), "weights.safetensors was changed"),
    Case("a flipped byte in the configuration", flip_file("model.json"), "model.json was changed"),
    Case(
        "a flipped byte in the ONNX graph",
        lambda a: flip(a.file(a.record("export")[1], "onnx")),
        "onnx was changed",
    ),
    Case("a flipped byte in a raster", flip_asset("rgb.tif"), r"rgb\.tif was changed"),
    Case("a flipped byte in the labels", flip_asset("labels.tif"), r"labels\.tif was changed"),
    Case("a flipped byte in a raw file", lambda a: flip(a.bench.tiny.raw / "first" / "rgb.tif"), r"first/rgb\.tif was"),
    Case("a flipped byte in the parameter file", params_file, r"params\.yaml was changed"),
    Case("a flipped byte in the validation result", validation_result, r"validation\.json was changed"),
    Case("lost weights", lambda a: a.file(a.subject(), "weights.safetensors").unlink(), "safetensors is missing"),
    Case("a ledger line edited", edit_line, "line 3 was edited"),
    Case("a ledger line removed", lambda a: a.rewrite_ledger(lambda ls: ls[:3] + ls[4:]), "line 4 was removed"),
    Case("ledger lines reordered", lambda a: a.rewrite_ledger(swap(2, 3)), "out of order from line 3"),
    Case("a ledger line duplicated", lambda a: a.rewrite_ledger(lambda ls: [*ls, ls[-1]]), r"line \d+ occurs twice"),
    Case("the ledger truncated", lambda a: a.rewrite_ledger(lambda ls: ls[:-1]), "the ledger was truncated"),
    Case("a ledger line cut short", lambda a: a.rewrite_ledger(lambda ls: [*ls[:-1], ls[-1][:40]]), "cut short"),
    Case(
        "an alias moved",
        lambda a: a.client.set_registered_model_alias("tiny-student", "champion", "2"),
        "moved behind the ledger's back: tiny-student@champion is version 2, promoted was version 1",
    ),
    Case("a model without a record", register_unrecorded, "version 3 of tiny-student was registered without a record"),
    Case("a model served from other files", serve_another, "tiny-student/1 is served from other bytes"),
    Case("a record in no line", lambda a: a.rewrite_ledger(lambda ls: ls[:-1]), "1 records are in no line"),
    Case("a swapped parent", swap_parent, "was not made from the guides/3 that it names"),
    Case("a metric edited in MLflow", edit_metric, r"MLflow shows distilled\.macro_f1 = 0\.99"),
    Case("a commit that is gone", lose_commits, r"commit [0-9a-f]{12} is gone"),
    Case("code that was dirty", soil, "the code that made distilled was dirty: it differed from"),
    Case("a DVC object missing", lambda a: cached(a, "thermal.tif").unlink(), r"thermal\.tif is missing: object"),
    Case("a DVC object corrupt", lambda a: flip(cached(a, "rgb.tif")), r"rgb\.tif is corrupt: object"),
    Case("a replaced split raster", flip_asset("split.tif"), r"split\.tif was changed"),
    Case("a replaced test split", replace_split, "the test blocks are not the recorded ones"),
    Case("a wrong key", swap_key, "signature was made with another key"),
    Case("an expired signature", expire, r"the signature expired on \d{4}-"),
    Case("an absent signature", drop_signature, "the signature is absent"),
    Case("a record from another project", change_project, "is from another project"),
    Case("a clock running backwards", backdate, "the clock ran backwards: line"),
    Case("mixed vocabularies", mix_vocabularies, "the vocabularies are mixed"),
    Case("a retracted site", retract_site, "north was retracted: the lens was dirty"),
]


def asked(call: Caller, audited: Audited, *words: str, model: str = "student@champion") -> tuple[int, dict[str, Any]]:
    """Exit code and result of `outcrop audit`."""
    said = call(audited.bench, "audit", model, "--key", str(audited.public), "--json", *words)
    assert said.out, said.err
    return said.code, json.loads(said.out)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_tampering_is_found_and_named(case: Case, audited: Audited, tmp_path: Path, serverless_call: Caller) -> None:
    tampered = audited.copy(tmp_path)
    case.damage(tampered)
    code, told = asked(serverless_call, tampered)
    failed = [check["finding"] for check in told["checks"] if check["status"] == "failed"]
    assert (code, told["verdict"]) == (1, "failed")
    assert [finding for finding in failed if re.search(case.finding, finding)], failed


def test_an_audit_of_what_is_sound_says_so_offline(
    audited: Audited, tmp_path: Path, serverless_call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"the network was asked for: {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    copy = audited.copy(tmp_path)
    said = serverless_call(copy.bench, "audit", "student@champion", "--key", str(audited.public), "--json")
    told = json.loads(said.out)
    assert [check for check in told["checks"] if check["status"] != "ok"] == []
    assert (said.code, told["verdict"]) == (0, "ok")
    page = Path(told["page"]).read_text(encoding="utf-8")
    assert "<svg" in page
    assert not re.search(r"""(?:src|href)=["']?https?:""", page)
    assert "<script" not in page
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(Path(told["bill"]).read_text()) is None
    events = [json.loads(line) for line in Path(told["events"]).read_text().splitlines()]
    assert {"teacher", "distilled", "evaluate"} <= {event["job"]["name"] for event in events}
    assert "macro-F1" in Path(told["card"]).read_text()


def test_a_replay_gives_the_same_bytes(audited: Audited, tmp_path: Path, serverless_call: Caller) -> None:
    """Teacher, two assistants and the student, each trained again on what the others gave when trained again."""
    copy = audited.copy(tmp_path)
    code, told = asked(serverless_call, copy, "--replay")
    replayed = {check["name"]: check["finding"] for check in told["checks"] if check["part"] == "replay"}
    assert (code, told["verdict"]) == (0, "ok")
    assert list(replayed)[-2:] == ["distilled", "metrics"]
    assert [told for name, told in replayed.items() if name != "metrics"] == ["the same bytes"] * 4
    (copy.bench.root / "constraints.txt").write_text("")
    code, told = asked(serverless_call, copy, "--replay")
    commit = audited.subject().made.commit[:12]
    assert [(check["status"], check["finding"]) for check in told["checks"] if check["part"] == "replay"] == [
        ("not possible", f"the lock file has changed since; check out commit {commit}")
    ]


def test_an_audit_needs_nothing_but_a_clone_and_the_data_store(
    audited: Audited, tmp_path: Path, serverless_call: Caller
) -> None:
    """The records come with the clone; weights and DVC's cache are the store. There is no registry and no checkout."""
    copy = audited.copy(tmp_path)
    (copy.bench.root / ".outcrop" / "mlflow.db").unlink()
    shutil.rmtree(copy.bench.root / "data" / "sites" / "north")
    (copy.bench.tiny.raw / "first" / "rgb.tif").unlink()
    code, told = asked(serverless_call, copy, model="tiny-student@champion")
    assert (code, told["verdict"]) == (3, "not possible")
    skipped = {(check["part"], check["name"]) for check in told["checks"] if check["status"] == "not possible"}
    assert {part for part, _ in skipped} == {"registry", "data"}
    assert [name for part, name in skipped if part == "data"] == ["raw files of north"]
    assert not (copy.bench.root / ".outcrop" / "mlflow.db").exists()


def test_what_cannot_be_audited_is_told_in_a_sentence(
    audited: Audited, tmp_path: Path, serverless_call: Caller
) -> None:
    copy = audited.copy(tmp_path)
    for model, told in {
        "nobody@champion": "no model is called `nobody`",
        "tiny-student/9": "there is no model `tiny-student/9`",
        "f00f00f00": "no record begins with f00f00f00",
    }.items():
        said = serverless_call(copy.bench, "audit", model)
        assert (said.code, said.out) == (2, "")
        assert told in said.err
    shutil.rmtree(copy.bench.root / "records")
    said = serverless_call(copy.bench, "audit", "student@champion")
    assert said.code == 2
    assert "nothing was recorded here" in said.err


def test_the_gate_decided_on_both_students_and_kept_what_it_saw(audited: Audited) -> None:
    decisions = [record for _, record in archive_of(audited.workspace).of_kind("promotion", "refusal")]
    first, second = decisions
    assert (first.kind, first.facts["reason"]) == ("promotion", "there was no champion")
    # It was shown the champion's own scores.
    assert (second.kind, second.facts["verdict"]) == ("refusal", "inconclusive")
    assert (second.facts["macro_f1"]["value"], second.facts["macro_f1"]["blocks"]) == (0, 12)
    assert set(second.facts["classes"]) == {"basalt", "olivine", "calcite"}
    assert second.inputs["champion"] == first.inputs["challenger"]


def test_an_assistant_is_registered_under_its_rung_and_known_with_its_evaluation(audited: Audited) -> None:
    from tasks.models import find_model

    for rung in ("rgb+thermal", "rgb+elevation"):
        found = find_model(audited.workspace, f"assistant-{rung}")
        assert found.uri == f"models:/tiny-assistant-{rung}/1"
        assert found.evaluation is not None and found.metrics["macro_f1"] == found.evaluation["macro_f1"]


def test_people_overrule_the_gate_with_a_reason_and_go_back(
    audited: Audited, tmp_path: Path, serverless_call: Caller
) -> None:
    copy = audited.copy(tmp_path)
    said = serverless_call(copy.bench, "promote", "student/2", "--because", " ")
    assert (said.code, "no reason is given" in said.err) == (2, True)
    said = serverless_call(copy.bench, "promote", "student/2", "--because", "it knows calcite", "--json")
    assert json.loads(said.out)["champion"] == "2"
    assert int(copy.client.get_model_version_by_alias("tiny-student", "champion").version) == 2
    said = serverless_call(copy.bench, "rollback", "--json")
    assert json.loads(said.out)["champion"] == "1"
    said = serverless_call(copy.bench, "rollback")
    assert (said.code, "no champion of before" in said.err) == (2, True)
    kinds = [(r.facts["by"], r.facts["because"]) for _, r in archive_of(copy.workspace).of_kind("promotion")]
    assert kinds[1:] == [("person", "it knows calcite"), ("rollback", "version 2 was rolled back")]


def test_a_scene_tells_what_was_made_from_it(audited: Audited, tmp_path: Path, serverless_call: Caller) -> None:
    copy = audited.copy(tmp_path)
    told = json.loads(serverless_call(copy.bench, "lineage", "north/first", "--json").out)
    assert {"teacher", "distilled", "evaluate", "student.onnx"} <= {row["name"] for row in told["downstream"]}
    assert told["champions"] == ["tiny-student/1"]
    assert {"tiny-teacher/1", "tiny-student/1"} <= {row["registered"] for row in told["downstream"]}
    said = serverless_call(copy.bench, "retract", "north", "--because", "wrong lens", "--json")
    assert all(row["retracted"] for row in json.loads(said.out)["downstream"])
    said = serverless_call(copy.bench, "promote", "student/2", "--because", "it is there")
    assert (said.code, "north, which was retracted: wrong lens" in said.err) == (2, True)
    assert serverless_call(copy.bench, "lineage", "nowhere").code == 2


def test_the_clone_is_small(audited: Audited) -> None:
    """What belongs into version control stays small, and git takes it as it is."""
    root = audited.bench.root
    assert sum(path.stat().st_size for path in (root / "records").rglob("*") if path.is_file()) < 500_000
    listed = subprocess.run(
        ["git", "status", "--porcelain", "--", "records"], cwd=root, capture_output=True, text=True, check=True
    )
    assert listed.stdout.strip() == "?? records/"
