"""How a service is: its servers, what runs, what is due, what has ended, and the models in service."""

from collections.abc import Iterator, Sequence
from typing import Any

from outcrop.errors import WorkspaceError
from tasks.records import archive_of
from tasks.service import Service, answers, noted_service
from tasks.workspace import Workspace

#: How many runs that are due, or that have ended, are told.
TOLD = 10


def look(workspace: Workspace) -> dict[str, Any]:
    """Facts by section, for machines and for `sentences`; without a service, what can be known without its servers.

    Raises
    ------
    WorkspaceError : the Prefect server answered, and then did not.
    """
    service = noted_service(workspace)
    found: dict[str, Any] = {"service": _service(service), "prefect": None, "mlflow": None}
    runs: dict[str, Any] = {"running": [], "due": [], "ended": []}
    if service is not None and service.runs:
        for name, url, health in (
            ("prefect", service.prefect, f"{service.api}/health"),
            ("mlflow", service.mlflow, f"{service.mlflow}/health"),
        ):
            found[name] = {"url": url, "answers": answers(health)}
        if found["prefect"]["answers"]:
            runs = _runs(service)
    return {**found, **runs, "champions": list(_champions(workspace))}


def _service(service: Service | None) -> dict[str, Any]:
    if service is None:
        return {"state": "not running"}
    state = "running" if service.runs else "killed: `outcrop serve` takes up what it was doing"
    return {"state": state, "pid": service.pid, "since": service.since, "surveys": service.surveys}


def _runs(service: Service) -> dict[str, Any]:
    """What the Prefect server knows of the runs; steps within a run are not told."""
    from httpx import HTTPError
    from prefect.client.orchestration import get_client
    from prefect.client.schemas.filters import FlowRunFilter
    from prefect.client.schemas.sorting import FlowRunSort
    from prefect.settings import PREFECT_API_URL, temporary_settings

    def asked(client: Any, states: Sequence[str], sort: FlowRunSort) -> list[Any]:
        wanted = {"state": {"type": {"any_": states}}, "parent_task_run_id": {"is_null_": True}}
        found: list[Any] = client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(wanted), sort=sort, limit=TOLD
        )
        return found

    try:
        with temporary_settings({PREFECT_API_URL: service.api}), get_client(sync_client=True) as client:
            runs = {
                "running": asked(client, ["RUNNING", "PENDING", "CANCELLING"], FlowRunSort.START_TIME_DESC),
                "due": asked(client, ["SCHEDULED"], FlowRunSort.EXPECTED_START_TIME_ASC),
                "ended": asked(client, ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"], FlowRunSort.END_TIME_DESC),
            }
            # Of these alone: there may be a thousand sites, each with a deployment.
            of_these = FlowRunFilter.model_validate(
                {"id": {"any_": [run.id for some in runs.values() for run in some]}}
            )
            deployments = client.read_deployments(flow_run_filter=of_these, limit=3 * TOLD)
            flows = client.read_flows(flow_run_filter=of_these, limit=3 * TOLD)
    except HTTPError as cause:
        raise WorkspaceError("the Prefect server does not answer", where=service.api, remedy="ask again") from cause
    names = {
        "deployments": {each.id: each.name for each in deployments},
        "flows": {each.id: each.name for each in flows},
    }
    return {title: [_told(run, names) for run in some] for title, some in runs.items()}


def _told(run: Any, names: dict[str, dict[Any, str]]) -> dict[str, Any]:
    flow, deployment = names["flows"].get(run.flow_id, "?"), names["deployments"].get(run.deployment_id)
    moment = run.end_time or run.start_time or run.expected_start_time
    return {
        "run": f"{flow}/{deployment}" if deployment else flow,
        "id": str(run.id),
        "state": run.state_name,
        "at": moment.isoformat(timespec="seconds") if moment else None,
        "message": run.state.message if run.state else None,
    }


def _champions(workspace: Workspace) -> Iterator[dict[str, Any]]:
    """The last promotion of every model: what was promoted, when, and why."""
    archive = archive_of(workspace)
    if not archive.exists:
        return
    last = {record.name: (entry, record) for entry, record in archive.of_kind("promotion")}
    for name, (entry, record) in sorted(last.items()):
        yield {
            "model": name,
            "version": record.facts["version"],
            "since": entry.time,
            "because": record.facts["because"],
        }


def sentences(found: dict[str, Any]) -> Iterator[str]:
    """The same for a person, line by line."""
    service = found["service"]
    if service["state"] == "running":
        yield f"service   of {', '.join(service['surveys'])}, since {service['since']}"
        for name, title in (("prefect", "runs"), ("mlflow", "models")):
            yield f"{title:<9} {found[name]['url']}{'' if found[name]['answers'] else '  DOES NOT ANSWER'}"
    else:
        yield f"service   {service['state']}"
    for title, empty in (("running", "nothing"), ("due", "nothing"), ("ended", "")):
        for run in found[title]:
            said = f"  {run['message']}" if title == "ended" and run["message"] else ""
            yield f"{title:<9} {run['run']:<28} {run['state']:<11} {run['at']}{said}"
        if not found[title] and empty and service["state"] == "running":
            yield f"{title:<9} {empty}"
    for model in found["champions"]:
        yield f"champion  {model['model']}/{model['version']} since {model['since'][:19]}: {model['because']}"
    if not found["champions"]:
        yield "champion  none yet"
