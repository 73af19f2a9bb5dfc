"""Work is shared out over processes, and done whatever becomes of them."""

from pathlib import Path
from typing import Any

import pytest
from lost_workers import die, die_once, refuse

from outcrop.errors import DataError, ParamsError, WorkspaceError
from tasks.sharing import share_out
from tasks.workers import MANY, Runner, Workers, choose_workers

TWO = Workers(Runner.processes, 2)


def test_the_work_of_a_worker_that_died_is_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [str(tmp_path / name) for name in "ab"]
    (tmp_path / "a").touch()
    assert sorted(share_out(TWO, die_once, parts)) == parts
    assert "a worker was lost: going on with others" in capsys.readouterr().err


def test_work_that_every_worker_dies_of_ends() -> None:
    with pytest.raises(WorkspaceError, match=r"the workers end before they finish anything \(2 processes\)"):
        list(share_out(TWO, die, ["a", "b"]))


def test_an_error_comes_whole_from_a_worker() -> None:
    with pytest.raises(DataError) as found:
        list(share_out(TWO, refuse, ["a.tif"]))
    assert str(found.value) == "the raster cannot be read (a.tif); restore the file."


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ((None, None, None), Workers()),
        ((None, 1, None), Workers()),
        ((None, 2, None), TWO),
        ((Runner.dask, 2, None), Workers(Runner.dask, 2)),
        ((None, None, "tcp://there:8786"), Workers(Runner.dask, MANY, "tcp://there:8786")),
    ],
)
def test_what_is_left_open_follows(given: tuple[Any, ...], expected: Workers) -> None:
    assert choose_workers(*given) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((Runner.processes, None, "tcp://there:8786"), "a cluster is Dask's (--cluster)"),
        ((None, 2, "tcp://there:8786"), "a cluster has the workers it has (--workers)"),
        ((Runner.threads, 2, None), "threads are one worker (--workers)"),
    ],
)
def test_choices_that_contradict_are_refused(given: tuple[Any, ...], message: str) -> None:
    with pytest.raises(ParamsError) as found:
        choose_workers(*given)
    assert str(found.value).startswith(message)
