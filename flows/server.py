"""Prefect's server: a running one, or an embedded one that comes up while heavy packages are imported."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread


@contextmanager
def server_coming_up() -> Iterator[None]:
    """Start the embedded server, if no other is named by ``PREFECT_API_URL``; it answers when the block ends.

    It is the one that Prefect's client would start by itself, and wait for, at the first flow. It ends with this
    process.
    """
    from prefect.settings import PREFECT_API_URL

    if PREFECT_API_URL.value():
        yield
        return
    from prefect.server.api.server import SubprocessASGIServer

    starting = Thread(target=SubprocessASGIServer().start, daemon=True)
    starting.start()
    try:
        yield
    finally:
        starting.join()
