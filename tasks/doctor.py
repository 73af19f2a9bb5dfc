"""What is installed, where the stores are, what is running: for a person who asks why something does not work."""

import os
import platform
import shutil
from typing import Any

import psutil

from outcrop.learning.devices import device_kind
from outcrop.record.provenance import package_versions, read_commit
from outcrop.survey.surveys import DATA_VARIABLE
from tasks.workspace import Workspace


def examine(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """Facts by section."""
    commit = read_commit(workspace.root)
    free = shutil.disk_usage(workspace.root).free / 2**30
    return {
        "machine": {
            "system": platform.platform(),
            "cores": os.cpu_count(),
            "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
            "free disk": f"{free:.0f} GB",
            "device": device_kind(),
        },
        "packages": package_versions(),
        "stores": {
            "workspace": str(workspace.root),
            "commit": f"{commit.sha}{' (dirty)' if commit.dirty else ''}",
            "sites": str(workspace.sites),
            "MLflow": workspace.tracking_uri,
            "Prefect": os.environ["PREFECT_HOME"],
            "DVC": "ready" if (workspace.root / ".dvc").is_dir() else "missing: run `dvc init`",
            DATA_VARIABLE: os.environ.get(DATA_VARIABLE, "not set"),
        },
        "running": _running(),
    }


def _running() -> dict[str, str]:
    """Processes of this user that run Outcrop, Prefect or MLflow."""
    found = {}
    for process in psutil.process_iter(["pid", "cmdline"]):
        words = [word.rsplit("/", 1)[-1] for word in (process.info["cmdline"] or [])[:4]]
        if process.pid != os.getpid() and {"outcrop", "prefect", "mlflow"} & set(words):
            found[str(process.pid)] = " ".join(process.info["cmdline"])[:100]
    return found or {"nothing": "no Outcrop, Prefect or MLflow process"}
