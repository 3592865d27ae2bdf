"""What every broker keeps of streams, and how it answers; each Redis and the memory of one process alike."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.integration.brokers.test_redis_streams import BRISK, KEPT, publish, settled, table, texts
from tests.support.broker_world import Collector, eventually, run
from tests.support.redis_cluster import RedisCluster
from tests.support.redis_sentinels import Sentinels
from tests.support.redis_server import RedisServer
from tornado_realtime.brokers.base import Broker
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.brokers.redis import RedisBroker
from tornado_realtime.publication import PLAIN, History, Last, Position, Publication, Sender, Taken
from tornado_realtime.traits import Retention

Make = Callable[..., Broker]


@pytest.fixture(params=["memory", "redis", "redis-cluster", "redis-sentinel"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes brokers of each kind."""
    address = ""
    if request.param == "redis-cluster":
        cluster: RedisCluster = request.getfixturevalue("shared_cluster")
        address = cluster.address
    elif request.param == "redis-sentinel":
        group: Sentinels = request.getfixturevalue("shared_sentinels")
        address = group.address
    elif request.param == "redis":
        server: RedisServer = request.getfixturevalue("shared_redis")
        address = server.address

    def one(retention: Retention = KEPT) -> Broker:
        if not address:
            return MemoryBroker(table(retention))
        return RedisBroker(address, traits=table(retention), timing=BRISK)

    return one


def test_deliveries_have_positions_and_can_be_read_again(make: Make) -> None:
    broker = make()
    channel = f"read.{broker.node_id}"

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        assert broker.position(channel) is None
        broker.subscribe(channel)
        await settled(broker, channel)
        begin = broker.position(channel)
        assert begin is not None
        signed = Publication(channel, b"c", sender=Sender("u1", "c1"), exclude="c2")
        taken = [*await publish(broker, channel, "a", "b"), await broker.publish(signed)]
        assert [each.position for each in taken] == [Position(begin.epoch, number) for number in (1, 2, 3)]
        got = await sink.wait_for(3)
        assert [each.position for each in got] == [each.position for each in taken]
        assert (got[2].sender, got[2].exclude) == (Sender("u1", "c1"), "c2")
        assert await broker.history(channel, begin, 10) == History(Position(begin.epoch, 3), tuple(got))
        assert broker.position(channel) == Position(begin.epoch, 3)
        assert broker.history_now(channel, Position(begin.epoch, 3), 10) == History(Position(begin.epoch, 3))
        broker.unsubscribe(channel)
        assert broker.position(channel) is None

    run(scenario(), broker)


def test_one_key_is_published_once(make: Make) -> None:
    broker = make()
    stream, plain = f"keyed.{broker.node_id}", f"plain.{broker.node_id}"

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe(stream)
        broker.subscribe(plain)
        await settled(broker, stream)
        first = await broker.publish(Publication(stream, b"1"), "a:k")
        assert await broker.publish(Publication(stream, b"x"), "a:k") == Taken(first.position, repeated=True)
        assert not (await broker.publish(Publication(stream, b"2"), "a:l")).repeated
        assert await broker.publish(Publication(plain, b"3"), "a:k") == PLAIN
        assert await broker.publish(Publication(plain, b"x"), "a:k") == Taken(repeated=True)
        await sink.wait_for(3)
        assert sink.data == [b"1", b"2", b"3"]

    run(scenario(), broker)


def test_what_a_subscriber_gets_begins_where_it_subscribed(make: Make) -> None:
    broker = make()
    channel = f"late.{broker.node_id}"

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        await eventually(lambda: broker.health.ready)
        await publish(broker, channel, "before")
        broker.subscribe(channel)
        await publish(broker, channel, "after")  # it waits until the way back is there
        await sink.wait_for(1)
        assert sink.data == [b"after"]

    run(scenario(), broker)


def test_history_in_all_its_forms(make: Make) -> None:
    broker = make()
    channel = f"past.{broker.node_id}"

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        start = (await broker.history(channel, None, 0)).position
        assert start.offset == 0
        await publish(broker, channel, *"abcdefgh")
        head = Position(start.epoch, 8)

        async def read(since: Position | Last | None, limit: int = 100, *, reverse: bool = False) -> History:
            return await broker.history(channel, since, limit, reverse=reverse)

        assert texts(await read(None)) == list("abcdefgh")
        assert texts(await read(None, reverse=True)) == list("hgfedcba")
        assert await read(None, 0) == History(head, more=True)
        first = await read(start, 3)
        assert (texts(first), first.more, first.position) == (["a", "b", "c"], True, head)
        rest = await read(Position(start.epoch, 3))
        assert (texts(rest), rest.more, rest.recovered) == (list("defgh"), False, True)
        assert texts(await read(Last(2))) == ["g", "h"]
        assert texts(await read(Last(2), reverse=True)) == ["h", "g"]
        assert texts(await read(Last(50))) == list("abcdefgh")
        assert texts(await read(Position(start.epoch, 4), 2, reverse=True)) == ["c", "b"]
        assert await read(head) == History(head)
        for strange in (Position("other", 3), Position(start.epoch, 9), Position("x y", 1), Position("", 0)):
            assert (
                await read(strange) == History(head, recovered=False, more=False)
                or not (await read(strange)).recovered
            )
        assert all(item.time for item in first.items)

    run(scenario(), broker)


def test_what_is_kept_is_bounded_in_entries_bytes_and_age(make: Make) -> None:
    few = make(Retention(entries=3, seconds=60.0, size_bytes=1_000_000))
    small = make(Retention(entries=100, seconds=60.0, size_bytes=10))
    short = make(Retention(entries=100, seconds=0.2, size_bytes=1_000_000))
    name = few.node_id

    async def scenario() -> None:
        for broker in (few, small, short):
            await broker.start(Collector())
            await eventually(lambda broker=broker: broker.health.ready)
        begin = (await few.history(f"few.{name}", None, 0)).position
        await publish(few, f"few.{name}", *"abcde")
        assert texts(await few.history(f"few.{name}", None, 100)) == ["c", "d", "e"]
        lost = await few.history(f"few.{name}", begin, 100)
        assert (lost.recovered, lost.items, lost.position.offset) == (False, (), 5)
        assert (await few.history(f"few.{name}", Position(begin.epoch, 2), 100)).recovered
        await publish(small, f"small.{name}", "aaaa", "bbbb", "cccc", "x" * 50)
        assert texts(await small.history(f"small.{name}", None, 100)) == []  # it does not fit at all
        await publish(small, f"small.{name}", "dddd", "eeee")
        assert texts(await small.history(f"small.{name}", None, 100)) == ["dddd", "eeee"]
        taken = await publish(short, f"short.{name}", "a", "b")
        old = taken[0].position
        assert old is not None

        async def nothing_is_handed_out() -> bool:
            return not (await short.history(f"short.{name}", None, 100)).items

        await eventually(nothing_is_handed_out)
        assert not (await short.history(f"short.{name}", old, 100)).recovered
        await publish(short, f"short.{name}", "c")
        history = await short.history(f"short.{name}", Position(old.epoch, 2), 100)
        assert (texts(history), history.position) == (["c"], Position(old.epoch, 3))

    run(scenario(), few, small, short)


def test_a_history_is_read_whole_as_far_as_an_answer_goes(make: Make) -> None:
    """Redis hands it out in pages; the limit and the bytes of an answer hold for all of them together."""
    broker = make(Retention(entries=1000, seconds=60.0, size_bytes=50_000_000))
    channel = f"long.{broker.node_id}"
    messages = [f"{number:05}" + "x" * 9_995 for number in range(90)]

    async def scenario() -> None:
        await broker.start(Collector())
        await eventually(lambda: broker.health.ready)
        start = (await broker.history(channel, None, 0)).position
        await publish(broker, channel, *messages)
        head = Position(start.epoch, 90)
        every = await broker.history(channel, start, 1000)
        assert (texts(every), every.more, every.position) == (messages, False, head)
        most = await broker.history(channel, start, 89)
        assert (texts(most), most.more) == (messages[:89], True)
        last = await broker.history(channel, Last(80), 1000)
        assert (texts(last), last.more) == (messages[10:], False)
        back = await broker.history(channel, None, 85, reverse=True)
        assert (texts(back), back.more) == (messages[:4:-1], True)
        before = await broker.history(channel, Position(start.epoch, 61), 1000, reverse=True)
        assert (texts(before), before.more) == (messages[59::-1], False)

    run(scenario(), broker)
