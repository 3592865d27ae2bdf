"""Fixtures on top of pytest-tornado's for tests in which the server runs on the test's own loop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tornado.ioloop import IOLoop
from tornado.web import Application

from tests.support.redis_server import RedisServer
from tornado_realtime.realtime import Realtime


@pytest.fixture
def options() -> dict[str, Any]:
    """The instance's options; overridden by test modules and parametrised tests."""
    return {}


@pytest.fixture
def instance(io_loop: IOLoop, options: dict[str, Any]) -> Iterator[Realtime]:
    """A running instance."""
    options = {"authenticate": lambda request: "u1", **options}
    realtime = Realtime(**options)
    io_loop.run_sync(realtime.start)
    yield realtime
    io_loop.run_sync(realtime.close)


@pytest.fixture
def app(instance: Realtime) -> Application:
    """What pytest-tornado serves."""
    return Application(instance.routes, log_function=lambda handler: None)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests that do it no harm."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
