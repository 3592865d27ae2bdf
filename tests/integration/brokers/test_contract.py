"""The broker contract: one suite for every broker."""

from __future__ import annotations

import asyncio
import logging

import pytest

from tests.support.broker_world import Collector, eventually, run
from tornado_realtime.brokers.base import Broker, Health
from tornado_realtime.brokers.redis.signed import MARK
from tornado_realtime.errors import BrokerClosedError
from tornado_realtime.publication import PLAIN, Publication, Sender

NAMES = [
    "news",
    "with space",
    "ümlaut ß 東京 🎉",
    "line\r\nbreak",
    "*",
    "h?llo[a-z]\\",
    "realtime:realtime:",
    "{tag}.1",
    "nul\0byte",
    "x" * 10_000,
]


async def publish_all(broker: Broker, channel: str, messages: list[bytes]) -> None:
    for message in messages:
        await broker.publish(Publication(channel, message))


def test_messages_arrive_in_the_order_of_their_publishing(broker: Broker) -> None:
    messages = [b"%d" % number for number in range(300)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await publish_all(broker, "news", messages)
        await sink.wait_for(300)
        assert sink.data == messages

    run(scenario(), broker)


def test_concurrent_publications_keep_the_order_of_the_calls(broker: Broker) -> None:
    messages = [b"%d" % number for number in range(300)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        results = await asyncio.gather(*(broker.publish(Publication("news", data)) for data in messages))
        assert results == [PLAIN] * 300
        await sink.wait_for(300)
        assert sink.data == messages

    run(scenario(), broker)


def test_order_survives_the_moment_of_subscribing(broker: Broker) -> None:
    """Some are published before the subscription works, some after: no one overtakes."""
    messages = [b"%d" % number for number in range(200)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        publishing = []
        for data in messages:
            publishing.append(asyncio.create_task(broker.publish(Publication("news", data))))
            await asyncio.sleep(0)
        await asyncio.gather(*publishing)
        await sink.wait_for(200)
        assert sink.data == messages

    run(scenario(), broker)


def test_channels_of_one_tag_share_one_order(broker: Broker) -> None:
    """Other channels may be carried by several servers, which do not wait for one another."""
    channels = [f"{{tag}}{letter}" for letter in "abba"]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("{tag}a")
        broker.subscribe("{tag}b")
        for channel in channels:
            await broker.publish(Publication(channel, b"x"))
        got = await sink.wait_for(4)
        assert [publication.channel for publication in got] == channels

    run(scenario(), broker)


def test_only_subscribed_channels_are_delivered(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("mine")
        await broker.publish(Publication("other", b"not for us"))
        await broker.publish(Publication("mine.sub", b"not for us"))
        await broker.publish(Publication("mine", b"for us"))
        assert await sink.wait_for(1) == [Publication("mine", b"for us")]

    run(scenario(), broker)


def test_nothing_is_delivered_after_unsubscribe(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("left")
        broker.subscribe("mine")
        await broker.publish(Publication("left", b"1"))
        await sink.wait_for(1)
        broker.unsubscribe("left")
        await broker.publish(Publication("left", b"2"))
        await broker.publish(Publication("mine", b"3"))
        await sink.wait_for(2)
        assert sink.data == [b"1", b"3"]

    run(scenario(), broker)


def test_a_channel_can_be_left_and_joined_again(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for number in range(20):
            broker.subscribe("news")
            await broker.publish(Publication("news", b"%d" % number))
            await sink.wait_for(number + 1)
            broker.unsubscribe("news")
        broker.unsubscribe("news")
        broker.unsubscribe("never joined")

    run(scenario(), broker)


def test_subscribing_twice_delivers_once(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        broker.subscribe("news")
        await publish_all(broker, "news", [b"1", b"2"])
        await sink.wait_for(2)
        assert sink.data == [b"1", b"2"]

    run(scenario(), broker)


def test_a_subscription_may_come_before_the_start(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        broker.subscribe("early")
        await broker.start(sink)
        await broker.publish(Publication("early", b"hello"))
        await sink.wait_for(1)

    run(scenario(), broker)


def test_a_second_start_delivers_nothing_twice(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        await broker.start(sink)
        broker.subscribe("news")
        await publish_all(broker, "news", [b"1", b"2"])
        await sink.wait_for(2)
        assert sink.data == [b"1", b"2"]

    run(scenario(), broker)


def test_publishing_needs_a_started_broker(broker: Broker) -> None:
    async def scenario() -> None:
        with pytest.raises(BrokerClosedError):
            await broker.publish(Publication("news", b"too early"))
        await broker.start(Collector())
        await broker.close()
        with pytest.raises(BrokerClosedError):
            await broker.publish(Publication("news", b"too late"))

    run(scenario(), broker)


def test_close_is_idempotent_and_final(broker: Broker) -> None:
    async def scenario() -> None:
        await broker.close()
        await broker.close()
        with pytest.raises(BrokerClosedError):
            await broker.start(Collector())
        broker.subscribe("news")
        broker.unsubscribe("news")

    run(scenario(), broker)


def test_nothing_is_delivered_after_close(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        publishing = [asyncio.create_task(broker.publish(Publication("news", b"x"))) for _ in range(50)]
        await asyncio.sleep(0)
        await broker.close()
        count = len(sink.got)
        outcomes = await asyncio.gather(*publishing, return_exceptions=True)
        assert all(outcome == PLAIN or isinstance(outcome, BrokerClosedError) for outcome in outcomes)
        assert len(sink.got) == count

    run(scenario(), broker)


def test_a_failing_sink_stops_nothing(broker: Broker, caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Collector):
        def deliver(self, publication: Publication) -> None:
            super().deliver(publication)
            if publication.data == b"bad":
                raise RuntimeError("sink bug")

        def told(self, message: bytes) -> None:
            super().told(message)
            raise RuntimeError("sink bug")

    async def scenario() -> None:
        sink = Failing()
        await broker.start(sink)
        broker.subscribe("news")
        await publish_all(broker, "news", [b"good", b"bad", b"good again"])
        await sink.wait_for(3)
        await broker.tell(b"a note")
        await broker.tell(b"another")
        await sink.wait_for_notes(2)

    with caplog.at_level(logging.ERROR):
        run(scenario(), broker)
    assert [record.message for record in caplog.records] == [
        "the sink failed on channel 'news'",
        *["the sink failed on a node message"] * 2,
    ]


def test_a_thousand_channels(broker: Broker) -> None:
    names = [f"room-{number}" for number in range(1000)]

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for name in names:
            broker.subscribe(name)
        await asyncio.gather(*(broker.publish(Publication(name, name.encode())) for name in names))
        await sink.wait_for(1000)
        assert {publication.channel: publication.data.decode() for publication in sink.got} == dict(
            zip(names, names, strict=True)
        )

    run(scenario(), broker)


def test_large_messages(broker: Broker) -> None:
    message = bytes(range(32, 127)) * 11_037 + b"\r\n$5\r\n"  # a little more than 1 MiB

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        await asyncio.gather(*(broker.publish(Publication("news", message)) for _ in range(8)))
        await sink.wait_for(8)
        assert all(data == message for data in sink.data)

    run(scenario(), broker)


def test_any_text_is_a_channel_name_and_a_message(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for name in NAMES:
            broker.subscribe(name)
        for name in NAMES:
            await broker.publish(Publication(name, name.encode()))
        await sink.wait_for(len(NAMES))
        assert {publication.channel: publication.data for publication in sink.got} == {
            name: name.encode() for name in NAMES
        }

    run(scenario(), broker)


def test_a_cancelled_publisher_disturbs_nobody(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("news")
        publishing = [asyncio.create_task(broker.publish(Publication("news", b"%d" % n))) for n in range(50)]
        await asyncio.sleep(0)
        for task in publishing[::2]:
            task.cancel()
        await asyncio.gather(*publishing, return_exceptions=True)
        await broker.publish(Publication("news", b"last"))
        while not sink.got or sink.data[-1] != b"last":
            await asyncio.sleep(0.001)
        assert set(sink.data) >= {b"%d" % n for n in range(1, 50, 2)}
        assert [int(data) for data in sink.data[:-1]] == sorted(int(data) for data in sink.data[:-1])

    run(scenario(), broker)


def test_a_node_message_reaches_every_node_in_the_order_of_the_calls(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        assert await asyncio.gather(*(broker.tell(b"%d" % number) for number in range(50))) == [1] * 50
        assert await sink.wait_for_notes(50) == [b"%d" % number for number in range(50)]
        assert sink.got == []

    run(scenario(), broker)


def test_a_node_message_to_one_node(broker: Broker) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        assert await broker.tell(b"to me", broker.node_id) == 1
        assert await broker.tell(b"to somebody else", "0123456789abcdef") == 0
        assert await broker.tell(b"\xff\0 any bytes", broker.node_id) == 1
        assert await sink.wait_for_notes(2) == [b"to me", b"\xff\0 any bytes"]

    run(scenario(), broker)


def test_telling_needs_a_started_broker(broker: Broker) -> None:
    async def scenario() -> None:
        with pytest.raises(BrokerClosedError):
            await broker.tell(b"too early")
        await broker.start(Collector())
        await broker.close()
        with pytest.raises(BrokerClosedError):
            await broker.tell(b"too late")

    run(scenario(), broker)


def test_a_channel_is_no_road_between_nodes(broker: Broker) -> None:
    """No channel that a client may name leads to where nodes talk to one another."""

    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        for channel in (
            "nodes",
            "realtime2:nodes",
            f"node:{broker.node_id}",
            f"realtime2:node:{broker.node_id}",
        ):
            broker.subscribe(channel)
            await broker.publish(Publication(channel, b"x"))
            await broker.tell(b"x")
        await sink.wait_for(4)
        await sink.wait_for_notes(4)

    run(scenario(), broker)


def test_the_health_follows_the_life(broker: Broker) -> None:
    async def scenario() -> None:
        assert broker.health == Health(False, "not started, or closed")
        await broker.start(Collector())
        broker.subscribe("news")
        await broker.publish(Publication("news", b"x"))
        await eventually(lambda: broker.health == Health(True))
        await broker.close()
        assert broker.health == Health(False, "not started, or closed")

    run(scenario(), broker)


@pytest.mark.parametrize(
    "publication",
    [
        Publication("chat", b'{"a": 1}', sender=Sender("u-7", "c9")),
        Publication("chat", "Zoé\n2".encode(), sender=Sender("Zoé \U0001f389", "c9"), exclude="c9"),
        Publication("chat", b"2", exclude="c9"),
        Publication("chat", MARK + b'{"exclude":"c9"}\n1'),
        Publication("chat", b"1", sender=Sender("", "c9")),
        Publication("chat", MARK + b"{}\n1"),
        Publication("chat", MARK),
        Publication("chat", MARK + b"[]\n"),
    ],
)
def test_what_there_is_to_tell_arrives_and_text_that_looks_like_it_stays_text(
    broker: Broker, publication: Publication
) -> None:
    async def scenario() -> None:
        sink = Collector()
        await broker.start(sink)
        broker.subscribe("chat")
        await broker.publish(publication)
        assert await sink.wait_for(1) == [publication]

    run(scenario(), broker)
