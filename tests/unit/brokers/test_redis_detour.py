from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis.crc import key_slot

from tests.unit.brokers.fake_line import FakeLine
from tornado_realtime.brokers.redis.address import parse_address
from tornado_realtime.brokers.redis.cluster import Cluster
from tornado_realtime.brokers.redis.cluster.detour import Detour
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.brokers.redis.publisher import QUEUE_BYTES, Parcel
from tornado_realtime.brokers.redis.shard import Ends
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.metrics import BrokerCounters


def in_loop(check: Callable[[], None]) -> None:
    async def scenario() -> None:
        check()

    asyncio.run(scenario())


def parcel(topic: bytes, data: bytes = b"x", *, sent: bool = False) -> Parcel:
    return Parcel(topic, data, asyncio.get_running_loop().create_future(), sent=sent)


def test_only_the_slots_of_what_came_back_are_kept() -> None:
    def check() -> None:
        detour = Detour()
        assert not detour.takes(parcel(b"{a}1"))
        detour.take_back(parcel(b"{a}1", sent=True))
        assert detour.takes(parcel(b"{a}2"))
        assert not detour.takes(parcel(b"{b}1"))

    in_loop(check)


def test_what_comes_back_late_goes_before_what_was_published_since() -> None:
    def check() -> None:
        detour = Detour()
        first, second, third, fourth = (parcel(b"{a}%d" % n, sent=n < 2) for n in range(4))
        detour.take_back(first)
        assert detour.takes(third)
        detour.take_back(second)
        assert detour.takes(fourth)
        assert detour.release(lambda slot: slot == key_slot(b"{a}")) == [first, second, third, fourth]
        assert not detour.takes(parcel(b"{a}5"))
        assert not first.sent

    in_loop(check)


def test_a_slot_that_may_not_go_stays() -> None:
    def check() -> None:
        detour = Detour()
        kept, gone = parcel(b"a", sent=True), parcel(b"b", sent=True)
        detour.take_back(kept)
        detour.take_back(gone)
        assert detour.release(lambda slot: slot != key_slot(b"a")) == [gone]
        assert detour.release(lambda _: True) == [kept]

    in_loop(check)


def test_what_is_kept_is_bounded() -> None:
    def check() -> None:
        detour = Detour()
        first, second, third = parcel(b"a", b"x" * QUEUE_BYTES), parcel(b"a"), parcel(b"a")
        detour.take_back(first)
        assert detour.takes(second)
        assert isinstance(second.taken.exception(), BrokerUnavailableError)
        assert detour.release(lambda _: True) == [first]
        detour.take_back(third)
        assert not third.taken.done()

    in_loop(check)


def test_failing_says_that_nobody_got_it() -> None:
    def check() -> None:
        detour = Detour()
        back = parcel(b"a", sent=True)
        detour.take_back(back)
        detour.fail(BrokerUnavailableError("over"))
        error = back.taken.exception()
        assert isinstance(error, BrokerUnavailableError)
        assert error.outcome == "rejected"
        assert not detour.takes(parcel(b"a"))

    in_loop(check)


def test_what_came_back_goes_before_what_waited_for_its_subscription() -> None:
    """The subscription may be lost before the answers to what was published under it are in."""

    async def scenario() -> None:
        ends = Ends(lambda channel, data: None, lambda gap: None, b"probe", BrokerCounters())
        cluster = Cluster(parse_address("redis-cluster://h"), {}, ends, Timing())
        topic = topic_of("news")
        shard = cluster.shard(topic)
        shard.publisher.begin(FakeLine())
        shard.subscriber.begin(FakeLine())
        cluster.add("news")
        first, second, third = (parcel(topic, b"%d" % number) for number in range(3))
        cluster.hand_in(second)
        assert not shard.subscriber.hears(topic)
        cluster._sent_back(first)
        cluster.hand_in(third)
        assert cluster._detour.release(lambda _: True) == [first, second, third]
        await cluster.close(BrokerClosedError("over"))

    asyncio.run(scenario())
