"""Nodes that know who is present, and what each is told, without clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager

from tests.support.broker_world import PATIENCE, Collector, eventually
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.presence import PresenceStore
from tornado_realtime.brokers.redis import RedisBroker, Timing, rollcall
from tornado_realtime.brokers.redis.presence import RedisPresence
from tornado_realtime.channels import parse_pattern
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.members import Change, Roll
from tornado_realtime.traits import Traits, TraitsTable

TRAITS = TraitsTable([(parse_pattern("*"), Traits(presence=10))])
BRISK = Timing(dial=0.5, ping_every=0.2, ping_patience=0.3, backoff_base=0.05, backoff_cap=0.2, stable=1.0)
LEASE = 1.0
CHANNEL = "a room {of} ones own"


class Node:
    """A broker, and what is told of who is present."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.store = broker.presence
        self.changes: list[Change] = []
        self.doubts = 0

    async def start(self, *channels: str) -> Node:
        await self.broker.start(Collector())
        await self.store.start(self)
        for channel in channels:
            self.store.watch(channel)
            await eventually_read(self.store, channel)
        return self

    def changed(self, change: Change) -> None:
        self.changes.append(change)

    def unsure(self, channels: Collection[str]) -> None:
        self.doubts += 1

    @property
    def news(self) -> list[tuple[str, int]]:
        """Users, and with how many connections they are present."""
        return [(change.member.user, change.member.conns) for change in self.changes]

    async def hears(self, *news: tuple[str, int]) -> None:
        """Exactly this was told, in any order between users."""
        await eventually(lambda: len(self.changes) >= len(news))
        assert sorted(self.news) == sorted(news)
        self.changes.clear()

    def die(self) -> None:
        """As after kill -9: nothing is said any more, not even a farewell."""
        assert isinstance(self.store, RedisPresence)
        for task in (self.store._task, *self.store._reaping.values()):
            assert task is not None
            task.cancel()
        self.store._task = None


async def eventually_read(store: PresenceStore, channel: str = CHANNEL, limit: int = 100) -> Roll:
    """What is read as soon as the nodes can be asked."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await store.read(channel, "", limit)
            except BrokerUnavailableError:
                await asyncio.sleep(0.01)


async def users(node: Node, channel: str = CHANNEL) -> dict[str, int]:
    roll = await eventually_read(node.store, channel)
    return {member.user: member.conns for member in roll.members}


def on_redis(address: str, lease: float = LEASE, timing: Timing | None = None) -> RedisBroker:
    return RedisBroker(address, traits=TRAITS, presence_lease=lease, timing=timing)


@asynccontextmanager
async def ended(*nodes: Node) -> AsyncIterator[None]:
    """Whatever happens, the stores are closed before their brokers."""
    try:
        yield
    finally:
        for node in nodes:
            await node.store.close(0.0)


async def forgotten(one: Node, dead: Node) -> bool:
    """Nothing of a node's leases is left."""
    store = one.store
    assert isinstance(store, RedisPresence) and isinstance(dead.store, RedisPresence)
    names = await store._send(rollcall.NODES, lambda parcel, server: (b"ZRANGE", rollcall.NODES, b"0", b"-1"))
    assert isinstance(names, list)
    return dead.store._name.encode() not in names


async def has(node: Node, expected: dict[str, int], channel: str = CHANNEL) -> bool:
    """Whether these are present."""
    return await users(node, channel) == expected


async def settled(node: Node, channel: str, last: dict[str, int]) -> bool:
    """All was said, and all of it was heard."""
    roll = await eventually_read(node.store, channel)
    known = {member.user: member.conns for member in roll.members}
    heard = node.changes[-1].version if node.changes else 0
    return known == last and heard == roll.version
