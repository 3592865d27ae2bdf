"""A node that is deaf though its connections are well, and one that only slept."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.integration.brokers.test_redis_faults import BRISK, accepted
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_server import RedisServer
from tests.support.streams import StreamServer
from tornado_realtime.brokers.base import Health
from tornado_realtime.brokers.redis import RedisBroker

OFTEN = replace(BRISK, canary=0.2)


class Muffler:
    """A way to Redis that can keep messages back, while everything else is answered."""

    def __init__(self) -> None:
        self.mute = False
        self.connections = 0

    @asynccontextmanager
    async def before(self, server: RedisServer) -> AsyncIterator[str]:
        """The address to use instead of the server's."""

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections += 1
            there = await asyncio.open_connection("127.0.0.1", server.port)
            await asyncio.gather(self._copy(reader, there[1], False), self._copy(there[0], writer, True))

        async with StreamServer(relay) as listener:
            yield f"127.0.0.1:{listener.port}"

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: bool) -> None:
        try:
            while chunk := await reader.read(65536):
                if not (back and self.mute and b"\r\nmessage\r\n" in chunk):
                    writer.write(chunk)
                    await writer.drain()
        finally:
            writer.transport.abort()


def test_a_deaf_node_says_so_and_listens_anew(
    shared_redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    muffler, sink = Muffler(), Collector()

    async def scenario() -> None:
        async with muffler.before(shared_redis) as address:
            broker = RedisBroker(address, timing=OFTEN)
            await broker.start(sink)
            broker.subscribe("news")
            await eventually(lambda: broker.health == Health(True))
            assert broker.probe_seconds > 0
            muffler.mute = True
            assert await accepted(broker, data=b"not heard")  # nothing but the canary notices
            await eventually(lambda: not broker.health.ready)
            assert broker.counters.probes_late == 1
            # It listens anew, and stays unready as long as that does not help.
            await eventually(lambda: "probe did not come back" in broker.health.reason)
            await eventually(lambda: broker.counters.probes_late == 2)
            assert not broker.health.ready
            muffler.mute = False
            await eventually(lambda: broker.health == Health(True))
            assert await accepted(broker, data=b"heard")
            await eventually(lambda: b"heard" in sink.data)
            await broker.close()

    with caplog.at_level(logging.WARNING):
        run(scenario())
    assert "(subscribing link: a probe did not come back)" in caplog.text
    assert {gap.channels for gap in sink.gaps} == {("news",)}


def test_a_node_that_slept_keeps_its_connections(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address, timing=OFTEN)

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        for _ in range(2):
            await eventually(lambda: broker.health == Health(True))
            time.sleep(1.0)  # like SIGSTOP: the loop finds all its timers overdue
            assert await accepted(broker)
        await sink.wait_for(2)
        assert broker.health == Health(True)
        assert (broker.counters.probes_late, broker.counters.outages, sink.gaps) == (0, 0, [])

    run(scenario(), broker)


def test_a_node_without_a_canary_is_ready_once_it_is_subscribed(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address, timing=replace(BRISK, canary=0.0))

    async def scenario() -> None:
        await broker.start(Collector())
        broker.subscribe("news")
        assert await accepted(broker)
        assert (broker.health, broker.probe_seconds) == (Health(True), 0.0)

    run(scenario(), broker)
