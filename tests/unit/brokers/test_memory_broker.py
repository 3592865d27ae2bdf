from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.broker_world import Collector
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.channels import parse_pattern
from tornado_realtime.errors import BrokerClosedError, BrokerUnavailableError
from tornado_realtime.publication import PLAIN, History, Last, Position, Publication, Taken
from tornado_realtime.traits import Retention, Traits, TraitsTable


def test_publish_reaches_the_sink_before_it_returns() -> None:
    sink = Collector()

    async def scenario() -> None:
        broker = MemoryBroker()
        await broker.start(sink)
        broker.subscribe("news")
        publication = Publication("news", b"hello")
        assert await broker.publish(publication) == PLAIN
        assert sink.got == [publication]

    asyncio.run(scenario())


def test_concurrent_publishers_keep_their_order() -> None:
    sink = Collector()

    async def scenario() -> None:
        broker = MemoryBroker()
        await broker.start(sink)
        broker.subscribe("news")
        await asyncio.gather(*(broker.publish(Publication("news", b"%d" % n)) for n in range(100)))

    asyncio.run(scenario())
    assert sink.data == [b"%d" % n for n in range(100)]


def test_a_closed_broker_cannot_be_started_again() -> None:
    async def scenario() -> None:
        broker = MemoryBroker()
        await broker.close()
        with pytest.raises(BrokerClosedError):
            await broker.start(Collector())

    asyncio.run(scenario())


def test_a_failing_sink_is_logged_without_the_message(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Collector):
        def deliver(self, publication: Publication) -> None:
            raise RuntimeError("sink bug")

    async def scenario() -> None:
        broker = MemoryBroker()
        await broker.start(Failing())
        broker.subscribe("news")
        await broker.publish(Publication("news", b"private words"))

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert "the sink failed on channel 'news'" in caplog.text
    assert "private words" not in caplog.text


STREAMS = TraitsTable([(parse_pattern("news"), Traits(Retention(10, 60.0, 1000)))])


def test_a_stream_is_delivered_and_read_with_its_positions() -> None:
    async def scenario() -> None:
        sink, broker = Collector(), MemoryBroker(STREAMS, clock=lambda: 7.0)
        await broker.start(sink)
        broker.subscribe("news")
        broker.subscribe("plain")
        start = broker.position("news")
        assert start is not None
        assert await broker.publish(Publication("plain", b"p")) == Taken()
        one, two = Position(start.epoch, 1), Position(start.epoch, 2)
        assert await broker.publish(Publication("news", b"1")) == Taken(one)
        assert broker.publish_now(Publication("news", b"2")) == Taken(two)
        assert (broker.position("news"), broker.position("plain"), broker.position("x")) == (two, None, None)
        expected = (Publication("news", b"1", one, None, 7.0), Publication("news", b"2", two, None, 7.0))
        assert sink.got == [Publication("plain", b"p"), *expected]
        assert await broker.history("news", start, 10) == History(two, expected)
        assert broker.history_now("news", Last(1), 10) == History(two, expected[1:])
        assert broker.history_now("plain", None, 10) is None
        with pytest.raises(BrokerUnavailableError):
            await broker.history("plain", None, 10)
        broker.unsubscribe("news")
        assert broker.position("news") is None
        await broker.close()
        with pytest.raises(BrokerClosedError):
            broker.history_now("news", None, 10)

    asyncio.run(scenario())


@pytest.mark.parametrize("channel", ["news", "plain"])
def test_what_was_published_under_a_key_is_not_published_again(channel: str) -> None:
    async def scenario() -> None:
        sink, broker = Collector(), MemoryBroker(STREAMS)
        await broker.start(sink)
        broker.subscribe(channel)
        first = await broker.publish(Publication(channel, b"1"), "k")
        again = await broker.publish(Publication(channel, b"2"), "k")
        assert (first.repeated, again.repeated, again.position) == (False, True, first.position)
        assert sink.data == [b"1"]
        await broker.publish(Publication(channel, b"3"), "l")
        assert not (await broker.publish(Publication("other", b"4"), "k")).repeated
        assert sink.data == [b"1", b"3"]
        await broker.close()

    asyncio.run(scenario())
