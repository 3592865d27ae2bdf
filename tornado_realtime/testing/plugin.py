"""The pytest plugin: loaded in every pytest run, so nothing is imported before a test asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tornado_realtime.testing.server import RealtimeServer


@pytest.fixture
def realtime_server() -> type[RealtimeServer]:
    """Serves a realtime instance on a free port, as an async context manager.

    ``async with realtime_server(wire="envelope") as server: ...`` needs no async plugin of its own:
    the server lives on whatever loop the test runs on. For the arguments and what the server can do see
    ``tornado_realtime.testing.RealtimeServer``.
    """
    from tornado_realtime.testing.server import RealtimeServer

    return RealtimeServer
