"""The way into a stream: a position, what was missed, then what comes; no gap, and nothing twice."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from tests.support.lagging_broker import LaggingBroker, turns
from tests.support.stream_client import StreamClient
from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.channels import parse_pattern
from tornado_realtime.connection import Connection, Limits, Phase
from tornado_realtime.errors import BrokerUnavailableError
from tornado_realtime.hub import Hub, joining
from tornado_realtime.hub import replays as replays_of
from tornado_realtime.hub.fanout import Job
from tornado_realtime.publication import Position, Publication
from tornado_realtime.traits import Retention, Traits, TraitsTable
from tornado_realtime.wire.base import Farewell

KEEP = Retention(100, 60.0, 10**6)
STREAMS = TraitsTable([(parse_pattern("log*"), Traits(KEEP))])


class AllMay:
    """Whoever wants may."""

    def refusal(self, *asked: Any) -> None:
        return None


class World:
    """A hub, a broker, and clients that keep the rules."""

    def __init__(self, broker: MemoryBroker, limits: Limits | None = None) -> None:
        self.hub = Hub(broker, limits or Limits(), authorizer=AllMay())
        self.broker = broker
        self.count = 0

    def client(self) -> StreamClient:
        client = StreamClient(self.hub)
        self.hub.opened(client)
        client.begin()
        return client

    def publish(self, count: int = 1, channel: str = "log", **members: Any) -> None:
        for _ in range(count):
            self.count += 1
            self.broker.publish_now(Publication(channel, b"%d" % self.count, **members))

    @property
    def far(self) -> LaggingBroker:
        assert isinstance(self.broker, LaggingBroker)
        return self.broker

    async def settle(self) -> None:
        """Until nothing is on its way."""
        await turns()
        while not self.hub._fanout.idle.is_set():
            await asyncio.sleep(0)

    def is_clean(self) -> bool:
        """Whether nothing is left of all that joining."""
        room = self.hub._recovery._joining
        held = any(channel.holds for channel in self.hub._fanout.channels.values())
        pace = self.hub._recovery._pace._waiting
        return not (room.held or room._joins or room._behind or room._ready or held or pace)


def near(test: Callable[[World], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    """Run a test with streams in memory."""
    _run(lambda: MemoryBroker(STREAMS, clock=lambda: 1000.0), test, limits)


def far(test: Callable[[World], Coroutine[Any, Any, None]], limits: Limits | None = None) -> None:
    """Run a test with streams far away."""
    _run(lambda: LaggingBroker(STREAMS), test, limits)


def _run(
    make: Callable[[], MemoryBroker],
    test: Callable[[World], Coroutine[Any, Any, None]],
    limits: Limits | None,
) -> None:
    async def main() -> None:
        world = World(make(), limits)
        await world.hub.start()
        try:
            await test(world)
            await world.settle()
            assert world.is_clean()
        finally:
            await world.hub.close(Farewell.SHUTDOWN, 0)
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


# -- where the past is known at once ---------------------------------------------------------------------


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


@pytest.mark.parametrize(
    ("limits", "published", "missed"),
    [
        (Limits(outbox_frames=4), 3, True),
        (Limits(outbox_frames=4), 4, False),
        (Limits(outbox_bytes=2048 + 3 * 60), 3, True),
        (Limits(outbox_bytes=2048 + 3 * 60), 4, False),
        (Limits(), 101, False),
    ],
)
def test_what_is_too_much_or_gone_is_not_recovered(limits: Limits, published: int, missed: bool) -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe")
        since = client.ear().position
        client.say("unsubscribe")
        world.publish(published)
        client.say("subscribe", since=since)
        ack = client.ear().acks[-1]
        assert (ack["recovered"], ack["replay"]) == (missed, published if missed else 0)
        assert (ack["offset"], len(client.ear().got)) == (published, ack["replay"])
        world.publish()
        await world.settle()
        assert client.ear().got[-1] == (published + 1, published + 1)

    near(test, limits)


def test_the_newest_few_are_cut_to_what_can_be_sent() -> None:
    async def test(world: World) -> None:
        world.publish(20)
        for size, got in ((0, []), (2, [19, 20]), (2**53 - 1, [*range(14, 21)])):
            client = world.client()
            client.say("subscribe", since={"last": size})
            assert client.offsets == got
            assert client.ear().acks[-1]["recovered"] is True
        client = world.client()
        world.publish(1)
        world.broker.publish_now(Publication("log", b'"%b"' % (b"x" * 3000)))
        client.say("subscribe", since={"last": 3})
        assert client.offsets == [20, 21, 22][3 - client.ear().acks[-1]["replay"] :]

    near(test, Limits(outbox_frames=8, outbox_bytes=6000))


def test_nobody_encodes_what_is_too_much_anyway(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        encoded: list[Publication] = []
        client = world.client()
        client.say("subscribe")
        since = client.ear().position
        client.say("unsubscribe")
        for _ in range(50):
            world.broker.publish_now(Publication("log", b'"%b"' % (b"x" * 1000)))
        encode = type(client.wire).encode

        def count(self: Any, publication: Publication) -> bytes | None:
            encoded.append(publication)
            return encode(self, publication)

        monkeypatch.setattr(type(client.wire), "encode", count)
        client.say("subscribe", since=since)
        assert client.ear().acks[-1]["recovered"] is False
        assert encoded == []
        client.say("subscribe", since={"last": 50})
        assert client.offsets == [*range(44, 51)]
        assert len(encoded) == 19 + 7

    near(test, Limits(outbox_bytes=10_000))


def test_a_plain_channel_recovers_nothing() -> None:
    async def test(world: World) -> None:
        client = world.client()
        client.say("subscribe", channel="plain", id=1, since={"last": 1})
        expected = {"type": "subscribed", "id": 1, "channel": "plain", "recovered": False, "replay": 0}
        assert client.replies(1) == [expected]

    # Ears know streams only.
    StreamClient.ear, before = (lambda self, channel="log": Deaf()), StreamClient.ear  # type: ignore
    try:
        near(test)
    finally:
        StreamClient.ear = before  # type: ignore[method-assign]


class Deaf:
    def hear(self, message: dict[str, Any]) -> None: ...


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


def test_equal_replays_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: World) -> None:
        encoded: list[Publication] = []
        wire = type(world.client().wire)
        encode = wire.encode

        def count(self: Any, publication: Publication) -> bytes | None:
            encoded.append(publication)
            return encode(self, publication)

        monkeypatch.setattr(wire, "encode", count)
        world.publish(10)
        epoch = world.broker._streams.position("log").epoch
        clients = [world.client() for _ in range(50)]
        for client in clients:
            client.say("subscribe", since={"epoch": epoch, "offset": 4})
        assert len(encoded) == 6
        assert all(client.offsets == [5, 6, 7, 8, 9, 10] for client in clients)

    near(test)


@pytest.mark.parametrize(("name", "most"), [("SHARED_BYTES", 200), ("MOST_SHARED", 3)])
def test_shared_replays_do_not_pile_up(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setattr(replays_of, name, most)

    async def test(world: World) -> None:
        world.publish(10)
        epoch = world.broker._streams.position("log").epoch
        replays = world.hub._recovery._joining._replays
        for offset in range(10):
            world.client().say("subscribe", since={"epoch": epoch, "offset": offset})
            sizes = [sum(len(batch.data) for batch in made) for made in replays._kept.values()]
            assert replays._size_bytes == sum(sizes)
            assert (sum(sizes) if name == "SHARED_BYTES" else len(sizes)) <= most

    near(test)


# -- clients that do not take what they are sent -----------------------------------------------------------


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


# -- where the past has to be read -------------------------------------------------------------------------


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


def test_reads_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
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
        world.client().say("subscribe")  # so that the node hears all the time
        await turns()
        broker.hear()
        await broker.answer()
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


def test_a_live_client_that_asks_again_goes_on_until_it_is_answered() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("subscribe")
        await turns()
        broker.hear()
        await broker.answer()
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
        broker, client = world.far, world.client()
        client.say("subscribe")
        await turns()
        broker.hear()
        await broker.answer()
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


# -- reading the past --------------------------------------------------------------------------------------


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


def test_who_leaves_before_the_answer_gets_none() -> None:
    async def test(world: World) -> None:
        broker, client = world.far, world.client()
        client.say("history", id=1)
        await turns()
        client.abort()
        await broker.answer()
        assert client.replies(1) == []

    far(test)


# -- receipts ------------------------------------------------------------------------------------------------


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
