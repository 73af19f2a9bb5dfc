"""A workspace to audit, and a forger who can write everywhere: records, ledger, registry; only the key is not his."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest
from benches import Bench, copy_bench
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from outcrop.record.digests import digest_value
from outcrop.record.ledger import ORIGIN
from outcrop.record.lineages import Lineage
from outcrop.record.records import Record
from tasks.records import archive_of
from tasks.workspace import Workspace

GIT = ("git", "-c", "user.name=team", "-c", "user.email=team@example.org")
Json = dict[str, Any]


@dataclass(frozen=True)
class Audited:
    """A survey in git: student 1 was promoted and signed; student 2, the control, challenged it."""

    bench: Bench
    private: Path
    public: Path

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.bench.root)

    @property
    def ledger(self) -> Path:
        return self.bench.root / "records" / "ledger.jsonl"

    @property
    def client(self) -> mlflow.MlflowClient:
        return mlflow.MlflowClient(self.workspace.tracking_uri)

    def record(self, kind: str, name: str = "") -> tuple[str, Record]:
        """The first record of a kind, and of a name if one is given."""
        lineage = Lineage(archive_of(self.workspace))
        return next(
            (each, record) for each, record in lineage.records.items() if record.kind == kind and name in record.name
        )

    def subject(self) -> Record:
        """The record of the champion."""
        return archive_of(self.workspace).read(self.record("promotion")[1].inputs["challenger"])

    def file(self, record: Record, name: str) -> Path:
        return self.bench.root / record.files[name].path

    def copy(self, folder: Path) -> "Audited":
        return Audited(copy_bench(self.bench, folder), self.private, self.public)

    def rewrite_ledger(self, change: Callable[[list[bytes]], list[bytes]]) -> None:
        """Write other lines."""
        self.ledger.write_bytes(b"".join(change(self.ledger.read_bytes().splitlines(keepends=True))))

    def forge(self, record: str, change: Callable[[Json], object]) -> None:
        """Change a record, and all that names it, the ledger's chain and the registry's tags, so that all agree."""
        archive = archive_of(self.workspace)
        renamed: dict[str, str] = {}
        lines, before = [], ORIGIN
        for entry in archive.ledger.entries():
            values = archive.read(entry.record).model_dump(mode="json")
            if entry.record == record:
                change(values)
            values["inputs"] = {role: renamed.get(parent, parent) for role, parent in values["inputs"].items()}
            forged = Record.model_validate(values)
            archive.place(forged.id).write_bytes(forged.content())
            renamed[entry.record] = forged.id
            fields = entry.model_dump(exclude={"hash"}) | {"record": forged.id, "before": before}
            before = digest_value(fields)
            lines.append(json.dumps({**fields, "hash": before}).encode() + b"\n")
        self.ledger.write_bytes(b"".join(lines))
        for version in self.client.search_model_versions():
            known = version.tags["outcrop.record"]
            self.client.set_model_version_tag(version.name, version.version, "outcrop.record", renamed[known])
        self.client.set_registered_model_tag("tiny-student", "outcrop.ledger_head", before)
        self.client.set_registered_model_tag("tiny-student", "outcrop.ledger_length", str(len(lines)))


def make_keys(folder: Path) -> tuple[Path, Path]:
    """An elliptic key and its public half, PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    private, public = folder / "private.pem", folder / "public.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(
        key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return private, public


def commit_all(root: Path) -> None:
    """Put a folder under git as it is."""
    (root / ".gitignore").write_text(".outcrop/\nreports/\n.dvc/cache/\n.dvc/tmp/\n")
    for words in (("init", "--quiet"), ("add", "--all"), ("commit", "--quiet", "--message", "as it is")):
        subprocess.run([*GIT, *words], cwd=root, check=True)


def reference(record: Record) -> Any:
    """The step that a record is of."""
    from tasks.steps import Reference

    assert record.made is not None
    made = record.made
    return Reference(made.step, made.key, made.run, f"steps/{made.step}-{made.key[:16]}", made.digests["folder"])


def challenge(audited: Audited) -> None:
    """Register the control as a second student, and let it meet the champion."""
    from flows.openings import open_survey
    from tasks.jobs import open_job
    from tasks.promote import promote
    from tasks.register import register

    opened = open_survey(audited.workspace, audited.bench.survey, {})
    parts = (opened.survey, opened.params, opened.sites, opened.hashes)
    with open_job(audited.workspace, *parts, flow="challenge", steps=()) as job:
        control = reference(audited.record("model", "control")[1])
        register.fn(job, {"student": control})
        validated, evaluated = (reference(audited.record(kind)[1]) for kind in ("validation", "evaluation"))
        promote.fn(job, validated, evaluated, control)


def make_audited(bench: Bench, patch: pytest.MonkeyPatch) -> Audited:
    """Retrain a fresh workspace in this process; needs a Prefect server."""
    from flows.retrain import run_retrain
    from tasks.records import keep

    bench.tiny.entries["params"]["distil"] = {
        "rungs": ["all", ["rgb", "thermal"], ["rgb", "elevation"], ["rgb"]],
        "logits": "standardised",
        "hard_weight": 1.0,
        "unlabelled_share": 0.5,
    }
    # Colours that are hard to learn from labels alone.
    bench.tiny.entries["params"]["augment"] = {"rgb": {"gain": 0.15, "offset": 0.1}}
    bench.write_survey()
    commit_all(bench.root)
    audited = Audited(bench, *make_keys(bench.tiny.raw.parent))
    patch.setenv("OUTCROP_REAL_DATA", str(bench.tiny.raw))
    patch.setenv("OUTCROP_SIGNING_KEY", str(audited.private))
    run_retrain(audited.workspace, bench.survey, {})
    challenger = audited.record("promotion")[1].inputs["challenger"]
    assert audited.subject().name == "distilled", "the fixture needs a student that others have taught"
    onnx = bench.root / ".outcrop" / "artifacts" / "student.onnx"
    onnx.write_bytes(b"not a graph, but bytes that were exported")
    parents, files = {"model": challenger}, {"onnx": onnx}
    keep(audited.workspace, "tiny", "export", "student.onnx", "export-1", inputs=parents, files=files)
    challenge(audited)
    for name in ("prefect", "steps", "work"):
        shutil.rmtree(bench.root / ".outcrop" / name, ignore_errors=True)
    os.environ.pop("MLFLOW_TRACKING_URI", None)  # MLflow sets it: every copy would have this one's registry
    return audited
