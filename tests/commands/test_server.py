"""The embedded server is started early, and only where no other is named."""

import pytest
from prefect.server.api.server import SubprocessASGIServer
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.server import server_coming_up


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happens, in its order."""
    happened: list[str] = []
    monkeypatch.setattr(SubprocessASGIServer, "start", lambda self: happened.append("started"))
    return happened


def test_the_embedded_server_is_started_before_the_block_ends(started: list[str]) -> None:
    with temporary_settings(restore_defaults={PREFECT_API_URL}), server_coming_up():
        pass
    assert started == ["started"]


def test_no_server_is_started_where_one_is_named(started: list[str]) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:4200/api"}), server_coming_up():
        pass
    assert started == []
