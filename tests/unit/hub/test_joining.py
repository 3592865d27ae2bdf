"""The way into a stream: a position, what was missed, then what comes; no gap, and nothing twice."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.lagging_broker import LaggingBroker, turns
from tests.support.stream_client import Ear
from tests.support.stream_world import STREAMS, World, far, near
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.connection import Connection, Phase
from tornado_realtime.hub.fanout import Job
from tornado_realtime.publication import Position
from tornado_realtime.wire.base import Farewell


def test_a_position_then_what_comes() -> None:
    async def test(world: World) -> None:
        world.publish(3)
        client = world.client()
        client.say("subscribe", id=1)
        assert client.replies(1)[0] | {"epoch": ""} == {
            "type": "subscribed",
            "id": 1,
            "channel": "log",
            "epoch": "",
            "offset": 3,
        }
        world.publish(2)
        await world.settle()
        assert client.ear().got == [(4, 4), (5, 5)]

    near(test)


def test_what_was_missed_comes_first_even_while_a_batch_is_on_its_way_to_others() -> None:
    async def test(world: World) -> None:
        other = world.client()
        other.say("subscribe")
        world.publish(2)
        client = world.client()
        client.say("subscribe", since={"epoch": other.ear().epoch, "offset": 0})
        assert client.ear().acks[-1]["replay"] == 2
        world.publish(2)
        await world.settle()
        assert client.ear().got == other.ear().got == [(1, 1), (2, 2), (3, 3), (4, 4)]

    near(test)


def test_who_subscribes_again_is_told_a_position_behind_what_was_on_its_way() -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        world.publish(2)
        client.say("subscribe", id=2)
        assert [message["type"] for message in client.said[-3:]] == ["message", "message", "subscribed"]
        assert client.replies(2)[0]["offset"] == 2
        world.publish()
        await world.settle()
        assert client.ear().got == [(3, 3)]
        assert world.hub.subscribers("log") == 1

    near(test)


def test_a_job_that_is_hurried_is_not_offered_twice() -> None:
    async def main() -> None:
        world = World(MemoryBroker(STREAMS))
        await world.hub.start()
        clients = [world.client() for _ in range(3)]
        for client in clients:
            client.say("subscribe")
        world.publish()
        channel = world.hub._fanout.channels["log"]
        world.hub._fanout._seal(channel)
        (job,) = channel.jobs
        assert isinstance(job, Job)
        job.advance(1)
        audience: list[Connection] = [*clients]
        for connection in audience:
            job.hurry(connection)
        job.advance(10)
        assert [client.offsets for client in clients] == [[1]] * 3
        assert world.broker.position("log") == Position(clients[0].ear().epoch, 1)
        await world.hub.close(Farewell.SHUTDOWN, 0)

    asyncio.run(main())


def test_who_asks_again_for_what_it_has_gets_it_once_more_and_nothing_twice() -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        start = client.ear().position
        world.publish(2)
        await world.settle()
        world.publish(2)
        client.say("subscribe", since=start)
        world.publish()
        await world.settle()
        assert client.ear().got == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]
        assert client.ear().acks[-1]["replay"] == 4

    near(test)


def test_who_leaves_in_the_middle_gets_nothing_more() -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        world.publish(2)
        client.say("subscribe", since=client.ear().position)
        world.publish(2)
        client.say("unsubscribe", id=3)
        await world.settle()
        assert [payload for _, payload in client.ear().got] == [1, 2]
        assert world.hub.subscribers("log") == 0
        assert client.replies(3)[0]["type"] == "unsubscribed"

    near(test)


def test_a_plain_channel_recovers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe", channel="plain", id=1, since={"last": 1})
        expected = {"type": "subscribed", "id": 1, "channel": "plain", "recovered": False, "replay": 0}
        assert client.replies(1) == [expected]

    # What a client of a stream keeps the books of is not told here.
    monkeypatch.setattr(Ear, "hear", lambda self, message: None)
    near(test)


def test_what_a_client_does_not_get_itself_is_told_in_its_place() -> None:
    async def test(world: World) -> None:
        author, other = world.client(), world.client()
        author.say("subscribe")
        other.say("subscribe")
        start = author.ear().position
        world.publish()
        author.say("publish", payload="mine", echo=False)
        world.publish()
        await world.settle()
        assert author.ear().got == [(1, 1), (2, None), (3, 2)]
        assert other.ear().got == [(1, 1), (2, "mine"), (3, 2)]
        author.say("subscribe", since=start)
        other.say("subscribe", since=start)
        assert author.ear().got == [(1, 1), (2, None), (3, 2)]
        assert other.ear().got == [(1, 1), (2, "mine"), (3, 2)]

    near(test)


@pytest.mark.parametrize("exclude", ["", "somebody"])
def test_who_listens_while_a_stream_begins_anew_is_told_the_new_epoch(exclude: str) -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        world.publish(2)
        world.broker._streams.clear()
        late = world.client()
        late.say("subscribe")
        world.publish(2, exclude=exclude)
        await world.settle()
        assert client.ear().got == [(1, 1), (2, 2), (1, 3), (2, 4)]
        assert client.ear().position == late.ear().position
        client.say("subscribe", since=client.ear().position)
        assert client.ear().acks[-1]["recovered"] is True
        types = [message["type"] for message in late.said]
        assert types in (
            ["welcome", "subscribed", "message", "message"],
            ["welcome", "subscribed", "epoch", "message", "message"],
        )

    near(test)


def test_who_vanishes_while_it_is_answered_leaves_nothing_behind() -> None:
    async def test(world: World) -> None:
        world.publish(3)

        def reset() -> int:
            raise OSError("gone")

        for since in (None, {"last": 2}):
            client = world.client()
            client.act = reset
            client.say("subscribe", since=since)
            assert client.phase is Phase.CLOSED
            assert world.is_clean()
            assert list(world.hub.channels()) == []
        twice = world.client()
        twice.say("subscribe")
        world.publish()
        twice.act = reset
        twice.say("subscribe")
        assert world.is_clean()
        assert list(world.hub.channels()) == []

    near(test)


def test_a_bug_in_one_subscription_ends_that_one(caplog: pytest.LogCaptureFixture) -> None:
    async def test(world: World) -> None:
        broker, one, two = world.far, world.client(), world.client()
        one.say("subscribe")
        two.say("subscribe")
        await turns()
        broker.hear()

        def bug() -> int:
            raise RuntimeError("a bug")

        one.act = bug
        await broker.answer()
        assert (one.phase, two.phase) == (Phase.CLOSED, Phase.OPEN)
        assert two.ear().is_subscribed

    far(test)
    assert "a subscription failed unexpectedly" in caplog.text


def test_everything_is_let_go_when_the_hub_closes() -> None:
    async def main() -> None:
        world = World(LaggingBroker(STREAMS))
        await world.hub.start()
        client, behind = world.client(), world.client()
        behind.say("subscribe", "log 2")
        await turns()
        world.publish(1, "log 2")
        await world.far.answer()
        client.say("subscribe")
        client.say("history", id=1)
        await turns()
        await world.hub.close(Farewell.SHUTDOWN, 0)
        assert world.is_clean()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())
