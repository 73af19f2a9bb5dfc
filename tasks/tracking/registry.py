"""The registered models: which versions there are, which is in service, and where each comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.entities import Run
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.utils.logging_utils import disable_logging

from outcrop.errors import ModelError
from tasks.tracking.runs import PARENT, RECORD, metric_name
from tasks.workspace import Workspace

#: The alias of the model in service.
CHAMPION = "champion"


@dataclass(frozen=True)
class Version:
    """A version of a registered model; ``record`` is None where it was registered without one."""

    name: str
    version: str
    digest: str
    record: str | None
    source: str

    @property
    def uri(self) -> str:
        """What MLflow calls it."""
        return f"models:/{self.name}/{self.version}"


@dataclass(frozen=True)
class Origin:
    """Where a version comes from: the run that trained it, the DVC hashes of its sites, and how it did.

    ``metrics`` are those of the evaluation in the same flow run, without the ones of single classes; with them, the
    seconds that its training took. ``evaluation`` is all that it found on the test blocks, None where nothing was.
    """

    run_id: str
    data: dict[str, str]
    metrics: dict[str, float]
    evaluation: dict[str, Any] | None


@dataclass(frozen=True)
class Registry:
    """The registered models: which versions there are, which one is in service, and what is noted beside them."""

    client: mlflow.MlflowClient
    uri: str

    @classmethod
    def open(cls, workspace: Workspace) -> "Registry | None":
        """The workspace's registry; None where it has none yet, for looking must not make one."""
        disable_logging()
        uri = workspace.tracking_uri
        if uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).is_file():
            return None
        return cls(mlflow.MlflowClient(uri), uri)

    @classmethod
    def require(cls, workspace: Workspace) -> "Registry":
        """The same.

        Raises
        ------
        ModelError : there is none.
        """
        found = cls.open(workspace)
        if found is None:
            raise ModelError("nothing is registered here", where=workspace.state, remedy="train with `outcrop retrain`")
        return found

    def find(self, asked: str, survey: str = "") -> Version:
        """The version that a person asks for.

        Parameters
        ----------
        asked : ``NAME@ALIAS``, ``NAME/VERSION``, or ``NAME`` for the champion (where there is none: the newest); a name
            is ``<survey>-<role>``, or the role alone where that leaves no doubt; ``models:/`` may stand before it
        survey : the one that is meant by a role alone

        Raises
        ------
        ModelError : there is none, or there are several.
        """
        words = asked.removeprefix("models:/")
        called, alias = words.partition("@")[::2]
        called, number = called.partition("/")[::2]
        name = self._full_name(called, survey)
        if alias:
            found = self.aliased(name, alias)
        elif number:
            found = self.version(name, number)
        else:
            found = self.aliased(name, CHAMPION) or max(self._versions(name), key=lambda each: int(each.version))
        if found is None:
            known = ", ".join([f"{each.name}/{each.version}" for each in self._versions(name)])
            raise ModelError(f"there is no model `{asked}`", where=self.uri, remedy=f"name one of {known}")
        return found

    def _full_name(self, called: str, survey: str) -> str:
        known = sorted({each.name for each in self.versions()})
        fitting = [each for each in known if each in (called, f"{survey}-{called}")]
        fitting = fitting or [each for each in known if not survey and each.endswith(f"-{called}")]
        if len(fitting) == 1:
            return fitting[0]
        said = f"no model is called `{called}`" if not fitting else f"several models are called `{called}`"
        remedy = f"name one of {', '.join(fitting or known)}" if known else "train with `outcrop retrain`"
        raise ModelError(said, where=self.uri, remedy=remedy)

    def versions(self) -> list[Version]:
        """Every version of every model."""
        return [_version(found) for found in self.client.search_model_versions(max_results=10000)]

    def _versions(self, name: str) -> list[Version]:
        return [each for each in self.versions() if each.name == name]

    def version(self, name: str, number: str) -> Version | None:
        """One version."""
        try:
            return _version(self.client.get_model_version(name, number))
        except MlflowException:
            return None

    def aliased(self, name: str, alias: str) -> Version | None:
        """The version that an alias of a model stands for."""
        try:
            return _version(self.client.get_model_version_by_alias(name, alias))
        except MlflowException:
            return None

    def set_alias(self, name: str, alias: str, number: str) -> None:
        """Let an alias stand for a version."""
        self.client.set_registered_model_alias(name, alias, number)

    def note(self, name: str, values: Mapping[str, str]) -> None:
        """Set tags of a registered model."""
        for key, value in values.items():
            self.client.set_registered_model_tag(name, key, value)

    def notes(self) -> dict[str, dict[str, str]]:
        """The tags of every registered model."""
        return {found.name: dict(found.tags) for found in self.client.search_registered_models()}

    def metrics(self, run_id: str) -> dict[str, float] | None:
        """The last value of every metric of a run; None where there is no such run."""
        try:
            return dict(self.client.get_run(run_id).data.metrics)
        except MlflowException:
            return None

    def folder(self, version: Version) -> Path | None:
        """The folder from which a version is served; None where its files are out of reach."""
        try:
            # By its own address: MLflow would look up a model's name in the store that was set last, not in this one.
            logged = self.client.get_logged_model(version.source.rpartition("/")[2])
            served = mlflow.artifacts.download_artifacts(artifact_uri=logged.artifact_location)
        except (MlflowException, OSError):
            return None
        folder = Path(served) / "data" / "model"
        return folder if folder.is_dir() else None

    def origin(self, version: Version) -> Origin:
        """Where a version comes from."""
        run_id = str(self.client.get_logged_model(version.source.rpartition("/")[2]).source_run_id)
        run = self.client.get_run(run_id)
        given = run.inputs.dataset_inputs if run.inputs else ()
        data = {each.dataset.name: each.dataset.digest for each in given}
        return Origin(run_id, data, *self._evaluation(run, version.name))

    def _evaluation(self, run: Run, name: str) -> tuple[dict[str, float], dict[str, Any] | None]:
        """What the evaluation beside a training run found of the model that was registered as ``<survey>-<role>``."""
        parent, experiment = run.data.tags.get(PARENT), run.info.experiment_id
        survey = self.client.get_experiment(experiment).name
        role = name.removeprefix(f"{survey}-").replace("-", " ", 1)
        prefix = metric_name(f"{role}.")
        whole: dict[str, Any] | None = None
        found = {key: run.data.metrics[key] for key in ("training_seconds",) if key in run.data.metrics}
        for beside in self.client.search_runs(
            [experiment], f"tags.`{PARENT}` = '{parent}' and attributes.run_name = 'evaluate'"
        ):
            for key, value in beside.data.metrics.items():
                short = key.removeprefix(prefix)
                if key.startswith(prefix) and "." not in short:
                    found[short] = value
            whole = _whole_evaluation(beside, role) or whole
        return found, whole


def _whole_evaluation(run: Run, role: str) -> dict[str, Any] | None:
    """The file that an evaluation wrote, of one model; None where it speaks of others."""
    try:
        told: dict[str, Any] = mlflow.artifacts.load_dict(f"{run.info.artifact_uri}/metrics.json")
    except MlflowException:
        return None
    return told.get(role)


def _version(found: ModelVersion) -> Version:
    return Version(
        found.name, str(found.version), found.tags.get("digest", ""), found.tags.get(RECORD), found.source or ""
    )
