from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.exceptions import NoPermissionError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.dialect import CHUNK
from tornado_realtime.brokers.redis.names import stream_topic, topic_of
from tornado_realtime.brokers.redis.publisher import QUEUE_BYTES, Parcel
from tornado_realtime.brokers.redis.subscriber import Subscriber
from tornado_realtime.errors import BrokerUnavailableError


class World:
    """A subscriber on a fake line to a Redis that answers with ``serve``."""

    def __init__(self, linger: float = 60.0) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.released: list[Parcel] = []
        self.readies = 0
        self.line = FakeLine()
        self.subscriber = Subscriber({}, self._receive, self.released.append, self._ready, linger)
        self.topics: set[bytes] = set()  # what the fake Redis thinks
        self._served = 0

    def _receive(self, channel: str, data: bytes) -> None:
        self.received.append((channel, data))

    def _ready(self) -> None:
        self.readies += 1

    def parcel(self, channel: str, data: bytes = b"x") -> Parcel:
        return Parcel(topic_of(channel), data, asyncio.get_running_loop().create_future(), True)

    def hears(self, channel: str) -> bool:
        return self.subscriber.hears(topic_of(channel))

    async def serve(self, count: int = 1_000_000) -> None:
        """Answer the next ``count`` commands, in order."""
        await turns()
        for command, *topics in self.line.commands[self._served :][:count]:
            self._served += 1
            self._answer(command, topics)
        await turns()

    def _answer(self, command: bytes, topics: list[bytes]) -> None:
        if command == b"PING":
            self.line.answer([b"pong", b""] if self.topics else b"PONG")
        for topic in topics:
            (self.topics.add if command == b"SUBSCRIBE" else self.topics.discard)(topic)
            self.line.answer([command.lower(), topic, len(self.topics)])


@asynccontextmanager
async def online(linger: float = 60.0, channels: tuple[str, ...] = ()) -> AsyncIterator[World]:
    world = World(linger)
    for channel in channels:
        world.subscriber.add(channel)
    world.subscriber.begin(world.line)
    tasks = [
        asyncio.create_task(world.subscriber.write(world.line)),
        asyncio.create_task(world.subscriber.read(world.line)),
    ]
    try:
        yield world
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        world.subscriber.end(BrokerUnavailableError("over"))


def test_a_new_connection_subscribes_all_in_chunks_and_is_then_ready() -> None:
    channels = tuple(f"{number}" for number in range(CHUNK * 2 + 1))

    async def scenario() -> None:
        async with online(channels=channels) as world:
            await turns()
            assert [len(command) - 1 for command in world.line.commands] == [CHUNK, CHUNK, 1]
            await world.serve(2)
            assert world.readies == 0
            await world.serve()
            assert world.readies == 1
            assert world.topics == {topic_of(channel) for channel in channels}

    asyncio.run(scenario())


def test_without_channels_a_new_connection_is_ready_at_once() -> None:
    async def scenario() -> None:
        async with online() as world:
            await turns()
            assert world.readies == 1

    asyncio.run(scenario())


def test_parcels_are_held_until_confirmation_and_keep_their_order() -> None:
    async def scenario() -> None:
        async with online() as world:
            assert world.hears("news")
            world.subscriber.add("news")
            assert not world.hears("news")
            parcels = [world.parcel("news") for _ in range(3)]
            for parcel in parcels:
                world.subscriber.hold(parcel)
            await turns()
            assert world.released == []
            await world.serve()
            assert world.released == parcels
            assert world.hears("news")

    asyncio.run(scenario())


def test_held_parcels_go_when_their_subscriber_went_before_redis_heard_of_it() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.add("news")
            parcel = world.parcel("news")
            world.subscriber.hold(parcel)
            world.subscriber.remove("news")
            assert world.released == [parcel]
            await turns()
            assert world.line.commands == []

    asyncio.run(scenario())


def test_the_end_fails_held_and_doubtful_parcels() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.add("news")
            held, doubtful, examined = (world.parcel("news") for _ in range(3))
            world.subscriber.examine(examined)
            await turns()
            world.subscriber.examine(doubtful)
            world.subscriber.hold(held)
            world.subscriber.end(BrokerUnavailableError("lost"))
            late, later = world.parcel("news"), world.parcel("news")
            world.subscriber.hold(late)
            world.subscriber.examine(later)
            for parcel in (held, doubtful, examined, late, later):
                assert isinstance(parcel.taken.exception(), BrokerUnavailableError)

    asyncio.run(scenario())


def test_a_doubtful_parcel_succeeds_when_the_connection_answers() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.ping()
            await turns()
            parcel = world.parcel("news")
            world.subscriber.examine(parcel)
            await world.serve(1)
            assert not parcel.taken.done()  # that was the answer to the older PING
            await world.serve()
            assert parcel.taken.done()

    asyncio.run(scenario())


def test_held_bytes_are_bounded() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.add("news")
            first, second = world.parcel("news", b"x" * QUEUE_BYTES), world.parcel("news")
            world.subscriber.hold(first)
            world.subscriber.hold(second)
            assert isinstance(second.taken.exception(), BrokerUnavailableError)
            assert not first.taken.done()

    asyncio.run(scenario())


def test_a_late_confirmation_of_an_old_subscription_confirms_nothing() -> None:
    async def scenario() -> None:
        async with online(linger=0.0) as world:
            world.subscriber.add("news")
            await turns()
            world.subscriber.remove("news")
            await turns()  # SUBSCRIBE and UNSUBSCRIBE are on their way
            world.subscriber.add("news")
            await turns()
            assert [command[0] for command in world.line.commands] == [
                b"SUBSCRIBE",
                b"UNSUBSCRIBE",
                b"SUBSCRIBE",
            ]
            await world.serve(1)
            assert not world.hears("news")
            await world.serve(2)
            assert world.hears("news")

    asyncio.run(scenario())


def test_a_confirmation_does_not_count_for_a_subscription_that_is_not_sent_yet() -> None:
    async def scenario() -> None:
        async with online(linger=0.0) as world:
            world.subscriber.add("news")
            await turns()
            world.subscriber.remove("news")
            await turns()
            world.line.answer([b"subscribe", topic_of("news"), 1])  # the reader wakes before the writer
            world.subscriber.add("news")
            await turns()
            assert not world.hears("news")

    asyncio.run(scenario())


def test_nothing_overtakes_what_is_held_for_subscribers_that_left() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.add("news")
            await turns()
            world.subscriber.hold(world.parcel("news"))
            world.subscriber.remove("news")
            assert not world.hears("news")
            await world.serve()
            assert world.hears("news")

    asyncio.run(scenario())


def test_the_end_leaves_no_timer() -> None:
    async def scenario() -> None:
        async with online(channels=("news",)) as world:
            await world.serve()
            world.subscriber.remove("news")
            timer = world.subscriber._timer
            assert timer is not None
            world.subscriber.end(BrokerUnavailableError("over"))
            assert timer.cancelled()

    asyncio.run(scenario())


def test_messages_for_others_are_ignored() -> None:
    async def scenario() -> None:
        async with online(channels=("mine", "left")) as world:
            await world.serve()
            world.subscriber.remove("left")
            for channel in ("mine", "left", "foreign"):
                world.line.answer([b"message", topic_of(channel), b"x"])
            await turns()
            assert world.received == [("mine", b"x")]

    asyncio.run(scenario())


def test_a_refused_subscription_breaks_the_connection() -> None:
    async def scenario() -> None:
        world = World()
        world.line.refusal = lambda error: BrokerUnavailableError(str(error))  # type: ignore[method-assign]
        world.subscriber.begin(world.line)
        world.line.answer(NoPermissionError("no permissions"))
        with pytest.raises(BrokerUnavailableError, match="no permissions"):
            await world.subscriber.read(world.line)

    asyncio.run(scenario())


STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "remove", "publish", "serve", "turn"]), st.sampled_from("abc")),
    max_size=40,
)


@given(STEPS)
@settings(deadline=None, max_examples=150)
def test_whatever_happens_redis_and_we_agree_in_the_end(steps: list[tuple[str, str]]) -> None:
    wanted: set[str] = set()
    published: list[Parcel] = []

    async def step(world: World, action: str, channel: str) -> None:
        match action:
            case "add":
                wanted.add(channel)
                world.subscriber.add(channel)
            case "remove":
                wanted.discard(channel)
                world.subscriber.remove(channel)
            case "publish":
                if world.hears(channel):
                    assert channel not in wanted or not left_behind(world, channel)
                else:
                    published.append(world.parcel(channel))
                    world.subscriber.hold(published[-1])
            case "serve":
                await world.serve(1)
            case _:
                await turns(3)

    def left_behind(world: World, channel: str) -> bool:
        """Whether Redis does not send this channel to us, or will not once it read what we wrote."""
        topic = topic_of(channel)
        state = topic in world.topics
        for command, *topics in world.line.commands[world._served :]:
            if topic in topics:
                state = command == b"SUBSCRIBE" and state
        return not state

    async def scenario() -> None:
        async with online(linger=0.0) as world:
            for action, channel in steps:
                await step(world, action, channel)
            for _ in range(3):
                await world.serve()
            assert world.topics == {topic_of(channel) for channel in wanted}
            assert sorted(map(id, world.released)) == sorted(map(id, published))
            for channel in "abc":
                assert world.hears(channel)
                assert (topic_of(channel) in world.subscriber._confirmed) == (channel in wanted)

    asyncio.run(scenario())


class Listener:
    """An ear that says which of its messages has a copy."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.told: list[str] = []
        self.settled = False

    def confirmed(self) -> None:
        self.told.append("confirmed")

    def interrupted(self, since: float) -> None:
        self.told.append("interrupted")

    def take(self, data: bytes) -> bytes:
        self.heard.append(data)
        return topic_of("news") if data.startswith(b"c") else b""


def test_an_ear_hears_of_its_subscription_and_publications_wait_until_it_is_settled() -> None:
    async def scenario() -> None:
        ear, topic = Listener(), stream_topic("news")
        async with online() as world:
            world.subscriber.add("news")
            world.subscriber.follow(topic, ear)
            await world.serve()
            assert world.line.commands == [(b"SUBSCRIBE", topic_of("news"), topic)]  # in this order
            assert ear.told == ["confirmed"]
            assert not world.subscriber.hears(topic)
            parcel = Parcel(topic, b"x", asyncio.get_running_loop().create_future())
            world.subscriber.hold(parcel)
            ear.settled = True
            world.subscriber.settle(topic)
            assert (world.released, world.subscriber.hears(topic)) == ([parcel], True)
            world.subscriber.unfollow(topic)
            world.subscriber.follow(topic, ear)  # Redis was not told
            assert ear.told == ["confirmed", "confirmed"]
        assert ear.told[-1] == "interrupted"
        assert world.subscriber.hears(topic)  # it reads what it misses
        assert not world.subscriber.hears(topic_of("news"))

    asyncio.run(scenario())


def test_a_copy_is_ignored_where_it_comes_and_nothing_else() -> None:
    async def scenario() -> None:
        ear, topic, plain = Listener(), stream_topic("news"), topic_of("news")
        async with online() as world:
            for channel in ("news", "sport"):
                world.subscriber.add(channel)
            world.subscriber.follow(topic, ear)
            await world.serve()
            for where, data in (
                (topic, b"c 1"),
                (plain, b"1"),  # the copy
                (plain, b"theirs"),
                (topic, b"m 2"),
                (plain, b"theirs, too"),
                (topic, b"c 3"),
                (topic_of("sport"), b"between"),
                (plain, b"no copy any more"),
            ):
                world.line.answer([b"message", where, data])
            await turns()
            assert ear.heard == [b"c 1", b"m 2", b"c 3"]
            assert world.received == [
                ("news", b"theirs"),
                ("news", b"theirs, too"),
                ("sport", b"between"),
                ("news", b"no copy any more"),
            ]

    asyncio.run(scenario())
