"""Who is present, while Redis, nodes and connections are in trouble."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import pytest
import redis

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import eventually, run
from tests.support.presence_nodes import (
    BRISK,
    CHANNEL,
    Node,
    ended,
    eventually_read,
    has,
    on_redis,
    settled,
    users,
)
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.redis import RedisBroker, rollcall
from tornado_realtime.brokers.redis.names import presence_topic
from tornado_realtime.brokers.redis.presence import RedisPresence
from tornado_realtime.brokers.redis.publisher import Ask
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub.roster import Joined, Left, News, Relisted, Roster
from tornado_realtime.members import Change, Member


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


def test_what_a_failover_lost_or_brought_back_is_put_right(make_redis: MakeServer) -> None:
    """As after one to a replica that lagged: somebody is missing, and somebody is there who left."""
    server = make_redis()
    server.start()
    admin: Any = redis.Redis(port=server.port)
    brokers = [on_redis(server.address, timing=BRISK) for _ in range(2)]

    async def scenario() -> None:
        one, two = [await Node(broker).start(CHANNEL) for broker in brokers]
        async with ended(one, two):
            one.store.put(CHANNEL, Member("ada"))
            one.store.put(CHANNEL, Member("bob"))
            await two.hears(("ada", 1), ("bob", 1))
            store = one.store
            assert isinstance(store, RedisPresence)
            old = [Member("bob", conns=0), Member("ghost")]
            lagging = rollcall.put(CHANNEL, store._name, old, until=2**52, step=2**40, kept=1000)
            await store._send(presence_topic(CHANNEL), lagging)
            assert await users(two) == {"ada": 1, "ghost": 1}
            admin.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await eventually(lambda: has(two, {"ada": 1, "bob": 1}))
            assert store._name.endswith((".2", ".3"))

    run(scenario(), *brokers)
    admin.close()


def test_what_was_said_before_a_loss_was_noticed_is_not_left_behind(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    brokers = [on_redis(server.address) for _ in range(2)]
    admin: Any = redis.Redis(port=server.port)

    async def scenario() -> None:
        one, two = [await Node(broker).start(CHANNEL) for broker in brokers]
        async with ended(one, two):
            one.store.put(CHANNEL, Member("ada"))
            await two.hears(("ada", 1))
            assert isinstance(one.store, RedisPresence)
            one.store._look_at = asyncio.get_running_loop().time() + 0.3
            admin.flushall()
            one.store.put(CHANNEL, Member("bob"))  # under a name that Redis does not know any more
            await two.hears(("bob", 1))
            await eventually(lambda: has(two, {"ada": 1, "bob": 1}))
            await eventually(lambda: one.broker.counters.leases_lost == 1)
            await eventually(lambda: has(two, {"ada": 1, "bob": 1}))
            one.store.put(CHANNEL, Member("bob", conns=0))
            await eventually(lambda: has(two, {"ada": 1}))

    run(scenario(), *brokers)
    admin.close()


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
            await eventually(lambda: has(two, {}, "another"))
            one.die()
            await two.hears(("ada", 0))
            await eventually(lambda: two.broker.counters.nodes_reaped == 1)

    run(scenario(), *brokers)


# -- what follows the lists --------------------------------------------------------------------------


class Follower(Node):
    """A node, and a client of it as it follows the list of one channel."""

    def __init__(self, broker: Broker, channel: str) -> None:
        super().__init__(broker)
        self.channel = channel
        self.roster = Roster(1000)
        self.told: set[str] = set()
        self.wrong: list[News] = []
        self.is_over = False
        self.reading: asyncio.Task[None] | None = None

    def changed(self, change: Change) -> None:
        self.hear(self.roster.apply(change))
        self.look()

    def unsure(self, channels: Collection[str]) -> None:
        self.roster.lose()
        self.look()

    def look(self) -> None:
        if not self.is_over and not self.roster.is_sure and self.reading is None:
            self.reading = asyncio.create_task(self.read())

    async def read(self) -> None:
        while not self.roster.is_sure:
            try:
                self.hear(self.roster.load(await self.store.read(self.channel, "", 1000)))
            except BrokerUnavailableError:
                await asyncio.sleep(0.05)
        self.reading = None

    def hear(self, news: list[News]) -> None:
        for each in news:
            match each:
                case Joined(member, count):
                    if member.user in self.told or count != len(self.told) + 1:
                        self.wrong.append(each)
                    self.told.add(member.user)
                case Left(user, count):
                    if user not in self.told or count != len(self.told) - 1:
                        self.wrong.append(each)
                    self.told.discard(user)
                case Relisted():
                    self.told = set(self.roster._members or ())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whoever_follows_hears_of_each_once_whatever_dies(make_redis: MakeServer, seed: int) -> None:
    """Nodes come and die, Redis loses everything, connections break, users move about."""
    server = make_redis()
    server.start()
    random = Random(seed)
    brokers: list[RedisBroker] = []
    admin: Any = redis.Redis(port=server.port)

    def more() -> RedisBroker:
        brokers.append(on_redis(server.address, timing=BRISK))
        return brokers[-1]

    async def closing() -> None:
        try:
            await scenario()
        finally:
            for broker in brokers:
                await broker.close()

    async def scenario() -> None:
        follower = Follower(more(), "wild")
        await follower.start("wild")
        follower.look()
        nodes = [await Node(more()).start() for _ in range(3)]
        async with ended(follower):
            here: list[dict[str, int]] = [{} for _ in nodes]
            for _ in range(150):
                at, user = random.randrange(3), f"u{random.randrange(6)}"
                match random.randrange(40):
                    case 0:
                        nodes[at].die()
                        # What it said last was said before Redis loses anything.
                        await eventually_read(nodes[at].store, "wild")
                        nodes[at], here[at] = await Node(more()).start(), {}
                    case 1:
                        admin.flushall()
                        await eventually(lambda: entered(follower, *nodes))
                    case 2:
                        admin.execute_command("CLIENT", "KILL", "TYPE", random.choice(["normal", "pubsub"]))
                    case _:
                        here[at][user] = conns = random.randrange(3)
                        nodes[at].store.put("wild", Member(user, conns=conns))
                await asyncio.sleep(0.005)
            present = {user for each in here for user, conns in each.items() if conns}
            await eventually(lambda: arrived(follower, present))
            assert follower.wrong == []
            follower.is_over = True
            if follower.reading is not None:
                follower.reading.cancel()
            for node in nodes:
                await node.store.close(0.0)

    def entered(*nodes: Node) -> bool:
        """Nobody has said something after a loss that it has not noticed, and might die now."""
        names = admin.zrange(rollcall.NODES, 0, -1)
        stores = [node.store for node in nodes]
        return all(
            isinstance(store, RedisPresence) and store._name.encode() in names and not store._old_names
            for store in stores
        )

    async def arrived(follower: Follower, present: set[str]) -> bool:
        # Who is missing for longer than nodes need to say that they are there is gone.
        if follower.roster.is_sure and set(await users(follower, "wild")) == present:
            follower.hear(follower.roster.settle())
        return follower.told == present

    run(closing())
    admin.close()
