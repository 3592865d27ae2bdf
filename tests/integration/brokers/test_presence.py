"""Who is present on all nodes: one suite for every store, and what only several nodes can do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from tests.support.broker_world import PATIENCE, eventually, run
from tests.support.presence_nodes import (
    CHANNEL,
    TRAITS,
    Node,
    ended,
    eventually_read,
    forgotten,
    has,
    on_redis,
    settled,
    users,
)
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.members import Member

Make = Callable[[], Broker]


@pytest.fixture(params=["memory", "redis", "redis-cluster", "redis-sentinel"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes brokers of every kind that know of one another, where they can."""
    if request.param == "memory":
        broker = MemoryBroker(TRAITS)
        return lambda: broker
    if request.param == "redis-cluster":
        cluster: RedisCluster = request.getfixturevalue("shared_cluster")
        return lambda: on_redis(cluster.address)
    if request.param == "redis-sentinel":
        group: Sentinels = request.getfixturevalue("shared_sentinels")
        return lambda: on_redis(group.address)
    server: RedisServer = request.getfixturevalue("shared_redis")
    return lambda: on_redis(server.address)


def test_what_is_said_is_told_and_can_be_read(make: Make) -> None:
    broker = make()

    async def scenario() -> None:
        node = await Node(broker).start(CHANNEL)
        async with ended(node):
            before = await eventually_read(node.store)
            assert (before.count, before.members) == (0, ())
            node.store.put(CHANNEL, Member("zoë", b'{"a b":1}'))
            node.store.put("elsewhere", Member("bob"))
            await node.hears(("zoë", 1))
            node.store.put(CHANNEL, Member("bob", conns=3))
            await node.hears(("bob", 3))
            roll = await eventually_read(node.store)
            assert roll.members == (Member("bob", conns=3), Member("zoë", b'{"a b":1}'))
            assert (roll.count, roll.more) == (2, False)
            page = await node.store.read(CHANNEL, "bob", 1)
            assert ([member.user for member in page.members], page.more) == (["zoë"], False)
            assert (await node.store.read(CHANNEL, "", 1)).more
            for user in ("zoë", "bob"):
                node.store.put(CHANNEL, Member(user, conns=0))
            node.store.put("elsewhere", Member("bob", conns=0))
            await node.hears(("zoë", 0), ("bob", 0))
            node.store.unwatch(CHANNEL)
            await eventually(lambda: has(node, {}, "elsewhere"))

    run(scenario(), broker)


def test_versions_follow_one_another(make: Make) -> None:
    broker = make()

    async def scenario() -> None:
        node = await Node(broker).start("versions")
        async with ended(node):
            for number in range(50):
                node.store.put("versions", Member(f"u{number % 7}", conns=1 + number % 3))
                await asyncio.sleep(0)
            last = {f"u{number % 7}": 1 + number % 3 for number in range(43, 50)}
            await eventually(lambda: settled(node, "versions", last))
            first = node.changes[0].version
            versions = [change.version for change in node.changes]
            assert versions == list(range(first, first + len(versions)))
            assert (await eventually_read(node.store, "versions")).version == versions[-1]

    run(scenario(), broker)


# -- several nodes -----------------------------------------------------------------------------------


def test_a_user_is_present_as_long_as_any_node_says_so(shared_redis: RedisServer) -> None:
    brokers = [on_redis(shared_redis.address) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start("both") for broker in brokers]
        async with ended(one, two):
            one.store.put("both", Member("ada", b"1"))
            await two.hears(("ada", 1))
            two.store.put("both", Member("ada", b"2", 2))
            await one.hears(("ada", 1), ("ada", 3))
            assert one.changes == [] and (await users(one, "both")) == {"ada": 3}
            one.store.put("both", Member("ada", conns=0))
            await two.hears(("ada", 3), ("ada", 2))
            roll = await eventually_read(one.store, "both")
            assert roll.members == (Member("ada", b"2", 2),)
            two.store.put("both", Member("ada", conns=0))
            await one.hears(("ada", 2), ("ada", 0))

    run(scenario(), *brokers)


@pytest.mark.parametrize("kind", ["redis", "redis-cluster"])
def test_the_members_of_a_node_that_dies_leave_once(kind: str, request: pytest.FixtureRequest) -> None:
    place = request.getfixturevalue("shared_cluster" if kind == "redis-cluster" else "shared_redis")
    brokers = [on_redis(place.address) for _ in range(3)]
    channels = [f"{kind} {number}" for number in range(5)]

    async def scenario() -> None:
        one, two, dead = [await Node(broker).start(*channels) for broker in brokers]
        async with ended(one, two, dead):
            for channel in channels:
                dead.store.put(channel, Member("ada"))
                dead.store.put(channel, Member("bob"))
                one.store.put(channel, Member("bob"))
            for node in (one, two):
                await eventually(lambda node=node: len(node.changes) == 15)
                node.changes.clear()
            dead.die()
            loop = asyncio.get_running_loop()
            begun = loop.time()
            for node in (one, two):
                await node.hears(*[("ada", 0), ("bob", 1)] * 5)
            # Which it is not sure that the machine allows; what is promised is the lease and a second.
            assert loop.time() - begun < PATIENCE
            await eventually(lambda: forgotten(one, dead))
            await asyncio.sleep(0.3)
            assert (one.changes, two.changes) == ([], [])
            assert sum(node.broker.counters.nodes_reaped for node in (one, two)) >= 1
            assert [await users(one, channel) for channel in channels] == [{"bob": 1}] * 5

    run(scenario(), *brokers)


def test_a_node_that_ends_in_order_leaves_its_members_a_moment(shared_redis: RedisServer) -> None:
    brokers = [on_redis(shared_redis.address, lease=60.0) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start("ends") for broker in brokers]
        async with ended(one, two):
            for user in ("ada", "bob"):
                one.store.put("ends", Member(user))
            await two.hears(("ada", 1), ("bob", 1))
            await one.store.close(0.3)
            assert await users(two, "ends") == {"ada": 1, "bob": 1}
            two.store.put("ends", Member("ada"))  # her client came to the other node
            await two.hears(("ada", 2), ("ada", 1), ("bob", 0))

    run(scenario(), *brokers)
