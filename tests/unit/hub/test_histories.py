"""Clients that read the past of a channel: in their turn, and as it is then."""

from __future__ import annotations

from tests.support.lagging_broker import turns
from tests.support.stream_world import World, far
from tornado_realtime.errors import BrokerUnavailableError


def test_history_waits_its_turn_and_is_read_as_it_is_then() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        world.publish(3)
        client.say("history", id=1, limit=2)
        client.say("history", id=2, limit=2, reverse=True)
        client.say("history", "log 2", id=3)
        await turns()
        assert len(broker.reads) == 2
        await broker.answer(1)
        await broker.answer(0)
        await broker.answer(0, BrokerUnavailableError("away"))
        one, two, three = (client.replies(number)[0] for number in (1, 2, 3))
        assert [item["payload"] for item in one["items"]] == [1, 2]
        assert (one["more"], one["offset"], three["items"]) == (True, 3, [])
        assert two["code"] == 100
        assert client.channels == set()

    far(test)


def test_who_leaves_before_the_answer_gets_none() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("history", id=1)
        await turns()
        client.abort()
        await broker.answer()
        assert client.replies(1) == []

    far(test)
