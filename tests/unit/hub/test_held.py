"""What comes live while the past of a stream is read: held, waited for, and given once to whoever joins."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.lagging_broker import turns
from tests.support.stream_world import World, far
from tornado_realtime.connection import Limits, Phase
from tornado_realtime.hub import joining


def test_what_comes_while_the_past_is_read_is_held() -> None:
    async def test(world: World) -> None:
        world.publish(2)
        client, broker = world.client(), world.far
        client.say("subscribe", id=1)
        await turns()
        broker.hear()
        broker.look()
        world.publish(2)
        broker.foreign("log", b'"by"')
        world.publish(1)
        broker.hear()
        assert client.replies(1) == []
        await broker.answer()
        assert client.replies(1)[0]["offset"] == 2
        assert client.ear().got == [(3, 3), (4, 4), (None, "by"), (5, 5)]
        world.publish()
        broker.hear()
        await world.settle()
        assert client.ear().got[-1] == (6, 6)

    far(test)


def test_more_than_can_be_held_is_read_again() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe", since={"last": 3})
        await turns()
        broker.hear()
        broker.look()
        world.publish(20)
        broker.hear()
        await broker.answer()
        assert client.ear().acks == []
        await broker.answer()
        assert client.offsets == [18, 19, 20]

    far(test, Limits(outbox_frames=8))


def test_a_storm_is_served_in_slices_while_publications_go_on() -> None:
    async def test(world: World) -> None:
        world.publish(5)
        broker, size = world.far, 5 * joining.SLICE_SIZE
        epoch = broker._streams.position("log").epoch
        clients = [world.client() for _ in range(size)]
        for client in clients:
            client.say("subscribe", since={"epoch": epoch, "offset": 2})
        await turns()
        broker.hear()
        reading = asyncio.create_task(broker.answer())
        served = 0
        for _ in range(1000):
            await asyncio.sleep(0)
            now = sum(bool(client.ear().acks) for client in clients)
            assert now - served <= joining.SLICE_SIZE
            if now != served:
                world.publish()
                broker.hear()
            served = now
            if served == size:
                break
        await reading
        await world.settle()
        assert all(client.offsets == [*range(3, world.count + 1)] for client in clients)
        assert world.count == 10
        # What came meanwhile was held once for all, and is not any more.
        assert world.is_clean()

    far(test)


# -- a read that is ahead of this node ----------------------------------------------------------------------


def test_a_read_that_is_ahead_of_this_node_is_waited_for() -> None:
    async def test(world: World) -> None:
        client, broker = world.client(), world.far
        client.say("subscribe", id=1, since={"last": 9})
        await turns()
        broker.hear()
        world.publish(3)
        await broker.answer()
        assert client.replies(1)[0]["offset"] == 3
        assert client.offsets == [1, 2, 3]
        broker.hear(2)
        broker.foreign("log", b'"by"')
        world.publish(2)
        await world.settle()
        assert client.offsets == [1, 2, 3]
        broker.hear()
        await world.settle()
        assert client.ear().got[3:] == [(None, "by"), (4, 4), (5, 5)]

    far(test)


def test_a_node_that_hears_nothing_yet_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "LOOK", 0.001)

    async def test(world: World) -> None:
        client, broker = world.client(), world.far
        world.publish(2)
        client.say("subscribe", id=1, since={"last": 9})
        await turns()
        await broker.answer()
        assert client.offsets == [1, 2]
        assert broker.position("log") is None
        broker.hear()
        async with asyncio.timeout(5):
            while not world.is_clean():
                await asyncio.sleep(0.001)
        world.publish()
        broker.hear()
        await world.settle()
        assert client.offsets == [1, 2, 3]

    far(test)


def test_who_is_waited_for_may_leave_and_come_back() -> None:
    async def test(world: World) -> None:
        client, broker = world.client(), world.far
        client.say("subscribe", id=1)
        await turns()
        broker.hear()
        world.publish(3)
        await broker.answer()
        client.say("unsubscribe", id=2)
        assert client.said[-1]["type"] == "unsubscribed"
        assert world.is_clean()
        assert broker._channels == set()
        client.say("subscribe", id=3, since=client.ear().position)
        await turns()
        await broker.answer()
        client.say("subscribe", id=4, since={"last": 1})
        await turns()
        await broker.answer()
        broker.hear()
        world.publish()
        broker.hear()
        await world.settle()
        assert client.ear().got == [(3, 3), (4, 4)]

    far(test)


def test_who_is_waited_for_and_asks_again_hears_nothing_twice() -> None:
    async def test(world: World) -> None:
        client, broker = world.client(), world.far
        client.say("subscribe", since={"last": 9})
        await turns()
        broker.hear()
        world.publish(3)
        await broker.answer()
        assert client.offsets == [1, 2, 3]
        broker.hear(1)
        client.say("subscribe", id=2)
        assert client.replies(2)[0]["offset"] == 3
        broker.hear()
        world.publish()
        broker.hear()
        await world.settle()
        assert client.offsets == [4]

    far(test)


# -- clients that hear the channel already ------------------------------------------------------------------


def test_a_live_client_that_asks_again_goes_on_until_it_is_answered() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, await world.joined()
        start = client.ear().position
        world.publish(2)
        client.say("subscribe", id=2, since=start)
        broker.hear()
        await world.settle()
        assert client.ear().got == [(1, 1), (2, 2)]
        broker.look()
        world.publish(2)
        broker.hear()
        await broker.answer()
        world.publish()
        broker.hear()
        await world.settle()
        assert client.replies(2)[0]["replay"] == 2
        assert client.ear().got == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]

    far(test)


def test_a_live_client_whose_read_is_ahead_gets_nothing_twice() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, await world.joined()
        start = client.ear().position
        world.publish(4)
        broker.hear(2)
        client.say("subscribe", id=2, since=start)
        await turns()
        await broker.answer()
        assert client.offsets == [1, 2, 3, 4]
        broker.hear()
        world.publish()
        broker.hear()
        await world.settle()
        assert client.offsets == [1, 2, 3, 4, 5]

    far(test)


# -- streams that are lost meanwhile ------------------------------------------------------------------------


def test_a_replay_and_what_was_held_are_not_too_much_together() -> None:
    """Both would fit an outbox, but not one after the other: nobody is closed for that."""

    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        world.publish(6)
        client.say("subscribe", since={"last": 6})
        await turns()
        broker.hear()
        broker.look()
        world.publish(5)
        broker.hear()
        client.act = lambda: 0
        await broker.answer()
        assert client.replies(1) == []
        await broker.answer()
        client.act = None
        for _ in range(5):
            client.on_writable()
            await world.settle()
        assert client.phase is Phase.OPEN
        assert client.offsets == [6, 7, 8, 9, 10, 11]

    far(test, Limits(outbox_frames=8))


def test_a_stream_that_is_lost_meanwhile_is_read_again_and_not_for_ever() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe", id=1)
        await turns()
        broker.hear()
        for _ in range(joining.MOST_TRIES):
            assert client.replies(1) == []
            broker.forget("log")
            await broker.answer()
        # This node has not heard of the new epoch: nobody published since.
        assert client.replies(1)[0]["offset"] == 0
        world.publish(2)
        broker.hear()
        await world.settle()
        assert client.offsets == [1, 2]
        client.say("unsubscribe")
        client.say("subscribe", id=2)
        await turns()
        world.publish()
        broker.look()
        broker.hear()
        broker.forget("log")
        world.publish()
        broker.hear()
        await broker.answer()
        assert client.replies(2) == []
        await broker.answer()
        assert client.replies(2)[0]["offset"] == 1
        assert client.replies(2)[0]["epoch"] == broker._streams.position("log").epoch

    far(test)


def test_a_stream_that_is_lost_while_a_client_is_waited_for_is_a_gap() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe")
        await turns()
        broker.hear()
        world.publish(5)
        await broker.answer()
        broker.forget("log")
        world.publish(2)
        broker.hear()
        await world.settle()
        assert [message["type"] for message in client.said] == ["welcome", "subscribed", "gap"]
        client.say("subscribe", id=2, since=client.ear().position)
        await turns()
        await broker.answer()
        assert client.replies(2)[0]["recovered"] is False
        world.publish()
        broker.hear()
        await world.settle()
        assert client.offsets == [3]

    far(test)
