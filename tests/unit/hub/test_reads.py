"""Streams that are read: equal questions are one, there are not too many, and those that fail are told."""

from __future__ import annotations

import pytest

from tests.support.lagging_broker import turns
from tests.support.stream_world import World, far
from tornado_realtime.errors import BrokerUnavailableError


def test_equal_reads_are_one_and_everybody_gets_its_own_answer() -> None:
    async def test(world: World) -> None:
        world.publish(5)
        broker = world.far
        epoch = broker._streams.position("log").epoch
        clients = [world.client() for _ in range(300)]
        for number, client in enumerate(clients):
            client.say("subscribe", id=number, since={"epoch": epoch, "offset": 2})
        await turns()
        assert len(broker.reads) == 1
        broker.hear()
        await broker.answer()
        world.publish(2)
        broker.hear()
        await world.settle()
        for number, client in enumerate(clients):
            assert client.replies(number)[0]["replay"] == 3
            assert client.offsets == [3, 4, 5, 6, 7]

    far(test)


def test_reads_are_bounded() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        for number in range(100):
            client.say("subscribe", f"log {number}")
        await turns()
        assert len(broker.reads) == 64
        broker.hear()
        while broker.reads:
            await broker.answer()
        assert len([message for message in client.said if message["type"] == "subscribed"]) == 100

    far(test)


def test_an_older_read_does_not_speak_for_who_knows_more() -> None:
    """Somebody asks for what does not exist yet; then it does, and who has it asks the same."""

    async def test(world: World) -> None:
        broker, early, late = world.far, world.client(), world.client()
        epoch = broker._streams.position("log").epoch
        early.say("subscribe", since={"epoch": epoch, "offset": 1})
        await turns()
        broker.look()
        world.publish()
        broker.hear()
        late.say("subscribe", since={"epoch": epoch, "offset": 1})
        await turns()
        await broker.answer()
        assert early.ear().acks[-1]["recovered"] is False
        assert late.ear().acks == []
        await broker.answer()
        assert late.ear().acks[-1]["recovered"] is True

    far(test)


def test_a_read_outlives_those_who_asked_and_is_not_taken_for_the_newest() -> None:
    async def test(world: World) -> None:
        broker, early, late = world.far, world.client(), world.client()
        await world.joined()  # so that the node hears all the time
        early.say("subscribe", since={"last": 5})
        await turns()
        broker.look()
        early.abort()
        world.publish()
        broker.hear()
        late.say("subscribe", since={"last": 5})
        await turns()
        await broker.answer()
        assert late.ear().acks == []
        await broker.answer()
        assert late.offsets == [1]

    far(test)


def test_a_broker_that_is_away_is_told_and_leaves_the_client_as_it_was() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        away = BrokerUnavailableError("away", retry_after=2.5)
        client.say("subscribe", id=1)
        client.say("unsubscribe", id=2)
        client.say("subscribe", id=3)
        await turns()
        await broker.answer(error=away)
        error = {"type": "error", "id": 1, "channel": "log", "error": "history not available"}
        assert client.replies(1) == [error | {"code": 100, "retry": True, "after": 2500}]
        assert client.replies(2)[0]["type"] == "unsubscribed"
        await broker.answer()
        broker.hear()
        await world.settle()
        assert client.replies(3)[0]["type"] == "subscribed"
        # This node has not heard yet that it follows the channel, so the client is still on its way.
        assert not world.is_clean()
        client.say("subscribe", id=4, since=client.ear().position)
        await turns()
        await broker.answer(error=away)
        assert client.replies(4)[0]["code"] == 100
        world.publish()
        broker.hear()
        await world.settle()
        assert client.ear().got == [(1, 1)]

    far(test)


def test_who_subscribed_in_vain_is_not_subscribed() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe", id=1)
        await turns()
        await broker.answer(error=BrokerUnavailableError("away"))
        assert (list(world.hub.channels()), client.channels, broker._channels) == ([], set(), set())

    far(test)


def test_a_bug_in_a_read_is_an_error_for_the_client(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe", id=1)
        await turns()
        broker.reads.pop().answer.set_exception(ValueError("secret"))
        await turns()
        assert client.replies(1)[0]["code"] == 100

    far(test)
    assert [record.getMessage() for record in caplog.records] == ["the history of 'log' could not be read"]
