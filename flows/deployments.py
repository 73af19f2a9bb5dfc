"""What a service runs, when, and on which events: one list for `outcrop serve` and for a work pool's `prefect.yaml`."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from outcrop.errors import SurveyError
from outcrop.params import Params
from outcrop.survey.surveys import Survey, load_survey
from tasks.announce import DRIFT, EXPIRED, NEW_DATA, PROMOTION, RECOVERED, about
from tasks.workspace import Workspace

#: What every deployment is tagged with.
TAG = "outcrop"
#: The module of the flows, and the environment variable that says where a work pool's machines have the workspace.
FLOWS, PLACE = "flows.served", "OUTCROP_WORKSPACE"
#: What a flow may announce. With `TRIGGERS` it says what can start what: there must be no way back. Labels that have
#: expired start nothing: somebody must go and take new ones.
ANNOUNCES = {"watch": (NEW_DATA, RECOVERED), "monitor": (DRIFT, EXPIRED), "retrain": (PROMOTION,)}
#: Which flow an announcement starts, and which key of `serve.rest_hours` says for how long it then rests.
TRIGGERS = {
    NEW_DATA: ("retrain", "new_data"),
    RECOVERED: ("retrain", "recovered"),
    DRIFT: ("retrain", "drift"),
    PROMOTION: ("audit", "promotion"),
}


@dataclass(frozen=True)
class Trigger:
    """An announcement that starts a deployment; after that it rests for so many seconds."""

    event: str
    survey: str
    rest: float

    def dump(self) -> dict[str, Any]:
        """As Prefect takes it: an event trigger that fires at once, and then once in a period at most."""
        return {
            "type": "event",
            "name": f"{self.survey}: {self.event}",
            "posture": "Reactive",
            "match": about(self.survey),
            "expect": [self.event],
            "threshold": 1,
            "within": self.rest,
        }


@dataclass(frozen=True)
class Deployment:
    """A flow with its parameters; ``cron`` None: it runs when it is asked or triggered."""

    flow: str
    name: str
    parameters: Mapping[str, Any]
    cron: str | None
    timezone: str
    triggers: tuple[Trigger, ...]

    @property
    def entrypoint(self) -> str:
        """Where the flow is."""
        return f"{FLOWS}.{self.flow}"

    def dump(self, pool: str) -> dict[str, Any]:
        """As `prefect.yaml` has it."""
        return {
            "name": self.name,
            "entrypoint": self.entrypoint,
            "tags": [TAG],
            "parameters": dict(self.parameters),
            "schedules": [{"cron": self.cron, "timezone": self.timezone}] if self.cron else [],
            "triggers": [trigger.dump() for trigger in self.triggers],
            "work_pool": {"name": pool},
        }


def plan(workspace: Workspace, surveys: Sequence[Path]) -> list[Deployment]:
    """The deployments of some surveys.

    Raises
    ------
    SurveyError, ParamsError : a survey cannot be used, lies outside of the workspace, or is named twice.
    """
    planned: list[Deployment] = []
    for path in surveys:
        if not path.resolve().is_relative_to(workspace.root.resolve()):
            raise SurveyError("a service's survey must lie in the workspace", where=path, remedy="copy it there")
        survey, params = load_survey(path, workspace.params)
        place = path.resolve().relative_to(workspace.root.resolve()).as_posix()
        planned += _of_survey(survey, params, place)
    names = [(each.flow, each.name) for each in planned]
    if twice := [name for flow, name in names if names.count((flow, name)) > 1]:
        raise SurveyError(f"survey {twice[0]} is named twice", remedy="name it once")
    return planned


def _of_survey(survey: Survey, params: Params, place: str) -> Iterator[Deployment]:
    name, serve = survey.survey, params.serve

    def deployment(flow: str, called: str = name, cron: str | None = None, **parameters: str) -> Deployment:
        triggers = [
            Trigger(event, name, getattr(serve.rest_hours, rest) * 3600)
            for event, (started, rest) in TRIGGERS.items()
            if started == flow
        ]
        return Deployment(flow, called, {"survey": place, **parameters}, cron, serve.timezone, tuple(triggers))

    yield deployment("retrain", cron=serve.retrain)
    yield deployment("watch", cron=serve.watch)
    yield from (deployment("monitor", f"{name}-{site}", serve.monitor, site=site) for site in survey.sites)
    yield deployment("onboard")
    yield deployment("audit", model=f"{name}-student@champion")


def prefect_file(planned: Sequence[Deployment], pool: str) -> str:
    """The text of `prefect.yaml`."""
    head = (
        "# Written by `outcrop deploy`: what `outcrop serve` runs, for the work pool of a Prefect server of your own.\n"
        f"# Set {PLACE} to the folder that the workspace has on the pool's machines, then: prefect deploy --all\n"
    )
    content = {
        "name": TAG,
        "pull": [{"prefect.deployments.steps.set_working_directory": {"directory": f"{{{{ ${PLACE} }}}}"}}],
        "deployments": [each.dump(pool) for each in planned],
    }
    return head + yaml.safe_dump(content, sort_keys=False, width=110)
