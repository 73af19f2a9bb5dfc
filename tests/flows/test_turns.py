"""Runs of one survey take turns: one runs, one waits, and what a third would do the second does."""

import threading

import pytest
from benches import Bench
from services import wait_for

from flows.openings import alone
from flows.served import in_turn
from tasks.workspace import Workspace


def test_one_runs_one_waits_and_a_third_is_superfluous(bench: Bench) -> None:
    workspace, path = Workspace(bench.root), bench.survey
    workspace.state.mkdir(exist_ok=True)
    got: list[str] = []

    def take(name: str, **changes: object) -> threading.Thread:
        def work() -> None:
            with in_turn(workspace, path, changes) as mine:
                got.append(f"{name} {'runs' if mine else 'is superfluous'}")

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    with alone(workspace, path, {}):
        second = take("second")
        wait_for("the second to wait", lambda: list(workspace.state.glob("wait-*.lock")), 20)
        take("third").join(20)
        other = take("other", seed=8)
        assert got == ["third is superfluous"]
    for thread in (second, other):
        thread.join(20)
    assert sorted(got[1:]) == ["other runs", "second runs"]


def test_the_turn_is_given_up_where_the_work_fails(bench: Bench) -> None:
    workspace = Workspace(bench.root)
    workspace.state.mkdir(exist_ok=True)
    with pytest.raises(ZeroDivisionError), in_turn(workspace, bench.survey, {}):
        raise ZeroDivisionError
    with in_turn(workspace, bench.survey, {}) as mine:
        assert mine
