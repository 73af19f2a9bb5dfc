"""What a workspace holds that must not depend on how often the command that made it was killed."""

import json
import os
import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benches import Bench

from outcrop.record.ledger import check_chain
from tasks.records import archive_of
from tasks.workspace import Workspace


def remains(bench: Bench, said: Path) -> dict[str, Any]:
    """Sites and leftovers, and after a retraining its result, registry, runs and records, as values to be compared."""
    result = json.loads(said.read_text())
    found = {
        "sites": result["sites"],
        "data": sorted(path.relative_to(bench.root).as_posix() for path in (bench.root / "data").rglob("*")),
    }
    return {**found, **_trained(Workspace(bench.root), result)} if "models" in result else found


def _trained(workspace: Workspace, result: dict[str, Any]) -> dict[str, Any]:
    archive, state = archive_of(workspace), workspace.state
    entries = archive.ledger.entries()
    verdict = result["promotion"]["verdict"]
    return {
        "scores": {role: _scores(result[role]) for role in ("teacher", "control", "distilled", "student")},
        "verdict": "promoted" if verdict == "kept" else verdict,  # by the run that was killed
        **_mlflow(workspace),
        "ledger": dict(Counter(f"{entry.kind} {archive.read(entry.record).name}" for entry in entries)),
        "faults of the ledger": check_chain(archive.ledger.lines(), archive.project),
        "records without a line": sorted(set(archive.names()) - {entry.record for entry in entries}),
        "drafts": sorted(path.name for path in (workspace.root / "records").rglob(".*")),
        "steps": sorted(_step(path.name) for path in (state / "steps").iterdir()),
        "checkpoints": sorted(path.name for path in (state / "work" / "checkpoints").glob("*")),
    }


def differences(whole: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """What is not as it is in the workspace that nobody disturbed."""
    return [f"{name}: {found[name]!r}, not {whole[name]!r}" for name in whole if found[name] != whole[name]]


def _step(folder: str) -> str:
    """A step and its key, but of a report: that tells how long each model takes, which no two measurements agree on."""
    return "report" if re.fullmatch("report-[0-9a-f]+", folder) else folder


def _scores(metrics: Mapping[str, Any]) -> dict[str, float]:
    return {name: metrics[name] for name in ("macro_f1", "nll", "ece", "kappa")}


def _mlflow(workspace: Workspace) -> dict[str, Any]:
    import mlflow

    os.environ["MLFLOW_TRACKING_URI"] = workspace.tracking_uri
    client = mlflow.MlflowClient(workspace.tracking_uri)
    found = client.search_runs([each.experiment_id for each in client.search_experiments()], max_results=1000)
    versions = [(each.name, str(each.version), each.tags.get("digest")) for each in client.search_model_versions()]
    aliases = {each.name: dict(each.aliases) for each in client.search_registered_models()}
    del os.environ["MLFLOW_TRACKING_URI"]
    return {
        "runs": dict(sorted(Counter(run.info.run_name for run in found).items())),
        "unfinished runs": sorted(run.info.run_name for run in found if run.info.status != "FINISHED"),
        "versions": sorted(versions),
        "aliases": aliases,
    }
