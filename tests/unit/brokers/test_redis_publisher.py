from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import NoPermissionError, NoScriptError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.publisher import COPY_MILLISECONDS, QUEUE_BYTES, Parcel, Publisher
from tornado_realtime.errors import BrokerClosedError, BrokerError, BrokerUnavailableError


class World:
    """A publisher on a fake line."""

    def __init__(self) -> None:
        self.doubtful: list[Parcel] = []
        self.publisher = Publisher(lambda: None, self.doubtful.append)
        self.line = FakeLine()

    def hand_in(self, data: bytes = b"x", *, awaited: bool = False) -> Parcel:
        parcel = Parcel(b"t", data, asyncio.get_running_loop().create_future(), awaited)
        self.publisher.hand_in(parcel)
        return parcel


def outcome_of(parcel: Parcel) -> str:
    error = parcel.taken.exception()
    assert isinstance(error, BrokerError)
    return error.outcome


@asynccontextmanager
async def online() -> AsyncIterator[World]:
    world = World()
    world.publisher.begin(world.line)
    tasks = [
        asyncio.create_task(world.publisher.write(world.line)),
        asyncio.create_task(world.publisher.read(world.line)),
    ]
    try:
        yield world
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def test_what_one_turn_brings_leaves_in_one_write_in_order() -> None:
    async def scenario() -> None:
        async with online() as world:
            parcels = [world.hand_in(b"%d" % number) for number in range(5)]
            await turns()
            assert world.line.commands == [(b"PUBLISH", b"t", b"%d" % number) for number in range(5)]
            assert world.line.writes == 1
            world.line.answer(1, 1, 1)
            await turns()
            assert [parcel.taken.done() for parcel in parcels] == [True] * 3 + [False] * 2

    asyncio.run(scenario())


def test_what_was_withdrawn_in_time_is_never_sent() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.line.room.clear()
            first = world.hand_in(b"first")
            await turns()
            second, third = world.hand_in(b"second"), world.hand_in(b"third")
            second.withdraw()
            world.line.room.set()
            await turns()
            assert [command[2] for command in world.line.commands] == [b"first", b"third"]
            assert (first.sent, second.sent, third.sent) == (True, False, True)

    asyncio.run(scenario())


def test_a_stalled_socket_gets_one_batch_at_most() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.line.room.clear()
            for _ in range(10):
                world.hand_in(b"x" * 50_000)
            await turns()
            assert len(world.line.commands) == 2

    asyncio.run(scenario())


def test_an_error_reply_fails_its_own_parcel_only() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.line.refusal = lambda error: BrokerUnavailableError(str(error))  # type: ignore[method-assign]
            parcels = [world.hand_in() for _ in range(3)]
            await turns()
            world.line.answer(1, NoPermissionError("no"), 1)
            await turns()
            assert parcels[0].taken.result() == 1
            assert isinstance(parcels[1].taken.exception(), BrokerUnavailableError)
            assert outcome_of(parcels[1]) == "rejected"
            assert parcels[2].taken.result() == 1

    asyncio.run(scenario())


def test_nobody_heard_what_this_node_listens_to_is_doubtful() -> None:
    async def scenario() -> None:
        async with online() as world:
            parcels = [world.hand_in(awaited=True), world.hand_in(awaited=False), world.hand_in(awaited=True)]
            await turns()
            world.line.answer(0, 0, 1)
            await turns()
            assert world.doubtful == parcels[:1]
            assert [parcel.taken.done() for parcel in parcels] == [False, True, True]

    asyncio.run(scenario())


def test_the_end_fails_everything_with_an_error_of_its_own() -> None:
    async def scenario() -> None:
        async with online() as world:
            sent = world.hand_in()
            await turns()
            waiting = world.hand_in()
            world.publisher.end(BrokerClosedError("over"))
            late = world.hand_in()
            errors = [parcel.taken.exception() for parcel in (sent, waiting, late)]
            assert [type(error) for error in errors] == [
                BrokerClosedError,
                BrokerClosedError,
                BrokerUnavailableError,
            ]
            assert errors[0] is not errors[1]
            assert list(map(outcome_of, (sent, waiting, late))) == ["unknown", "rejected", "rejected"]
            assert not world.publisher.online

    asyncio.run(scenario())


def test_a_full_queue_refuses_but_always_takes_one() -> None:
    async def scenario() -> None:
        async with online() as world:
            huge = b"x" * (QUEUE_BYTES + 1)
            first, second = world.hand_in(huge), world.hand_in(b"x")
            assert not first.taken.done()
            assert isinstance(second.taken.exception(), BrokerUnavailableError)
            await turns()
            world.line.answer(1)
            await turns()
            assert not world.hand_in(b"x").taken.done()

    asyncio.run(scenario())


def test_what_was_withdrawn_leaves_its_room_in_the_queue() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.hand_in(b"x" * QUEUE_BYTES).withdraw()
            await turns()
            assert world.line.commands == []
            world.hand_in(b"x")
            assert not world.hand_in(b"x" * (QUEUE_BYTES - 1)).taken.done()

    asyncio.run(scenario())


def test_a_failure_nobody_waits_for_is_no_complaint(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        async with online() as world:
            parcel = world.hand_in()
            parcel.fail(BrokerUnavailableError("lost"))
            parcel.withdraw()
            del parcel
            world.publisher.end(BrokerClosedError("over"))
            gc.collect()

    asyncio.run(scenario())
    assert caplog.records == []


def test_a_ping_among_publications_is_matched_with_its_answer() -> None:
    async def scenario() -> None:
        async with online() as world:
            world.publisher.ping()
            parcel = world.hand_in()
            await turns()
            assert world.line.commands == [(b"PING",), (b"PUBLISH", b"t", b"x")]
            world.line.answer(b"PONG")
            await turns()
            assert not parcel.taken.done()
            world.line.answer(1)
            await turns()
            assert parcel.taken.done()

    asyncio.run(scenario())


def test_doubt_breaks_a_silent_connection_only() -> None:
    async def scenario() -> None:
        async with online() as world:
            parcel = world.hand_in()
            broken = []
            for silence in (60.0, 0.0):
                world.publisher.doubt(silence)
                broken.append(world.line.aborted)
            assert broken == [False, True]
            assert isinstance(parcel.taken.exception(), BrokerUnavailableError)

    asyncio.run(scenario())


def test_an_answer_without_a_question_breaks_the_connection() -> None:
    async def scenario() -> None:
        world = World()
        world.publisher.begin(world.line)
        world.line.answer(1)
        with pytest.raises(BrokerUnavailableError):
            await world.publisher.read(world.line)

    asyncio.run(scenario())


def test_what_replicas_must_have_is_taken_when_they_say_so() -> None:
    async def scenario() -> None:
        async with online() as world:

            def hand_in(data: bytes, replicas: int) -> Parcel:
                taken: asyncio.Future[object] = asyncio.get_running_loop().create_future()
                parcel = Parcel(b"t", data, taken, replicas=replicas)
                world.publisher.hand_in(parcel)
                return parcel

            plain, one, two = hand_in(b"0", 0), hand_in(b"1", 1), hand_in(b"2", 1)
            await turns()
            assert world.line.commands[-1] == (b"WAIT", b"1", COPY_MILLISECONDS)
            assert len(world.line.commands) == 4
            world.line.answer(1, b"one", b"two")
            await turns()
            assert [parcel.taken.done() for parcel in (plain, one, two)] == [True, False, False]
            world.line.answer(1)
            await turns()
            assert (one.taken.result(), two.taken.result()) == (b"one", b"two")

            late, lost = hand_in(b"3", 1), hand_in(b"4", 1)
            await turns()
            world.line.answer(b"late", b"lost", 0)
            await turns()
            assert outcome_of(late) == outcome_of(lost) == "unknown"

            last = hand_in(b"5", 1)
            await turns()
            world.line.answer(b"last")
            await turns()
            world.publisher.end(BrokerUnavailableError("gone"))
            assert outcome_of(last) == "unknown"
            assert hand_in(b"6", 0).taken.exception() is not None

    asyncio.run(scenario())


def test_a_script_that_is_not_there_is_refused_and_ends_the_connection() -> None:
    async def scenario() -> None:
        world = World()
        world.publisher.begin(world.line)
        writing = asyncio.create_task(world.publisher.write(world.line))
        reading = asyncio.create_task(world.publisher.read(world.line))
        first, second = world.hand_in(b"1"), world.hand_in(b"2")
        await turns()
        world.line.answer(NoScriptError("No matching script. Please use EVAL."))
        with pytest.raises(BrokerUnavailableError, match="script"):
            await reading
        assert outcome_of(first) == "rejected"
        assert not second.taken.done()
        writing.cancel()
        world.publisher.end(BrokerUnavailableError("gone"))
        assert outcome_of(second) == "unknown"

    asyncio.run(scenario())
