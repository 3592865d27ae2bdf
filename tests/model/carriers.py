"""The brokers under test, and what a test can do to each."""

from __future__ import annotations

import asyncio

from redis.asyncio import Redis

from tests.support.lagging_broker import LaggingBroker
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.brokers.redis import RedisBroker, Timing
from tornado_realtime.brokers.redis.names import stream_keys, topic_of
from tornado_realtime.traits import TraitsTable

CHANNELS = ("a", "b")
BRISK = Timing(backoff_base=0.01, backoff_cap=0.05, linger=0.05, canary=0)


class Carrier:
    """One broker.

    Attributes:
        broker: It.
        now: Its time, where a test sets that.
        forgets_in_part: Whether publications can become too old one by one.
        is_certain: Whether what has no position cannot get lost either.
        is_prompt: Whether what is published is answered at once.
        lull: Steps after which everything may arrive.
        has_others: Whether other programs can publish past the streams.
        seconds: How long to wait for what should happen; 0 if it happens within some turns of the loop.
    """

    broker: Broker
    now = 1000.0
    forgets_in_part = True
    seconds = 0.0
    has_others = True
    is_certain = True
    is_prompt = True
    lull = 0

    async def foreign(self, channel: str, data: bytes) -> None:
        """Another program publishes past the stream, if there can be any."""

    async def lose(self) -> None:
        """All streams are gone, with everything about them."""
        raise NotImplementedError

    async def settle(self) -> None:
        """Let arrive what is on its way."""
        await asyncio.sleep(0)

    async def forget(self, channel: str) -> None:
        """All publications of a channel are too old."""

    async def cut(self) -> None:
        """Break the connections of the node, if there are any."""

    async def close(self) -> None:
        """The hub is closed already."""


class Near(Carrier):
    """In memory."""

    has_others = False

    def __init__(self, traits: TraitsTable) -> None:
        self.broker: MemoryBroker = MemoryBroker(traits, clock=lambda: self.now)

    async def lose(self) -> None:
        self.broker._streams.clear()


class Far(Carrier):
    """In memory, but on the other end of a road."""

    seconds = 2.0
    lull = 20

    def __init__(self, traits: TraitsTable) -> None:
        self.broker: LaggingBroker = LaggingBroker(traits, clock=lambda: self.now)

    async def foreign(self, channel: str, data: bytes) -> None:
        self.broker.foreign(channel, data)

    async def lose(self) -> None:
        for channel in CHANNELS:
            self.broker.forget(channel)

    async def settle(self) -> None:
        while self.broker.reads:
            await self.broker.answer()
        self.broker.hear()


class OnRedis(Carrier):
    """On a real server."""

    forgets_in_part = False
    is_prompt = False
    seconds = 10.0

    def __init__(self, traits: TraitsTable, address: str) -> None:
        self.broker: RedisBroker = RedisBroker(address, traits=traits, timing=BRISK)
        self._redis: Redis = Redis.from_url(address)

    async def foreign(self, channel: str, data: bytes) -> None:
        await self._redis.publish(topic_of(channel).decode(), data)

    async def lose(self) -> None:
        for channel in CHANNELS:
            await self._redis.delete(*stream_keys(channel))

    async def forget(self, channel: str) -> None:
        await self._redis.delete(stream_keys(channel)[0])

    async def settle(self) -> None:
        await asyncio.sleep(0.001)

    async def cut(self) -> None:
        self.is_certain = False
        for kind in ("pubsub", "normal"):
            await self._redis.client_kill_filter(_type=kind, skipme=True)

    async def close(self) -> None:
        await self._redis.flushall()
        await self._redis.aclose()
