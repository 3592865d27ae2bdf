"""A primary under real Sentinels: found, followed, and never mistaken for a replica."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.integration.brokers.test_redis_faults import BRISK, accepted
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Health
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.brokers.redis.address import Place, parse_address
from tornado_realtime.brokers.redis.line import Line
from tornado_realtime.errors import BrokerUnavailableError

OFTEN = replace(BRISK, canary=0.5)
FAILOVER_SECONDS = 30.0


@pytest.fixture
def group(tmp_path: Path) -> Iterator[Sentinels]:
    made = Sentinels(tmp_path)
    made.start()
    yield made
    made.stop()


async def within_failover(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(FAILOVER_SECONDS):
        while not check():
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("how", [RedisServer.kill, RedisServer.pause])
def test_a_failover_is_followed(
    group: Sentinels, how: Callable[[RedisServer], None], caplog: pytest.LogCaptureFixture
) -> None:
    """Killed or frozen: the connections of the second one would stay, and a primary that wakes serves on."""
    brokers = [RedisBroker(group.address, timing=OFTEN, publish_timeout=0.5) for _ in range(2)]
    sinks = [Collector() for _ in brokers]

    async def scenario() -> None:
        for broker, sink in zip(brokers, sinks, strict=True):
            await broker.start(sink)
            broker.subscribe("news")
        await eventually(lambda: all(broker.health == Health(True) for broker in brokers))
        assert await accepted(brokers[0], data=b"before")
        await eventually(lambda: all(sink.data == [b"before"] for sink in sinks))
        old = group.servers[0]
        how(old)
        await within_failover(lambda: not brokers[0].health.ready)
        await within_failover(lambda: all(sink.gaps for sink in sinks))
        old.resume() if old.running else old.start()
        await within_failover(lambda: all(broker.health == Health(True) for broker in brokers))
        assert await accepted(brokers[1], data=b"after")
        await eventually(lambda: all(sink.data[-1] == b"after" for sink in sinks))
        for sink in sinks:
            assert {gap.channels for gap in sink.gaps} == {("news",)}
            assert sink.data.count(b"after") == 1

    with caplog.at_level(logging.WARNING):
        run(scenario(), *brokers)
    told = [text for text in caplog.messages if "and was" in text]
    assert len(told) == 2
    new = group.servers[1].port
    assert all(f"the primary is 127.0.0.1:{new}, and was 127.0.0.1:" in text for text in told)


def test_sentinels_that_are_gone_are_no_trouble_while_the_primary_is_there(
    group: Sentinels,
) -> None:
    broker = RedisBroker(group.address, timing=OFTEN)

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        await eventually(lambda: broker.health == Health(True))
        for sentinel in group.sentinels:
            sentinel.kill()
        assert await accepted(broker)
        assert broker.health == Health(True)

    run(scenario(), broker)


def test_a_name_that_no_sentinel_knows_is_said_once(
    shared_sentinels: Sentinels, caplog: pytest.LogCaptureFixture
) -> None:
    broker = RedisBroker(shared_sentinels.address.replace("/mymaster", "/nomaster"), timing=BRISK)

    async def scenario() -> None:
        await broker.start(Collector())
        assert broker.health == Health(False, "the Sentinels name no Redis primary that is up")
        assert not await accepted(broker)
        await asyncio.sleep(0.3)

    with caplog.at_level(logging.INFO):
        run(scenario(), broker)
    (text,) = caplog.messages
    assert text.startswith("no Sentinel of nomaster (127.0.0.1:")
    assert "No such master" in text


def test_a_replica_is_not_taken_for_the_primary(shared_sentinels: Sentinels) -> None:
    address = parse_address(shared_sentinels.address)

    async def scenario() -> None:
        primary = shared_sentinels.primary()
        for server in shared_sentinels.servers:
            line = Line(address.at(Place("127.0.0.1", server.port)), 2.0)
            try:
                if server is primary:
                    await line.open()
                else:
                    with pytest.raises(BrokerUnavailableError, match="not the primary"):
                        await line.open()
            finally:
                await line.close()

    run(scenario())
