"""Long answers come one after the other: when there is room, and one a turn."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.stream_world import World, near
from tornado_realtime.connection import Limits, Phase
from tornado_realtime.publication import Publication


def test_many_replays_at_once_wait_for_one_another() -> None:
    """A page with many channels is no slow consumer because all of them have something to tell."""

    async def test(world: World) -> None:
        names = [f"log {number}" for number in range(20)]
        for name in names:
            world.publish(3, name)
        epoch = world.broker._streams.position("log 0").epoch
        client = world.client()
        client.act = lambda: 0
        for name in names:
            client.say("subscribe", name, since={"epoch": epoch, "offset": 0})
        assert client.phase is Phase.OPEN
        world.publish(1, "log 19")
        client.act = None
        for _ in range(100):
            client.on_writable()
            await world.settle()
        assert [len(client.ear(name).got) for name in names] == [3] * 19 + [4]
        assert world.hub.metrics.counters.slow_consumers == 0

    near(test, Limits(outbox_frames=8))


def test_a_client_gets_one_long_answer_in_a_turn() -> None:
    """Hundreds of questions come in one read; others wait no longer for that."""

    async def test(world: World) -> None:
        for _ in range(20):
            world.broker.publish_now(Publication("log", b'"%b"' % (b"x" * 1000)))
        greedy, other = world.client(), world.client()
        epoch = world.broker._streams.position("log").epoch
        for number in range(10):
            greedy.say("history", id=number)
            greedy.say("subscribe", "log 2", id=100 + number, since={"epoch": epoch, "offset": 0})
            greedy.say("subscribe", id=200 + number, since={"epoch": epoch, "offset": 0})
            other.say("ping", id=number)
        assert len(other.said) == 11
        long = 0
        for _ in range(1000):
            now = len([m for m in greedy.said if m["type"] == "history" or m.get("replay")])
            assert now - long <= 1
            long = now
            await asyncio.sleep(0)
        await world.settle()
        # Of one channel, in the order of the questions.
        answered = [m["id"] for m in greedy.said if "id" in m and m["channel"] == "log"]
        assert answered == [number for n in range(10) for number in (n, 200 + n)]
        assert greedy.phase is Phase.OPEN

    near(test)


@pytest.mark.parametrize("leave", ["unsubscribe", "close", "abort"])
def test_who_waits_for_room_may_leave(leave: str) -> None:
    async def test(world: World) -> None:
        world.publish(6)
        client = world.client()
        client.act = lambda: 0
        client.say("subscribe", since={"last": 6})
        client.say("subscribe", "log 2")
        client.say("subscribe", since={"last": 6})
        client.say("subscribe", since={"last": 6})
        assert not world.is_clean()
        if leave == "unsubscribe":
            client.say("unsubscribe", id=7)
            client.act = None
            for _ in range(9):
                client.on_writable()
                await world.settle()
            assert client.said[-1]["id"] == 7
        elif leave == "close":
            client.close(b"")
        else:
            client.abort()
        await world.settle()
        assert world.hub.subscribers("log") == 0

    near(test, Limits(outbox_frames=8))


def test_history_waits_for_room() -> None:
    async def test(world: World) -> None:
        world.publish(3)
        client = world.client()
        client.act = lambda: 0
        for number in range(20):
            client.say("history", id=number)
        assert client.phase is Phase.OPEN
        client.act = None
        for _ in range(100):
            client.on_writable()
            await world.settle()
        assert [message["id"] for message in client.said if message["type"] == "history"] == list(range(20))

    near(test, Limits(outbox_frames=4))
