from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.broker_world import Collector
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.publication import PLAIN, Publication


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
