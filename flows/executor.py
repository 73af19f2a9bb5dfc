"""The process of a service that starts its runs: `python -m flows.executor WORD SURVEY...` in the workspace.

It keeps nothing in mind that the Prefect server does not know, so it may be killed at any time.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient, get_client
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterTags, FlowRunFilter
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.sorting import FlowRunSort
from prefect.deployments.runner import RunnerDeployment
from prefect.events import DeploymentEventTrigger
from prefect.runner import Runner
from prefect.schedules import Cron
from prefect.states import Cancelled, Crashed, Scheduled
from prefect.types.entrypoint import EntrypointType

from flows.deployments import FLOWS, TAG, Deployment, plan
from outcrop.params import load_params
from outcrop.record.drafts import write_whole
from tasks.service import service_folder
from tasks.workspace import find_workspace

#: Seconds between looks for runs that are due.
LOOK = 3
#: States of what a killed service was about.
UNDER_WAY = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)
#: Runs or deployments at most that are asked for at once.
MANY = 200
Found = TypeVar("Found")


async def execute(planned: Sequence[Deployment], at_once: int, deployed: Callable[[], object]) -> None:
    """Tell the server what there is to run, take up what was cut off, and start what is due, until killed."""
    # A pause would be one more state in which a killed service differs from one that was ended.
    runner = Runner(name=TAG, limit=at_once, query_seconds=LOOK, pause_on_shutdown=False)
    ours = [await runner.aadd_deployment(await _for_prefect(each)) for each in planned]
    async with get_client() as client:
        await _pause_others(client, ours)
        await take_up(client, ours)
        await skip_missed(client, ours)
    deployed()
    await runner.start()


async def _for_prefect(deployment: Deployment) -> RunnerDeployment:
    flow = getattr(import_module(FLOWS), deployment.flow)
    made: RunnerDeployment = await flow.ato_deployment(
        deployment.name,
        schedule=Cron(deployment.cron, timezone=deployment.timezone) if deployment.cron else None,
        parameters=dict(deployment.parameters),
        triggers=[DeploymentEventTrigger.model_validate(trigger.dump()) for trigger in deployment.triggers],
        tags=[TAG],
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return made


async def _pause_others(client: PrefectClient, ours: Sequence[UUID]) -> None:
    """Deployments that are not served any more must not gather runs that nobody starts."""
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[TAG]))
    known = await _all(partial(client.read_deployments, deployment_filter=tagged))
    for found in known:
        if found.id not in ours and not found.paused:
            await client.pause_deployment(found.id)


async def take_up(client: PrefectClient, ours: Sequence[UUID]) -> list[UUID]:
    """Schedule again what was under way when a service was killed: finished steps are not repeated."""
    taken = []
    for run in await _runs(client, UNDER_WAY, deployment_id={"any_": list(ours)}):
        if run.state_type is StateType.CANCELLING:
            await client.set_flow_run_state(run.id, Cancelled(), force=True)
            continue
        for within in await _runs(client, UNDER_WAY, parent_flow_run_id={"any_": [run.id]}):
            await client.set_flow_run_state(within.id, Crashed(), force=True)  # else it would be waited for
        told = "the service was ended while this was under way"
        await client.set_flow_run_state(run.id, Scheduled(scheduled_time=datetime.now(UTC), message=told), force=True)
        taken.append(run.id)
    return taken


async def skip_missed(client: PrefectClient, ours: Sequence[UUID]) -> list[UUID]:
    """Of what a schedule has made due while no service ran, the last run of a deployment makes up for all."""
    now, seen, skipped = datetime.now(UTC), set(), []
    for run in await _runs(client, (StateType.SCHEDULED,), deployment_id={"any_": list(ours)}):
        if not run.auto_scheduled or run.run_count or run.expected_start_time is None or run.expected_start_time > now:
            continue
        if run.deployment_id in seen:
            await client.delete_flow_run(run.id)
            skipped.append(run.id)
        seen.add(run.deployment_id)
    return skipped


async def _runs(client: PrefectClient, states: Sequence[StateType], **which: Any) -> list[FlowRun]:
    """Runs in some states, the latest first; ``which`` are further filters of Prefect's."""
    wanted = FlowRunFilter.model_validate({**which, "state": {"type": {"any_": list(states)}}})
    latest = FlowRunSort.EXPECTED_START_TIME_DESC
    return await _all(partial(client.read_flow_runs, flow_run_filter=wanted, sort=latest))


async def _all(read: Callable[..., Awaitable[list[Found]]]) -> list[Found]:
    """All that there is, asked for in parts: the server gives no more at once."""
    found: list[Found] = []
    while True:
        some = await read(limit=MANY, offset=len(found))
        found += some
        if len(some) < MANY:
            return found


def main(word: str, *surveys: str) -> None:
    """Execute the deployments of the surveys with these files; notes the word when the server knows them."""
    workspace = find_workspace(Path.cwd())
    planned, known = plan(workspace, [Path(survey) for survey in surveys]), service_folder(workspace) / "deployed"
    at_once = load_params(workspace.params).serve.at_once
    asyncio.run(execute(planned, at_once, lambda: write_whole(known, word, "note of what is deployed")))


if __name__ == "__main__":
    main(*sys.argv[1:])
