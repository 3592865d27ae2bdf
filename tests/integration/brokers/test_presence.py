"""Who is present on all nodes: one suite for every store, and what only several nodes can do."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import PATIENCE, Collector, eventually, run
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.brokers.redis import RedisBroker, Timing
from tornado_realtime.brokers.redis.names import presence_topic
from tornado_realtime.brokers.redis.presence import RedisPresence
from tornado_realtime.brokers.redis.publisher import Ask
from tornado_realtime.channels import parse_pattern
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.members import Change, Member, Roll
from tornado_realtime.traits import Traits, TraitsTable

TRAITS = TraitsTable([(parse_pattern("*"), Traits(presence=10))])
BRISK = Timing(dial=0.5, ping_every=0.2, ping_patience=0.3, backoff_base=0.05, backoff_cap=0.2, stable=1.0)
LEASE = 1.0
CHANNEL = "a room {of} ones own"

Make = Callable[[], Broker]


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


async def eventually_read(store: object, channel: str = CHANNEL, limit: int = 100) -> Roll:
    """What is read as soon as the nodes can be asked."""
    assert isinstance(store, RedisPresence | object)
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await store.read(channel, "", limit)  # type: ignore[attr-defined,no-any-return]
            except BrokerUnavailableError:
                await asyncio.sleep(0.01)


async def users(node: Node, channel: str = CHANNEL) -> dict[str, int]:
    roll = await eventually_read(node.store, channel)
    return {member.user: member.conns for member in roll.members}


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
            await eventually(lambda: is_empty(node, "elsewhere"))

    run(scenario(), broker)


async def is_empty(node: Node, channel: str) -> bool:
    return not await users(node, channel)


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


async def settled(node: Node, channel: str, last: dict[str, int]) -> bool:
    """All was said, and all of it was heard."""
    roll = await eventually_read(node.store, channel)
    known = {member.user: member.conns for member in roll.members}
    return known == last and node.changes[-1].version == roll.version


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


async def forgotten(one: Node, dead: Node) -> bool:
    """Nothing of a node's leases is left."""
    from tornado_realtime.brokers.redis import rollcall

    store = one.store
    assert isinstance(store, RedisPresence) and isinstance(dead.store, RedisPresence)
    names = await store._send(rollcall.NODES, lambda parcel, server: (b"ZRANGE", rollcall.NODES, b"0", b"-1"))
    assert isinstance(names, list)
    return dead.store._name.encode() not in names


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


# -- Redis in trouble --------------------------------------------------------------------------------


def test_after_a_flush_everybody_is_there_again(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    brokers = [on_redis(server.address) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start(CHANNEL) for broker in brokers]
        async with ended(one, two):
            one.store.put(CHANNEL, Member("ada"))
            two.store.put(CHANNEL, Member("bob", conns=2))
            await eventually(lambda: len(one.changes) == len(two.changes) == 2)
            assert isinstance(one.store, RedisPresence)
            await one.store._send(presence_topic(CHANNEL), lambda parcel, server: (b"FLUSHALL",))
            assert await users(one) == {}
            await eventually(lambda: has(one, {"ada": 1, "bob": 2}))
            lost = [node.broker.counters.leases_lost for node in (one, two)]
            assert lost == [1, 1]

    run(scenario(), *brokers)


async def has(node: Node, expected: dict[str, int]) -> bool:
    return await users(node) == expected


def test_what_happens_while_redis_is_away_is_said_when_it_is_back(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    brokers = [on_redis(server.address, timing=BRISK) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start(CHANNEL) for broker in brokers]
        async with ended(one, two):
            one.store.put(CHANNEL, Member("ada"))
            one.store.put(CHANNEL, Member("cid"))
            await two.hears(("ada", 1), ("cid", 1))
            server.kill()
            await eventually(lambda: not one.broker.health.ready)
            with pytest.raises(BrokerUnavailableError):
                await one.store.read(CHANNEL, "", 10)
            one.store.put(CHANNEL, Member("cid", conns=0))
            two.store.put(CHANNEL, Member("bob"))
            doubts = two.doubts
            assert doubts > 0
            server.start()
            await eventually(lambda: has(two, {"ada": 1, "bob": 1}))
            await eventually(lambda: two.doubts > doubts)

    run(scenario(), *brokers)


def test_a_node_that_stood_still_enters_again(shared_redis: RedisServer) -> None:
    """As after SIGSTOP and SIGCONT: meanwhile the others took its members for gone."""
    brokers = [on_redis(shared_redis.address) for _ in range(2)]

    async def scenario() -> None:
        still, other = [await Node(broker).start("still") for broker in brokers]
        async with ended(still, other):
            still.store.put("still", Member("ada"))
            await other.hears(("ada", 1))
            assert isinstance(still.store, RedisPresence)
            name = still.store._name
            still.store._look_at = asyncio.get_running_loop().time() + 3600.0
            await other.hears(("ada", 0))
            # It does not know yet; what it says under its old name does not count.
            still.store.put("still", Member("bob"))
            await other.hears(("ada", 1), ("bob", 1))
            assert still.store._name != name
            assert still.broker.counters.leases_lost == 1

    run(scenario(), *brokers)


def test_thousands_are_said_in_few_steps(shared_redis: RedisServer) -> None:
    brokers = [on_redis(shared_redis.address, lease=60.0) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start("thousands") for broker in brokers]
        async with ended(one, two):
            for number in range(2_000):
                one.store.put("thousands", Member(f"u{number}"))
            await eventually(lambda: len(two.changes) == 2_000)
            assert isinstance(one.store, RedisPresence)
            assert next(one.store._steps) <= 2_000 / 100 + 5
            roll = await eventually_read(two.store, "thousands", 10)
            assert (roll.count, len(roll.members), roll.more) == (2_000, 10, True)

    run(scenario(), *brokers)


def test_whatever_fails_is_said_again(shared_redis: RedisServer) -> None:
    """Every third step fails, before Redis got it or after it did it."""
    brokers = [on_redis(shared_redis.address) for _ in range(2)]
    random = Random(7)

    async def scenario() -> None:
        one, two = [await Node(broker).start("fails") for broker in brokers]
        assert isinstance(one.store, RedisPresence)
        send = one.store._send

        async def unreliable(topic: bytes, ask: Ask) -> object:
            fate = random.randrange(6)
            if fate == 0:
                raise BrokerUnavailableError("it fails")
            reply = await send(topic, ask)
            if fate == 1:
                raise BrokerUnavailableError("it fails", outcome="unknown")
            return reply

        one.store._send = unreliable
        async with ended(one, two):
            last: dict[str, int] = {}
            for _ in range(200):
                user, conns = f"u{random.randrange(5)}", random.randrange(3)
                one.store.put("fails", Member(user, conns=conns))
                last[user] = conns
                await asyncio.sleep(0.002)
            one.store._send = send
            expected = {user: conns for user, conns in last.items() if conns}
            await eventually(lambda: settled(two, "fails", expected))
            # Nobody leaves who is not there.
            for user in last:
                told = [bool(conns) for name, conns in two.news if name == user]
                assert all(was or is_there for was, is_there in pairwise([False, *told]))

    run(scenario(), *brokers)


def test_the_rights_that_the_documentation_names_are_enough(make_redis: MakeServer) -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "deployment.md").read_text(encoding="utf-8")
    named = re.search(r"for presence the same names, and (.*?)\.\n", page, re.DOTALL)
    assert named is not None
    commands = re.findall(r"[A-Z]{3,}", named[1])
    server = make_redis()
    server.start()
    admin: Any = redis.Redis(port=server.port)
    rights = [f"+{command.lower()}" for command in ("publish", "subscribe", "unsubscribe", "ping", *commands)]
    names = ["&realtime:*", "&realtime2:*", "~realtime2:*"]
    admin.execute_command("ACL", "SETUSER", "node", "on", ">pw", "-@all", *names, *rights)
    admin.close()
    address = server.address.replace("redis://", "redis://node:pw@")
    brokers = [on_redis(address) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start(CHANNEL) for broker in brokers]
        async with ended(one, two):
            one.store.put(CHANNEL, Member("ada"))
            one.store.put("another", Member("ada"))
            await two.hears(("ada", 1))
            one.store.put("another", Member("ada", conns=0))
            await eventually(lambda: is_empty(two, "another"))
            one.die()
            await two.hears(("ada", 0))
            await eventually(lambda: two.broker.counters.nodes_reaped == 1)

    run(scenario(), *brokers)
