"""What the sessions do with a node of a cluster: it may give away what it carries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, ResponseError, TryAgainError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.dialect import CHUNK, PLAIN, SHARDED
from tornado_realtime.brokers.redis.names import topic_of
from tornado_realtime.brokers.redis.publisher import Parcel, Publisher
from tornado_realtime.brokers.redis.subscriber import Subscriber
from tornado_realtime.errors import BrokerError, BrokerUnavailableError

A, B = topic_of("a"), topic_of("b")


class World:
    """A subscriber and a publisher of one node, each on a line that answers when it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[str, bytes]] = []
        self.taken: list[bytes] = []
        self.sent_back: list[Parcel] = []
        self.worries = 0
        self.readies = 0
        self.publisher = Publisher(
            lambda: None,
            lambda parcel: self.subscriber.examine(parcel),
            SHARDED,
            self._worry,
            self.sent_back.append,
        )
        self.subscriber = Subscriber(
            {},
            lambda channel, data: self.received.append((channel, data)),
            self.publisher.hand_in,
            self._ready,
            60.0,
            SHARDED,
            self._worry,
        )
        self.ear, self.mouth = FakeLine(), FakeLine()

    def _worry(self) -> None:
        self.worries += 1

    def _ready(self) -> None:
        self.readies += 1

    async def subscribed(self, *channels: str) -> None:
        """Let ``channels`` be subscribed and confirmed."""
        for channel in channels:
            self.subscriber.add(channel)
        await turns()
        await self.heard(*([b"ssubscribe", topic_of(channel), 1] for channel in channels))
        self.ear.commands.clear()

    async def heard(self, *replies: object) -> None:
        """Let the node send ``replies`` on the connection that listens."""
        self.ear.answer(*replies)
        await turns()

    def is_caught_up(self) -> bool:
        return self.subscriber.caught_up

    def parcel(self, channel: str, data: bytes = b"x") -> Parcel:
        return Parcel(topic_of(channel), data, asyncio.get_running_loop().create_future(), awaited=True)


@asynccontextmanager
async def online() -> AsyncIterator[World]:
    world = World()
    pairs = ((world.subscriber, world.ear), (world.publisher, world.mouth))
    for session, line in pairs:
        session.begin(line)
    tasks = [
        asyncio.create_task(job)
        for session, line in pairs
        for job in (session.read(line), session.write(line))
    ]
    try:
        yield world
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for session, _ in pairs:
            session.end(BrokerUnavailableError("over"))


def moved(topic: bytes) -> MovedError:
    return MovedError(f"{key_slot(topic)} 10.0.0.2:7001")


def outcome(parcel: Parcel) -> str:
    error = parcel.taken.exception()
    assert isinstance(error, BrokerError)
    return error.outcome


def test_one_command_names_channels_of_one_slot() -> None:
    topics = [b"{a}1", b"{b}1", b"{a}2", *(b"{c}%d" % n for n in range(CHUNK + 1))]
    commands = list(SHARDED.commands(SHARDED.subscribe, topics))
    assert commands[:2] == [(b"SSUBSCRIBE", b"{a}1", b"{a}2"), (b"SSUBSCRIBE", b"{b}1")]
    assert [len(command) - 1 for command in commands] == [2, 1, CHUNK, 1]
    assert list(PLAIN.commands(PLAIN.subscribe, [b"x", b"y"])) == [(b"SUBSCRIBE", b"x", b"y")]


def test_messages_and_confirmations_of_shards_are_understood() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber.add("a")
            await turns()
            assert world.ear.commands == [(b"SSUBSCRIBE", A)]
            assert not world.subscriber.hears(A)
            await world.heard(
                [b"ssubscribe", A, 1], [b"smessage", A, b"hello"], [b"message", A, b"of another kind"]
            )
            assert world.subscriber.hears(A)
            assert world.received == [("a", b"hello")]
            world.publisher.hand_in(world.parcel("a"))
            await turns()
            assert world.mouth.commands == [(b"SPUBLISH", A, b"x")]

    asyncio.run(scenario())


def test_a_topic_that_the_node_gave_away_is_lost_until_it_is_tried_again() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("a", "b")
            assert (world.worries, world.is_caught_up()) == (0, True)
            await world.heard([b"sunsubscribe", A, 1])
            assert (world.worries, world.is_caught_up()) == (1, False)
            assert (world.subscriber.hears(A), world.subscriber.hears(B)) == (False, True)
            assert world.ear.commands == []
            world.subscriber.retry()
            await turns()
            assert world.ear.commands == [(b"SSUBSCRIBE", A)]
            await world.heard([b"ssubscribe", A, 1])
            assert world.subscriber.hears(A)
            assert world.is_caught_up()

    asyncio.run(scenario())


def test_the_answer_to_our_own_unsubscribing_is_no_loss() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("a")
            world.subscriber._linger = 0.0
            world.subscriber.remove("a")
            await turns()
            assert world.ear.commands == [(b"SUNSUBSCRIBE", A)]
            world.subscriber.add("a")
            await turns()
            await world.heard([b"sunsubscribe", A, 0], [b"ssubscribe", A, 1])
            assert world.worries == 0
            assert world.subscriber.hears(A)

    asyncio.run(scenario())


def test_a_refused_subscription_loses_the_channels_of_that_slot_alone() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("b")
            world.subscriber.add("a")
            await turns()
            await world.heard(moved(A))
            assert world.worries == 1
            assert not world.is_caught_up()
            assert world.subscriber.hears(B)
            world.subscriber.retry()
            await turns()
            assert world.ear.commands == [(b"SSUBSCRIBE", A)] * 2

    asyncio.run(scenario())


def test_refusals_of_many_slots_each_lose_their_own_channels() -> None:
    channels = [f"{{{letter}}}{number}" for number in range(3) for letter in "abc"]

    async def scenario() -> None:
        async with online() as world:
            for channel in channels:
                world.subscriber.add(channel)
            await turns()
            await world.heard(moved(b"{a}"))
            assert world.subscriber._lost == {topic_of(f"{{a}}{number}") for number in range(3)}
            await world.heard(*([b"ssubscribe", topic_of(f"{{b}}{number}"), 1] for number in range(3)))
            await world.heard(moved(b"{c}"))
            assert world.subscriber._lost == {
                topic_of(f"{{{letter}}}{n}") for letter in "ac" for n in range(3)
            }
            await world.heard(moved(b"{b}"))  # the answer to something else
            assert all(world.subscriber.hears(topic_of(f"{{b}}{number}")) for number in range(3))

    asyncio.run(scenario())


def test_a_lost_topic_that_nobody_wants_any_longer_is_not_tried_again() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("a")
            await world.heard([b"sunsubscribe", A, 0])
            parcel = world.parcel("a")
            world.subscriber.hold(parcel)
            world.subscriber.remove("a")
            assert world.is_caught_up()
            world.subscriber.retry()
            await turns()
            assert world.ear.commands == []
            assert world.mouth.commands == [(b"SPUBLISH", A, b"x")]

    asyncio.run(scenario())


def test_what_waits_for_a_subscription_waits_on_when_an_older_one_is_refused() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.subscriber._linger = 0.0
            world.subscriber.add("a")
            await turns()
            world.subscriber.remove("a")
            await turns()
            world.ear.room.clear()  # the next write takes its time
            world.subscriber.ping()
            await turns()
            world.subscriber.add("a")
            world.subscriber.hold(world.parcel("a"))
            await world.heard(moved(A))
            assert world.mouth.commands == []
            world.ear.room.set()
            await turns()
            await world.heard(moved(A), [b"ssubscribe", A, 1])
            assert world.mouth.commands == [(b"SPUBLISH", A, b"x")]

    asyncio.run(scenario())


def test_a_refusal_without_a_slot_loses_what_has_no_answer_yet() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("b")
            world.subscriber.add("a")
            await turns()
            await world.heard(ClusterDownError("The cluster is down"))
            assert world.worries == 1
            assert (world.subscriber.hears(A), world.subscriber.hears(B)) == (False, True)
            await world.heard([b"ssubscribe", A, 1])  # it was another one that was refused
            assert world.subscriber.hears(A)
            assert world.is_caught_up()

    asyncio.run(scenario())


def test_a_topic_moves_with_what_waits_for_it() -> None:
    async def scenario() -> None:
        async with online() as old, online() as new:
            await old.subscribed("b")
            old.subscriber.add("a")
            await turns()
            parcel = old.parcel("a")
            old.subscriber.hold(parcel)
            new.subscriber.admit(A, old.subscriber.evict(A))
            assert old.is_caught_up()
            assert not new.is_caught_up()
            assert (old.subscriber.topics(), new.subscriber.topics()) == ([B], [A])
            await turns()
            assert old.ear.commands[-1] == (b"SUNSUBSCRIBE", A)
            assert new.ear.commands == [(b"SSUBSCRIBE", A)]
            await new.heard([b"ssubscribe", A, 1], [b"smessage", A, b"new"])
            assert new.is_caught_up()
            assert new.mouth.commands == [(b"SPUBLISH", A, b"x")]
            await old.heard([b"smessage", A, b"late"])
            assert (old.received, new.received) == ([], [("a", b"new")])

    asyncio.run(scenario())


def test_a_topic_of_the_node_itself_moves_too() -> None:
    async def scenario() -> None:
        async with online() as old, online() as new:
            old.subscriber._own[b"own"] = old.taken.append
            new.subscriber.admit(b"own", old.subscriber.evict(b"own"))
            await turns()
            await new.heard([b"ssubscribe", b"own", 1], [b"smessage", b"own", b"note"])
            assert old.taken == [b"note"]
            assert old.subscriber.topics() == []

    asyncio.run(scenario())


def test_a_topic_moves_to_a_node_that_is_away() -> None:
    async def scenario() -> None:
        async with online() as old:
            new = World()
            await old.subscribed("a")
            await old.heard([b"sunsubscribe", A, 0])
            parcel = old.parcel("a")
            old.subscriber.hold(parcel)
            new.subscriber.admit(A, old.subscriber.evict(A))
            assert outcome(parcel) == "rejected"
            new.subscriber.begin(new.ear)
            assert list(new.subscriber._joins) == [A]

    asyncio.run(scenario())


def test_what_nobody_got_because_the_topic_was_given_away_is_not_taken() -> None:
    async def scenario() -> None:
        async with online() as world:
            await world.subscribed("a")
            parcel = world.parcel("a")
            world.publisher.hand_in(parcel)
            await turns()
            world.mouth.answer(0)
            await turns()
            await world.heard([b"sunsubscribe", A, 0], b"PONG")
            assert isinstance(parcel.taken.exception(), BrokerUnavailableError)

    asyncio.run(scenario())


@pytest.mark.parametrize("answer", [moved(A), AskError("1 10.0.0.2:7001"), TryAgainError("in a moment")])
def test_what_another_node_serves_is_sent_back_and_owed_no_longer(answer: ResponseError) -> None:
    async def scenario() -> None:
        async with online() as world:
            first, second, third = world.parcel("a"), world.parcel("b"), world.parcel("b")
            for parcel in (first, second, third):
                world.publisher.hand_in(parcel)
            assert world.publisher.owes(key_slot(A))
            await turns()
            assert world.publisher.owes(key_slot(A))
            world.mouth.answer(answer, 1, ClusterDownError("The cluster is down"))
            await turns()
            assert world.sent_back == [first]
            assert not first.taken.done()
            assert second.taken.result() == 1
            assert outcome(third) == "rejected"
            assert not world.publisher.owes(key_slot(A))

    asyncio.run(scenario())


def test_every_lost_connection_is_a_worry() -> None:
    world = World()

    async def scenario() -> None:
        world.subscriber.end(BrokerUnavailableError("lost"))
        world.publisher.end(BrokerUnavailableError("lost"))

    asyncio.run(scenario())
    assert world.worries == 2


class Keeper:
    """A node that serves what it has not given away, and answers in order."""

    def __init__(self, world: World) -> None:
        self.topics: set[bytes] = set()
        self._world = world
        self._away: set[bytes] = set()
        self._served = 0

    def give(self, topic: bytes) -> None:
        """Another node has this slot now; whoever listened is told."""
        self._away.add(topic)
        if topic in self.topics:
            self.topics.discard(topic)
            self._world.ear.answer([b"sunsubscribe", topic, 0])

    def take_back(self, topic: bytes) -> None:
        """The slot came back."""
        self._away.discard(topic)

    async def serve(self, count: int) -> None:
        """Answer the next ``count`` commands."""
        await turns()
        for command, *topics in self._world.ear.commands[self._served :][:count]:
            self._served += 1
            for topic in topics[:1] if self._away.intersection(topics) else topics:
                self._answer(command, topic)
        await turns()

    def _answer(self, command: bytes, topic: bytes) -> None:
        if topic in self._away:
            self._world.ear.answer(moved(topic))
            return
        (self.topics.add if command == b"SSUBSCRIBE" else self.topics.discard)(topic)
        self._world.ear.answer([command.lower(), topic, 1])


ACTIONS = ["add", "remove", "publish", "serve", "turn", "give", "take back", "retry"]
STEPS = st.lists(st.tuples(st.sampled_from(ACTIONS), st.sampled_from("abc")), max_size=40)


@given(STEPS)
@settings(deadline=None, max_examples=150)
def test_whatever_moves_the_node_and_we_agree_in_the_end(steps: list[tuple[str, str]]) -> None:
    wanted: set[str] = set()
    published: list[Parcel] = []

    async def step(world: World, keeper: Keeper, action: str, channel: str) -> None:
        match action:
            case "add":
                wanted.add(channel)
                world.subscriber.add(channel)
            case "remove":
                wanted.discard(channel)
                world.subscriber.remove(channel)
            case "publish" if not world.subscriber.hears(topic_of(channel)):
                published.append(world.parcel(channel))
                world.subscriber.hold(published[-1])
            case "serve":
                await keeper.serve(1)
            case "give":
                keeper.give(topic_of(channel))
            case "take back":
                keeper.take_back(topic_of(channel))
            case "retry":
                world.subscriber.retry()
            case _:
                await turns(3)

    async def scenario() -> None:
        async with online() as world:
            world.subscriber._linger = 0.0
            keeper = Keeper(world)
            for action, channel in steps:
                await step(world, keeper, action, channel)
            for channel in "abc":
                keeper.take_back(topic_of(channel))
            for _ in range(3):
                await keeper.serve(1000)
                world.subscriber.retry()
            await keeper.serve(1000)
            assert keeper.topics == {topic_of(channel) for channel in wanted}
            assert world.subscriber._confirmed == keeper.topics
            assert all(world.subscriber.hears(topic_of(channel)) for channel in "abc")
            assert len(world.mouth.commands) == len(published)
            assert world.is_caught_up()

    asyncio.run(scenario())
