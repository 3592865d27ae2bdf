"""Channels with history on Redis: positions, history, keys, and what is kept."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from redis.asyncio import Redis
from redis.crc import key_slot

from tests.integration.brokers.conftest import MakeServer
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.redis import RedisBroker, Timing
from tornado_realtime.brokers.redis.names import stream_keys, topic_of
from tornado_realtime.channels import parse_pattern
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.publication import PLAIN, History, Position, Publication, Sender, Taken
from tornado_realtime.traits import Retention, Traits, TraitsTable

KEPT = Retention(entries=100, seconds=60.0, size_bytes=1_000_000)
BRISK = Timing(dial=1.0, backoff_base=0.02, backoff_cap=0.1, ping_every=0.5, ping_patience=0.5, canary=0.5)
NAMES = ["news", "chat.{x}.y", "a}b{c", "Zoé \U0001f389", "{}"]
Make = Callable[..., RedisBroker]


def table(retention: Retention = KEPT, plain: str = "plain.*") -> TraitsTable:
    """Every channel has history but those of one pattern."""
    rules = [(parse_pattern("*"), Traits(retention)), (parse_pattern(plain), Traits())]
    return TraitsTable(rules, Traits(retention))


@pytest.fixture(params=["single", "cluster", "sentinel"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes brokers on one Redis of each kind."""
    if request.param == "cluster":
        cluster: RedisCluster = request.getfixturevalue("shared_cluster")
        address = cluster.address
    elif request.param == "sentinel":
        group: Sentinels = request.getfixturevalue("shared_sentinels")
        address = group.address
    else:
        server: RedisServer = request.getfixturevalue("shared_redis")
        address = server.address

    def one(retention: Retention = KEPT, *, interop: bool = False) -> RedisBroker:
        return RedisBroker(address, traits=table(retention), timing=BRISK, interop=interop)

    return one


async def settled(broker: Broker, *channels: str) -> None:
    """Wait until the broker knows where the streams stand."""
    await eventually(lambda: broker.health.ready)
    await eventually(lambda: all(broker.position(channel) for channel in channels))


async def publish(broker: Broker, channel: str, *messages: str) -> list[Taken]:
    return [await broker.publish(Publication(channel, message.encode())) for message in messages]


def offsets(history: History) -> list[int]:
    return [item.position.offset for item in history.items if item.position]


def texts(history: History) -> list[str]:
    return [item.data.decode() for item in history.items]


@pytest.mark.parametrize("channel", NAMES)
def test_every_node_hears_positions_one_after_another_and_reads_them_again(make: Make, channel: str) -> None:
    one, two = make(), make()
    channel = f"{channel}.{one.node_id}"

    async def scenario() -> None:
        here, there = Collector(), Collector()
        await one.start(here)
        await two.start(there)
        one.subscribe(channel)
        two.subscribe(channel)
        await settled(one, channel)
        await settled(two, channel)
        begin = one.position(channel)
        assert begin is not None
        assert begin.offset == 0
        signed = Publication(channel, "Zoé".encode(), sender=Sender("u1", "c1"), exclude="c2")
        taken = [
            *await publish(one, channel, "a", "b"),
            await two.publish(signed),
        ]
        assert [each.position for each in taken] == [Position(begin.epoch, n) for n in (1, 2, 3)]
        got = await here.wait_for(3)
        assert got == await there.wait_for(3)
        assert [each.position for each in got] == [each.position for each in taken]
        assert got[2].sender == Sender("u1", "c1")
        assert got[2].exclude == "c2"
        history = await two.history(channel, begin, 10)
        assert history == History(Position(begin.epoch, 3), tuple(got))
        assert one.position(channel) == two.position(channel) == history.position

    run(scenario(), one, two)


def test_one_key_is_published_once_and_answered_twice(make: Make) -> None:
    one, two = make(), make()

    async def scenario() -> None:
        sink = Collector()
        await one.start(sink)
        await two.start(Collector())
        stream, plain = f"keyed.{one.node_id}", f"plain.a}}b.{one.node_id}"
        one.subscribe(stream)
        one.subscribe(plain)
        await settled(one, stream)
        await eventually(lambda: two.health.ready)
        first = await one.publish(Publication(stream, b"1"), "a:k")
        again = await two.publish(Publication(stream, b"other"), "a:k")
        assert (again.position, again.repeated) == (first.position, True)
        other = await two.publish(Publication(stream, b"2"), "a:l")
        assert other.position is not None
        assert other.position.offset == 2
        assert await one.publish(Publication(plain, b"3"), "a:k") == PLAIN
        assert await two.publish(Publication(plain, b"other"), "a:k") == Taken(repeated=True)
        await sink.wait_for(3)
        assert sink.data == [b"1", b"2", b"3"]

    run(scenario(), one, two)


def test_foreign_messages_come_live_without_a_position(make: Make, shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address, traits=table(), timing=BRISK)
    channel = f"foreign.{broker.node_id}"

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(channel)
        await settled(broker, channel)
        client = Redis.from_url(shared_redis.address)
        await client.publish(f"realtime:{channel}", "theirs")
        await sink.wait_for(1)
        assert sink.got == [Publication(channel, b"theirs")]
        assert not (await broker.history(channel, None, 10)).items
        await client.aclose()

    run(scenario(), broker)


def test_interop_publishes_a_copy_that_our_nodes_ignore(make: Make) -> None:
    speaking, silent = make(interop=True), make()
    channel = f"copied.{speaking.node_id}"

    async def scenario() -> None:
        here, there = Collector(), Collector()
        await speaking.start(here)
        await silent.start(there)
        for broker in (speaking, silent):
            broker.subscribe(channel)
            await settled(broker, channel)
        numbers = [str(number) for number in range(20)]
        await asyncio.gather(
            publish(speaking, channel, *numbers[:10]), publish(speaking, channel, *numbers[10:])
        )
        await publish(silent, channel, "end")
        assert await here.wait_for(21) == await there.wait_for(21)
        assert all(each.position for each in here.got)

    run(scenario(), speaking, silent)


def test_the_copy_is_what_others_understand(shared_redis: RedisServer) -> None:
    broker = RedisBroker(shared_redis.address, traits=table(), timing=BRISK, interop=True)
    channel = f"copy.{broker.node_id}"

    async def scenario() -> None:
        client = Redis.from_url(shared_redis.address)
        pubsub = client.pubsub(ignore_subscribe_messages=True)
        await pubsub.psubscribe("realtime:*")
        await pubsub.get_message(timeout=5)
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        await broker.publish(Publication(channel, b"hello", sender=Sender("u1", "c1")))
        async with asyncio.timeout(5):
            while (message := await pubsub.get_message(timeout=1)) is None:
                pass
        assert (message["channel"], message["data"]) == (topic_of(channel), b"hello")
        await pubsub.aclose()  # type: ignore[no-untyped-call]
        await client.aclose()

    run(scenario(), broker)


def test_in_a_cluster_the_copy_is_heard_on_every_node_and_not_by_ours(shared_cluster: RedisCluster) -> None:
    broker = RedisBroker(shared_cluster.address, traits=table(), timing=BRISK, interop=True)
    channel = f"everywhere.{broker.node_id}"

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(channel)
        await settled(broker, channel)
        clients = [Redis(port=node.server.port) for node in shared_cluster.nodes]
        listening = [client.pubsub(ignore_subscribe_messages=True) for client in clients]
        for pubsub in listening:
            await pubsub.subscribe(topic_of(channel))
            await pubsub.get_message(timeout=5)
        await publish(broker, channel, "1")
        shared_cluster.ask(
            shared_cluster.owner(key_slot(topic_of(channel))), "SPUBLISH", f"realtime:{channel}", "2"
        )
        await sink.wait_for(2)  # what others send is no copy, even behind one that we do not hear
        assert sorted(sink.data) == [b"1", b"2"]
        for pubsub in listening:
            async with asyncio.timeout(5):
                while (message := await pubsub.get_message(timeout=1)) is None:
                    pass
            assert message["data"] == b"1"
            await pubsub.aclose()  # type: ignore[no-untyped-call]
        for client in clients:
            await client.aclose()

    run(scenario(), broker)


def test_a_refused_publication_leaves_no_trace(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()

    async def scenario() -> None:
        client = Redis.from_url(server.address)
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await settled(broker, "news")
        taken = await publish(broker, "news", "one")

        await client.config_set("maxmemory", "1")
        with pytest.raises(BrokerUnavailableError, match="maxmemory") as full:
            await publish(broker, "news", "full")
        await client.config_set("maxmemory", "0")
        await client.execute_command("ACL", "SETUSER", "default", "resetchannels", "&realtime:*")  # type: ignore[no-untyped-call]
        with pytest.raises(BrokerUnavailableError, match=r"(?i)permission|channel") as refused:
            await publish(broker, "news", "forbidden")
        await client.execute_command("ACL", "SETUSER", "default", "allchannels")  # type: ignore[no-untyped-call]
        assert full.value.outcome == refused.value.outcome == "rejected"

        await settled(broker, "news")
        taken += await publish(broker, "news", "two")
        epoch = taken[0].position
        assert epoch is not None
        assert [each.position for each in taken] == [epoch, Position(epoch.epoch, 2)]
        await sink.wait_for(2)
        assert texts(await broker.history("news", None, 10)) == ["one", "two"]
        assert await client.xlen(stream_keys("news")[0]) == 2
        await client.aclose()

    broker = RedisBroker(server.address, traits=table(), timing=BRISK)
    run(scenario(), broker)


def test_a_redis_that_forgot_the_scripts_is_told_them_again(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    broker = RedisBroker(server.address, traits=table(), timing=BRISK)

    async def scenario() -> None:
        client = Redis.from_url(server.address)
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await settled(broker, "news")
        await client.script_flush()
        outcomes: list[str] = []

        async def published() -> bool:
            try:
                await publish(broker, "news", "again")
            except BrokerUnavailableError as error:
                outcomes.append(error.outcome)
                return False
            return True

        await eventually(published)
        assert set(outcomes) == {"rejected"}
        await sink.wait_for(1)
        await client.script_flush()
        with pytest.raises(BrokerUnavailableError):
            await broker.history("news", None, 10)

        async def read() -> bool:
            with suppress(BrokerUnavailableError):
                return texts(await broker.history("news", None, 10)) == ["again"]
            return False

        await eventually(read)
        await client.aclose()

    run(scenario(), broker)


DEPLOYMENT = Path(__file__).resolve().parents[3] / "docs" / "deployment.md"


def test_the_rights_that_the_documentation_names_are_enough(make_redis: MakeServer) -> None:
    paragraph = re.search(
        r"A Redis user with rights for certain names.*?\n\n", DEPLOYMENT.read_text(), re.DOTALL
    )
    assert paragraph is not None
    commands = re.findall(r"\b[A-Z]{3,}(?: LOAD)?\b", paragraph[0])
    rights = [f"+{command.lower().replace(' ', '|')}" for command in commands]
    assert {"+publish", "+evalsha", "+script|load", "+xadd"} < set(rights)
    server = make_redis()
    server.start()
    address = server.address.replace("redis://", "redis://node:pw@")

    async def scenario() -> None:
        client = Redis.from_url(server.address)
        names = ["resetkeys", "~realtime2:*", "resetchannels", "&realtime:*", "&realtime2:*"]
        await client.execute_command("ACL", "SETUSER", "node", "on", ">pw", *names, "-@all", *rights)  # type: ignore[no-untyped-call]
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        broker.subscribe("plain.news")
        await settled(broker, "news")
        few = Publication("news", b"1")
        await broker.publish(few, "a:k")
        assert (await broker.publish(few, "a:k")).repeated
        await publish(broker, "news", "2", "3")  # the first of them goes
        await broker.publish(Publication("plain.news", b"4"), "a:k")
        await sink.wait_for(4)
        assert texts(await broker.history("news", None, 10)) == ["2", "3"]
        assert texts(await broker.history("news", None, 10, reverse=True)) == ["3", "2"]
        await client.execute_command("ACL", "SETUSER", "node", "resetchannels", "&realtime:*")  # type: ignore[no-untyped-call]
        with pytest.raises(BrokerUnavailableError):
            await publish(broker, "news", "5")
        assert {entry["reason"] for entry in await client.acl_log()} == {"channel"}
        await client.aclose()

    two = Retention(entries=2, seconds=60.0, size_bytes=1000)
    broker = RedisBroker(address, traits=table(two), timing=BRISK, interop=True, replicas=0)
    run(scenario(), broker)


def test_an_answer_is_bounded_in_bytes(shared_redis: RedisServer) -> None:
    large = Retention(entries=1000, seconds=60.0, size_bytes=50_000_000)
    broker = RedisBroker(shared_redis.address, traits=table(large), timing=BRISK, answer_bytes=1_000_000)
    channel = f"large.{broker.node_id}"

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        await publish(broker, channel, *["x" * 100_000] * 30)
        found = await broker.history(channel, None, 1000)
        assert found.more
        assert 10 <= len(found.items) <= 13
        assert offsets(found) == list(range(1, len(found.items) + 1))

    run(scenario(), broker)


def test_rights_that_are_missing_in_the_middle_of_a_step_leave_no_half_of_it(make_redis: MakeServer) -> None:
    server = make_redis()
    server.start()
    commands = ["hmget", "hset", "del", "time", "xadd", "xlen", "xrange", "xtrim", "pexpire", "get", "set"]

    async def scenario() -> None:
        client = Redis.from_url(server.address)

        async def set_rights(*rights: str) -> None:
            await client.execute_command("ACL", "SETUSER", "default", *rights)  # type: ignore[no-untyped-call]

        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await settled(broker, "news")
        accepted: list[str] = []

        async def attempt(text: str) -> bool:
            try:
                taken = await broker.publish(Publication("news", text.encode()), f"a:{text}")
            except BrokerUnavailableError as error:
                assert error.outcome == "rejected"
                return False
            accepted.append(text)
            assert taken.position is not None
            assert taken.position.offset == len(accepted)
            return True

        for command in commands:
            await set_rights(f"-{command}")
            await attempt(f"without {command}")
            await set_rights(f"+{command}")
            assert await attempt(f"with {command}")
        for command in ("xdel", "xlen", "xsetid"):  # which undo it
            await set_rights(f"-{command}", "resetchannels", "&realtime:*")
            assert not await attempt(f"undone without {command}")
            await set_rights(f"+{command}", "allchannels")
            await eventually(lambda: broker.health.ready)
            assert await attempt(f"again with {command}")
        await sink.wait_for(len(accepted))
        assert sink.data == [text.encode() for text in accepted]
        assert sink.gaps == []
        found = await broker.history("news", None, 100)
        assert texts(found) == accepted[-len(found.items) :]
        assert found.position.offset == len(accepted)
        await client.aclose()

    broker = RedisBroker(server.address, traits=table(), timing=BRISK)
    run(scenario(), broker)
