"""A hub whose streams are in memory or far away, clients that keep the rules, and a look at what is left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from tests.support.lagging_broker import LaggingBroker, turns
from tests.support.stream_client import AllMay, StreamClient
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.channels import parse_pattern
from tornado_realtime.connection import Limits
from tornado_realtime.hub import Hub
from tornado_realtime.publication import Publication
from tornado_realtime.traits import Retention, Traits, TraitsTable
from tornado_realtime.wire.base import Farewell

KEEP = Retention(100, 60.0, 10**6)
STREAMS = TraitsTable([(parse_pattern("log*"), Traits(KEEP))])


class World:
    """A hub, a broker, and clients that keep the rules."""

    def __init__(self, broker: MemoryBroker, limits: Limits | None = None) -> None:
        self.hub = Hub(broker, limits or Limits(), authorizer=AllMay())
        self.broker = broker
        self.count = 0

    def client(self) -> StreamClient:
        client = StreamClient(self.hub)
        self.hub.opened(client)
        client.begin()
        return client

    def publish(self, count: int = 1, channel: str = "log", **members: Any) -> None:
        for _ in range(count):
            self.count += 1
            self.broker.publish_now(Publication(channel, b"%d" % self.count, **members))

    async def joined(self) -> StreamClient:
        """A client that hears the channel; the stream is far away, and nothing else is on its way."""
        client = self.client()
        client.say("subscribe")
        await turns()
        self.far.hear()
        await self.far.answer()
        return client

    @property
    def far(self) -> LaggingBroker:
        assert isinstance(self.broker, LaggingBroker)
        return self.broker

    async def settle(self) -> None:
        """Until nothing is on its way."""
        await turns()
        while not self.hub._fanout.idle.is_set():
            await asyncio.sleep(0)

    def is_clean(self) -> bool:
        """Whether nothing is left of all that joining."""
        room = self.hub._recovery._joining
        held = any(channel.holds for channel in self.hub._fanout.channels.values())
        pace = self.hub._recovery._pace._waiting
        return not (room.held or room._joins or room._behind or room._ready or held or pace)


def near(test: Callable[[World], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    """Run a test with streams in memory."""
    _run(lambda: MemoryBroker(STREAMS, clock=lambda: 1000.0), test, limits)


def far(test: Callable[[World], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    """Run a test with streams far away."""
    _run(lambda: LaggingBroker(STREAMS), test, limits)


def _run(
    make: Callable[[], MemoryBroker],
    test: Callable[[World], Coroutine[Any, Any, None]],
    limits: Limits | None,
) -> None:
    async def main() -> None:
        world = World(make(), limits)
        await world.hub.start()
        try:
            await test(world)
            await world.settle()
            assert world.is_clean()
        finally:
            await world.hub.close(Farewell.SHUTDOWN, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
