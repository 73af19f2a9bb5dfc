"""The workspace: a clone of the repository, in which a survey team keeps its data, stores and records."""

import os
from dataclasses import dataclass
from pathlib import Path

from outcrop.errors import WorkspaceError

#: Quiet, offline, on loopback; a value that the user has set stays.
ENVIRONMENT = {
    "DO_NOT_TRACK": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_TO_API_ENABLED": "false",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",  # else it prints what GDAL remarks on raw files
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SKIP_PIP_REQUIREMENTS_CHECK": "true",
    "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",  # where the result belongs
    "DVC_NO_ANALYTICS": "1",
    "GX_ANALYTICS_ENABLED": "false",
    "OMP_WAIT_POLICY": "PASSIVE",
}

#: How the address of an MLflow server begins; any other is a store that this process opens itself.
ELSEWHERE = ("http://", "https://", "databricks")


@dataclass(frozen=True)
class Workspace:
    """Paths below the folder that holds ``params.yaml``."""

    root: Path

    @property
    def params(self) -> Path:
        """Every parameter with its default."""
        return self.root / "params.yaml"

    @property
    def sites(self) -> Path:
        """The sites, tracked by DVC."""
        return self.root / "data" / "sites"

    @property
    def onboarded(self) -> Path:
        """The labels of onboarded sites, by survey; in git, for they cannot be made again."""
        return self.root / "data" / "onboarded"

    @property
    def default_survey(self) -> Path:
        """The embedded survey, of simulated sites."""
        return self.root / "data" / "surveys" / "simulated.yaml"

    @property
    def state(self) -> Path:
        """Stores and caches of this workspace; not in git."""
        return self.root / ".outcrop"

    @property
    def tracking_uri(self) -> str:
        """MLflow's store."""
        return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{self.state / 'mlflow.db'}"

    @property
    def artifacts(self) -> str | None:
        """Where MLflow's runs keep their files; ``None``: where the server that the workspace uses wants them."""
        if root := os.environ.get("MLFLOW_DEFAULT_ARTIFACT_ROOT"):
            return root
        return None if self.tracking_uri.startswith(ELSEWHERE) else (self.state / "artifacts").as_uri()

    @property
    def raw(self) -> Path:
        """Folder that the raw files of a survey are named relative to.

        Raises
        ------
        WorkspaceError : the environment variable that names it is not set, or does not name a folder.
        """
        from outcrop.survey.surveys import DATA_VARIABLE  # brings all that a survey file may say

        value = os.environ.get(DATA_VARIABLE)
        if not value:
            raise WorkspaceError(
                "the survey's raw files cannot be found",
                where=f"environment variable {DATA_VARIABLE} is not set",
                remedy="set it to the folder that the survey file's paths are relative to",
            )
        if not Path(value).is_dir():
            raise WorkspaceError(f"{DATA_VARIABLE} names no folder", where=value, remedy="correct the path")
        return Path(value).resolve()

    def prepare(self) -> None:
        """Make the state folder and set the environment; must come before prefect and mlflow are imported.

        Raises
        ------
        WorkspaceError : the folder cannot be written.
        """
        try:
            self.state.mkdir(mode=0o700, exist_ok=True)
            for name in ("steps", "work", "reports", "artifacts"):
                (self.state / name).mkdir(exist_ok=True)
        except OSError as cause:
            raise WorkspaceError(
                "the workspace cannot be written", where=self.state, remedy="check its permissions and free space"
            ) from cause
        for name, value in ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        os.environ.setdefault("PREFECT_HOME", str(self.state / "prefect"))
        if password := os.environ.get("PREFECT_SERVER_API_AUTH_STRING"):
            os.environ.setdefault("PREFECT_API_AUTH_STRING", password)  # what our server asks for, we bring
        # Prefect asks for results by absolute path; they belong to this workspace like its other stores.
        os.environ.setdefault("PREFECT_LOCAL_STORAGE_PATH", str(self.state / "prefect" / "results"))


def workspace_around(start: Path) -> Workspace | None:
    """The workspace that ``start`` lies in; None where no folder above holds ``params.yaml``."""
    for folder in (start.resolve(), *start.resolve().parents):
        if (folder / "params.yaml").is_file():
            return Workspace(folder)
    return None


def find_workspace(start: Path) -> Workspace:
    """The workspace that ``start`` lies in.

    Raises
    ------
    WorkspaceError : no folder above holds ``params.yaml``.
    """
    found = workspace_around(start)
    if found is not None:
        return found
    raise WorkspaceError(
        "this is not an Outcrop workspace: no params.yaml here or above",
        where=start.resolve(),
        remedy="run the command in a clone of the repository, or name one with --workspace",
    )
