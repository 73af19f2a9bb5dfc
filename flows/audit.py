"""Flow `audit`: every question that can be asked of a model. Needs no server: it runs in the process that asks."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from tasks.audit import audit_model
from tasks.dossier import write_audit
from tasks.workspace import Workspace


def run_audit(workspace: Workspace, model: str, key: Path | None = None, *, replay: bool = False) -> dict[str, Any]:
    """The verdict on a model, and every check.

    Raises
    ------
    RecordError : nothing was recorded here, or there is no such model.
    """
    audit, chain = audit_model(workspace, model, key, replay=replay)
    result = {
        "model": audit.subject,
        "record": chain.subject,
        "verdict": audit.verdict,
        "checks": [asdict(check) for check in audit.checks],
    }
    return result | write_audit(workspace, audit, chain)
