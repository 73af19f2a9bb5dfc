"""The runs of a survey: those who begin them together agree on one experiment."""

from pathlib import Path

import mlflow
import pytest

from tasks.tracking.runs import Tracker
from tasks.workspace import Workspace


def test_who_comes_second_to_make_an_experiment_takes_the_first_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    ask, asked = mlflow.MlflowClient.get_experiment_by_name, []

    def ask_too_early(client: mlflow.MlflowClient, name: str) -> object:
        """The other process makes it between the first question and what follows from it."""
        asked.append(name)
        if len(asked) > 1:
            return ask(client, name)
        client.create_experiment(name)
        return None

    monkeypatch.setattr(mlflow.MlflowClient, "get_experiment_by_name", ask_too_early)
    tracker = Tracker.open(workspace, "tiny")
    (only,) = tracker.client.search_experiments(filter_string="name = 'tiny'")
    assert tracker.experiment == only.experiment_id
    assert asked == ["tiny", "tiny"]
