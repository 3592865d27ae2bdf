from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import NoPermissionError, ResponseError

from tests.unit.brokers.fake_line import FakeLine, turns
from tornado_realtime.brokers.redis.address import parse_address
from tornado_realtime.brokers.redis.cluster.guide import make_guide
from tornado_realtime.brokers.redis.cluster.scout import Scout
from tornado_realtime.brokers.redis.cluster.topology import QUESTIONS, Topology
from tornado_realtime.brokers.redis.link import Timing
from tornado_realtime.errors import BrokerUnavailableError


def answers(epoch: int = 1, *, well: bool = True, nodes: tuple[int, ...] = (7000, 7001)) -> list[object]:
    """What a node says whose cluster has these ports."""
    state = b"ok" if well else b"fail"
    info = b"cluster_state:%s\r\ncluster_current_epoch:%d\r\n" % (state, epoch)
    share = 16384 // len(nodes)
    slots = [[i * share, (i + 1) * share - 1, [b"h", port, b"id"]] for i, port in enumerate(nodes)]
    return [info, slots, [[b"ssubscribe"]]]


class World:
    """A scout, the lines that it was given, and what it found."""

    def __init__(self, seeds: str = "h:7000,h:7001") -> None:
        address = parse_address(f"redis-cluster://{seeds}")
        self.found: list[Topology] = []
        self.scout = Scout(address, make_guide(address, Timing(), lambda: False), 1.0, self.found.append)

    def dial(self) -> int:
        """Which port is asked next."""
        return int(self.scout.dial()._address.options["port"])

    @asynccontextmanager
    async def line(self) -> AsyncIterator[tuple[FakeLine, asyncio.Task[None]]]:
        """A line that works, and the task that reads it."""
        line = FakeLine()
        self.scout.begin(line)
        writing = asyncio.create_task(self.scout.write(line))
        reading = asyncio.create_task(self.scout.read(line))
        try:
            yield line, reading
        finally:
            for task in (writing, reading):
                task.cancel()
            await asyncio.gather(writing, reading, return_exceptions=True)

    async def refusal(self, replies: list[object]) -> str:
        """Why the node that gives ``replies`` is left."""
        async with self.line() as (line, reading):
            line.answer(*replies)
            with pytest.raises(BrokerUnavailableError) as caught:
                await reading
        return caught.value.reason


def test_the_nodes_are_asked_in_turn() -> None:
    world = World()
    assert [world.dial() for _ in range(4)] == [7000, 7001, 7000, 7001]


def test_a_new_line_asks_and_every_answer_is_passed_on() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        async with world.line() as (line, _):
            await turns()
            assert line.commands == list(QUESTIONS)
            line.answer(*answers(1), *answers(2))
            await turns()
            assert [topology.epoch for topology in world.found] == [1, 2]

    asyncio.run(scenario())


def test_who_asks_before_the_answer_shares_one_more_question() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        async with world.line() as (line, _):
            await turns()
            for _ in range(3):
                world.scout.ask()
                await turns()
            assert line.writes == 1
            line.answer(*answers())
            await turns(9)
            assert line.writes == 2
            line.answer(*answers())
            await turns(9)
            assert line.writes == 2

    asyncio.run(scenario())


def test_nodes_that_joined_are_asked_and_those_that_left_are_not_but_for_the_seeds() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        async with world.line() as (line, _):
            line.answer(*answers(nodes=(7000, 7002, 7003)))
            await turns()
        assert [world.dial() for _ in range(4)] == [7001, 7002, 7003, 7000]
        async with world.line() as (line, _):
            line.answer(*answers(nodes=(7000, 7003)))
            await turns()
        assert [world.dial() for _ in range(3)] == [7001, 7003, 7000]

    asyncio.run(scenario())


def test_an_answer_that_is_out_of_date_is_not_passed_on() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        async with world.line() as (line, _):
            line.answer(*answers(5))
            await turns()
        assert "out of date" in await world.refusal(answers(4))
        assert [topology.epoch for topology in world.found] == [5]

    asyncio.run(scenario())


def test_a_cluster_that_was_made_anew_is_believed_when_all_say_so() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        async with world.line() as (line, _):
            line.answer(*answers(5))
            await turns()
        for _ in range(2):
            await world.refusal(answers(1))
        async with world.line() as (line, _):
            line.answer(*answers(1))
            await turns()
        assert [topology.epoch for topology in world.found] == [5, 1]

    asyncio.run(scenario())


def test_a_cluster_that_is_down_is_passed_on_but_somebody_else_is_asked() -> None:
    async def scenario() -> None:
        world = World()
        world.dial()
        assert "it lost touch" in await world.refusal(answers(well=False))
        assert len(world.found) == 1

    asyncio.run(scenario())


@pytest.mark.parametrize(("error", "level"), [(ResponseError, "WARNING"), (NoPermissionError, "ERROR")])
def test_a_server_that_does_not_say_is_left_and_reported_when_all_do_so(
    error: type[ResponseError], level: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        world = World()
        for number in range(5):
            world.dial()
            async with world.line() as (line, reading):
                line.answer(error("no"), error("no"), [[b"x"]])
                with pytest.raises(BrokerUnavailableError) as caught:
                    await reading
            world.scout.began("asking", caught.value)
            assert world.scout.tried.is_set() == (number > 0)
        assert world.found == []

    asyncio.run(scenario())
    assert [record.levelname for record in caplog.records] == [level]
    assert "h:7000,h:7001" in caplog.text
