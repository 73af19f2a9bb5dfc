"""Runs: what each step and each flow gave."""

import json
import os
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mlflow
import numpy as np
from mlflow.entities import Dataset, DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.protos.databricks_pb2 import RESOURCE_ALREADY_EXISTS, ErrorCode
from mlflow.types import Schema, TensorSpec
from mlflow.utils.logging_utils import disable_logging

from outcrop.errors import WorkspaceError
from outcrop.record.provenance import SOURCE, Commit
from tasks.workspace import Workspace

if TYPE_CHECKING:
    from outcrop.learning.models import ModelConfig

KEY, FLOW_KEY, PARENT = "outcrop.step_key", "outcrop.flow_key", "mlflow.parentRunId"
#: Tag of runs and of versions of models: the record of what they hold.
RECORD = "outcrop.record"
#: Tags of a flow's run: when it was last begun, and of each site the DVC hash.
BEGUN, SITE = "outcrop.begun", "dvc."
#: Tag of a validation's run: the gravest of its findings.
VALIDATION = "validation"
#: Values longer than this are not accepted by MLflow's database as parameters.
LONGEST_PARAM = 6000


@dataclass(frozen=True)
class Attempt:
    """A flow's run: the DVC hashes of its sites, and whether it ended because the data were not fit to train on."""

    sites: dict[str, str]
    refused: bool


@dataclass(frozen=True)
class Tracker:
    """The runs of one survey: one parent a flow run, one child a step."""

    client: mlflow.MlflowClient
    experiment: str

    @classmethod
    def open(cls, workspace: Workspace, survey: str) -> "Tracker":
        """Connect to the workspace's store and make the survey's experiment if it is new.

        Raises
        ------
        WorkspaceError : the store is a server that does not let us in.
        """
        disable_logging()  # its notes on databases and versions would drown our own output
        _use(workspace.tracking_uri)
        client = mlflow.MlflowClient(workspace.tracking_uri)
        with _let_in():
            found = client.get_experiment_by_name(survey)
        if found is not None:
            return cls(client, found.experiment_id)
        try:
            return cls(client, client.create_experiment(survey, artifact_location=workspace.artifacts))
        except MlflowException as error:
            if error.error_code != ErrorCode.Name(RESOURCE_ALREADY_EXISTS):
                raise
            return cls.open(workspace, survey)  # another process was quicker

    def parent(self, flow_key: str, name: str, tags: Mapping[str, str]) -> str:
        """The run of a flow: the one with this key that was begun earlier, or a new one."""
        found, begun = self._runs(FLOW_KEY, flow_key), {BEGUN: str(time.time())}
        if not found:
            return self._create(name, {**tags, **begun, FLOW_KEY: flow_key})
        self.client.update_run(found[0].info.run_id, status="RUNNING")
        self.of(found[0].info.run_id).tags(begun)
        return str(found[0].info.run_id)

    def last_attempt(self, name: str) -> Attempt | None:
        """The run of a flow that was begun last."""
        found = self.client.search_runs([self.experiment], f"attributes.run_name = '{name}'", max_results=1000)
        if not found:
            return None
        last = max(found, key=lambda run: float(run.data.tags.get(BEGUN, run.info.start_time / 1000)))
        sites = {tag.removeprefix(SITE): value for tag, value in last.data.tags.items() if tag.startswith(SITE)}
        unfit = f"tags.`{PARENT}` = '{last.info.run_id}' and tags.`{VALIDATION}` = 'critical'"
        refused = last.info.status == "FAILED" and bool(self.client.search_runs([self.experiment], unfit))
        return Attempt(sites, refused)

    def _runs(self, tag: str, value: str) -> list[Run]:
        return list(self.client.search_runs([self.experiment], f"tags.`{tag}` = '{value}'"))

    def _create(self, name: str, tags: Mapping[str, str]) -> str:
        return str(self.client.create_run(self.experiment, run_name=name, tags=dict(tags)).info.run_id)

    @contextmanager
    def step(self, parent: str, step: str, key: str, title: str = "") -> Iterator["StepRun"]:
        """A run of a step, nested under ``parent``; what an earlier try left unfinished, or unrecorded, is deleted.

        One that ended and was not recorded was cut off before anybody learnt of it. ``title`` is what the run is
        called; default: as the step.
        """
        for earlier in self._runs(KEY, f"{step}-{key}"):
            if earlier.info.status != "FINISHED" or RECORD not in earlier.data.tags:
                self.client.delete_run(earlier.info.run_id)
        run_id = self._create(title or step, {KEY: f"{step}-{key}", PARENT: parent})
        try:
            yield StepRun(self.client, run_id)
        except BaseException:
            self.client.set_terminated(run_id, "FAILED")
            raise
        self.client.set_terminated(run_id, "FINISHED")

    def trial(self, parent: str, name: str, params: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
        """A finished run of a trial, nested under ``parent``, unless it is there."""
        tag = f"{parent}-{name}"
        for earlier in self._runs(KEY, tag):
            if earlier.info.status == "FINISHED":
                return
            self.client.delete_run(earlier.info.run_id)
        run_id = self._create(name, {KEY: tag, PARENT: parent})
        StepRun(self.client, run_id).params(params)
        StepRun(self.client, run_id).metrics(metrics)
        self.client.set_terminated(run_id, "FINISHED")

    def aside(self, name: str, params: Mapping[str, Any], metrics: Mapping[str, Any], files: Iterable[Path]) -> str:
        """A finished run of its own, beside those of flows; gives its id."""
        run = StepRun(self.client, self._create(name, {}))
        run.params(params)
        run.metrics(metrics)
        run.files(files)
        self.client.set_terminated(run.run_id, "FINISHED")
        return run.run_id

    def close(self, run_id: str, status: str, tags: Mapping[str, str] | None = None) -> None:
        """End a run with its last tags."""
        for name, value in (tags or {}).items():
            self.client.set_tag(run_id, name, value)
        self.client.set_terminated(run_id, status)

    def of(self, run_id: str) -> "StepRun":
        """A run that is under way."""
        return StepRun(self.client, run_id)

    def holds(self, run_id: str) -> bool:
        """Whether the store still has a run, and the files of the models that it logged.

        A store that does not answer raises: to take that for no would train everything again.
        """
        try:
            outputs = self.client.get_run(run_id).outputs
            logged = outputs.model_outputs if outputs else []
            return all(
                mlflow.artifacts.list_artifacts(
                    artifact_uri=self.client.get_logged_model(each.model_id).artifact_location
                )
                for each in logged
            )
        except MlflowException as failure:
            if is_passing(failure):
                raise
            return False

    def origin(self, run_id: str) -> Commit:
        """The commit that was checked out when the flow of a step's run was begun."""
        run = self.client.get_run(run_id)
        tags = self.client.get_run(run.data.tags[PARENT]).data.tags
        sha = tags["mlflow.source.git.commit"]
        return Commit(None if sha == "none" else sha, tags["dirty"] == "true")

    def model_folder(self, model_uri: str) -> Path:
        """The folder from which a logged model is served."""
        artifacts = mlflow.artifacts.download_artifacts(artifact_uri=model_uri)
        return Path(artifacts) / "data" / "model"

    def register(self, name: str, model_uri: str, digest: str, record: str) -> str:
        """Register a logged model once; the same digest gives the version that it already has."""
        if not self.client.search_registered_models(f"name = '{name}'"):
            self.client.create_registered_model(name)
        for version in self.client.search_model_versions(f"name = '{name}' and tags.digest = '{digest}'"):
            if RECORD not in version.tags:  # registered before there were records
                self.client.set_model_version_tag(name, version.version, RECORD, record)
            return f"models:/{name}/{version.version}"
        created = mlflow.register_model(model_uri, name, tags={"digest": digest, RECORD: record})
        return f"models:/{name}/{created.version}"


@dataclass(frozen=True)
class StepRun:
    """One step's run."""

    client: mlflow.MlflowClient
    run_id: str

    def params(self, values: Mapping[str, Any]) -> None:
        """Log nested parameters under dotted names."""
        logged = [Param(name, str(value)[:LONGEST_PARAM]) for name, value in _flat("", values)]
        self.client.log_batch(self.run_id, params=logged)

    def metrics(self, values: Mapping[str, Any], step: int = 0) -> None:
        """Log the numbers among nested ``values`` under dotted names."""
        self.curve([values], first=step)

    def curve(self, rows: Sequence[Mapping[str, Any]], first: int = 0) -> None:
        """Log one row of metrics a step."""
        now = int(time.time() * 1000)
        logged = [
            Metric(name, value, now, step)
            for step, row in enumerate(rows, start=first)
            for name, value in flat(row).items()
        ]
        for start in range(0, len(logged), 900):  # MLflow takes at most 1000 a call
            self.client.log_batch(self.run_id, metrics=logged[start : start + 900])

    def tags(self, values: Mapping[str, str]) -> None:
        """Set tags."""
        self.client.log_batch(self.run_id, tags=[RunTag(name, value) for name, value in values.items()])

    def files(self, paths: Iterable[Path]) -> None:
        """Keep files as artifacts."""
        for path in paths:
            self.client.log_artifact(self.run_id, str(path))

    def inputs(self, sites: Mapping[str, str]) -> None:
        """Name the data: one dataset input a site, by its DVC hash."""
        datasets = [
            DatasetInput(Dataset(name, digest, "dvc", json.dumps({"path": f"data/sites/{name}"})), [])
            for name, digest in sites.items()
        ]
        self.client.log_inputs(self.run_id, datasets)

    def model(self, folder: Path, name: str, config: "ModelConfig") -> str:
        """Log a model: its files, served by code of ours (no pickle); gives the model's URI."""
        inputs = [
            TensorSpec(np.dtype("float32"), (-1, len(entry.bands), entry.side, entry.side), entry.modality)
            for entry in config.inputs
        ]
        outputs = [TensorSpec(np.dtype("float32"), (-1, len(config.classes)))]
        with mlflow.start_run(run_id=self.run_id, log_system_metrics=False), warnings.catch_warnings():
            # The signature is stated here; an example would only be there to guess it from.
            warnings.filterwarnings("ignore", message=".*An input example was not provided.*")
            logged = mlflow.pyfunc.log_model(
                name=name,
                loader_module="outcrop.learning.models",
                data_path=str(folder),
                code_paths=[str(SOURCE / "outcrop")],
                pip_requirements=["torch", "safetensors", "pydantic", "numpy", "rasterio"],
                signature=ModelSignature(inputs=Schema([*inputs]), outputs=Schema([*outputs])),
            )
        self.client.update_run(self.run_id, status="RUNNING")  # leaving the block above has ended it
        return str(logged.model_uri)


def _use(uri: str) -> None:
    """Let MLflow's functions use a store.

    MLflow also writes it to the environment, where a user's choice stands: the next workspace would take it as such.
    """
    chosen = os.environ.pop("MLFLOW_TRACKING_URI", None)
    mlflow.set_tracking_uri(uri)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    if chosen is not None:
        os.environ["MLFLOW_TRACKING_URI"] = chosen


@contextmanager
def _let_in() -> Iterator[None]:
    """Say what to do where a server asks for a password that it is not given."""
    try:
        yield
    except MlflowException as cause:
        if cause.error_code not in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
            raise
        raise WorkspaceError(
            "the MLflow server does not let us in",
            where="MLFLOW_TRACKING_URI",
            remedy="set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD",
        ) from cause


def is_passing(failure: object) -> bool:
    """Whether a failure of the store may pass by itself: a database that is locked or does not answer."""
    return isinstance(failure, MlflowException) and failure.error_code in ("TEMPORARILY_UNAVAILABLE", "INTERNAL_ERROR")


def metric_name(name: str) -> str:
    """What MLflow calls a metric: it takes no plus there."""
    return name.replace("+", "-")


def flat(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers among nested values, by the names that they have in MLflow."""
    return {
        metric_name(name): float(value)
        for name, value in _flat("", values)
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _flat(prefix: str, values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(f"{prefix}{name}.", value)
        else:
            yield f"{prefix}{name}", value
