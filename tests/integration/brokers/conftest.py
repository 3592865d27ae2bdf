from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.brokers.redis import RedisBroker

MakeServer = Callable[..., RedisServer]


@pytest.fixture(scope="session")
def shared_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis for all tests that do it no harm."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    """One Redis Cluster for all tests that do it no harm."""
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def shared_sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    """A primary, a replica and Sentinels for all tests that do them no harm."""
    group = Sentinels(tmp_path_factory.mktemp("sentinels"), password="pw")
    try:
        group.start()
        yield group
    finally:
        group.stop()


@pytest.fixture(params=["memory", "redis", "redis-cluster", "redis-sentinel"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """One broker of every kind, not started."""
    if request.param == "memory":
        return MemoryBroker()
    if request.param == "redis-cluster":
        cluster: RedisCluster = request.getfixturevalue("shared_cluster")
        return RedisBroker(cluster.address)
    if request.param == "redis-sentinel":
        group: Sentinels = request.getfixturevalue("shared_sentinels")
        return RedisBroker(group.address)
    server: RedisServer = request.getfixturevalue("shared_redis")
    return RedisBroker(server.address)


@pytest.fixture
def make_redis(tmp_path: Path) -> Iterator[MakeServer]:
    """Makes Redis servers of the test's own, not started; they are stopped after it."""
    servers: list[RedisServer] = []

    def make(
        *, password: str = "", unix: bool = False, certificate: tuple[Path, Path] | None = None
    ) -> RedisServer:
        servers.append(RedisServer(tmp_path, password=password, unix=unix, certificate=certificate))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()
