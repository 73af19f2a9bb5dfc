"""What a service runs, as data: schedules, parameters, triggers that cannot run in a circle, and `prefect.yaml`."""

from pathlib import Path

import networkx as nx
import pytest
import yaml
from conftest import PROJECT, TinySurvey

from flows.deployments import ANNOUNCES, TRIGGERS, Deployment, plan, prefect_file
from outcrop.errors import OutcropError, SurveyError
from tasks.workspace import Workspace

HERE = Workspace(PROJECT)


@pytest.fixture(scope="module")
def planned() -> dict[str, Deployment]:
    return {each.flow: each for each in everything()}


def everything() -> list[Deployment]:
    return plan(HERE, [HERE.default_survey])


def test_no_announcement_can_start_what_announces_it() -> None:
    started = [
        (flow, TRIGGERS[event][0]) for flow, events in ANNOUNCES.items() for event in events if event in TRIGGERS
    ]
    assert nx.is_directed_acyclic_graph(nx.DiGraph(started))
    assert {event for events in ANNOUNCES.values() for event in events} >= set(TRIGGERS)


def test_every_site_is_monitored() -> None:
    sites = yaml.safe_load(HERE.default_survey.read_text())["sites"]
    found = {each.parameters["site"]: each.name for each in everything() if each.flow == "monitor"}
    assert found == {site: f"simulated-{site}" for site in sites}


def test_every_trigger_rests_after_it_has_fired(planned: dict[str, Deployment]) -> None:
    triggers = [trigger for each in planned.values() for trigger in each.triggers]
    assert {trigger.event for trigger in triggers} == set(TRIGGERS)
    assert all(trigger.rest >= 3600 for trigger in triggers)
    drift = next(trigger for trigger in triggers if trigger.event == "outcrop.drift").dump()
    assert (drift["within"], drift["threshold"], drift["posture"]) == (86400, 1, "Reactive")
    assert drift["match"] == {"outcrop.survey": "simulated"}


def test_schedules_are_those_of_the_parameters(planned: dict[str, Deployment]) -> None:
    asked = yaml.safe_load((PROJECT / "params.yaml").read_text())["serve"]
    assert {flow: each.cron for flow, each in planned.items() if each.cron} == {
        flow: asked[flow] for flow in ("retrain", "watch", "monitor")
    }
    assert {each.timezone for each in planned.values()} == {asked["timezone"]}


def test_parameters_are_the_same_on_every_machine(planned: dict[str, Deployment]) -> None:
    assert planned["retrain"].parameters == {"survey": "data/surveys/simulated.yaml"}
    assert planned["audit"].parameters["model"] == "simulated-student@champion"


def test_the_file_for_a_work_pool_is_the_one_in_the_repository() -> None:
    assert (PROJECT / "prefect.yaml").read_text() == prefect_file(everything(), "outcrop")


def test_what_cannot_be_served_is_refused(tiny_survey: TinySurvey, tmp_path: Path) -> None:
    for surveys, told in (
        ([HERE.default_survey] * 2, "named twice"),
        ([tiny_survey.raw / "survey.yaml"], "must lie in the workspace"),
        ([PROJECT / "data" / "surveys" / "none.yaml"], "cannot read the file"),
    ):
        with pytest.raises(OutcropError, match=told):
            plan(HERE, surveys)
    with pytest.raises(SurveyError):
        plan(Workspace(tmp_path), [HERE.default_survey])
