from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from tests.unit.brokers.fake_line import FakeLine
from tornado_realtime.brokers.redis.line import Line
from tornado_realtime.brokers.redis.link import Link, Timing, cancelled
from tornado_realtime.brokers.redis.outage import Outage
from tornado_realtime.errors import BrokerError, BrokerUnavailableError

SOON = Timing(backoff_base=0.001, backoff_cap=0.002, ping_every=0.001, ping_patience=0.002)


class DialledLine(FakeLine):
    """A line whose dial works, or not."""

    def __init__(self, works: bool) -> None:
        super().__init__()
        self.works = works
        self.closed = False

    async def open(self) -> None:
        if not self.works:
            raise BrokerUnavailableError("refused")

    async def close(self) -> None:
        self.closed = True


class Session:
    """A session that notes what happens to it and reads as it is told to."""

    name = "testing"

    def __init__(self, read: Callable[[Line], Awaitable[None]]) -> None:
        self.events: list[str] = []
        self._read = read

    def begin(self, line: Line) -> None:
        self.events.append("begin")

    def end(self, error: BrokerError) -> None:
        self.events.append(f"end: {error}")

    def ping(self) -> None:
        self.events.append("ping")

    async def read(self, line: Line) -> None:
        await self._read(line)

    async def write(self, line: Line) -> None:
        await asyncio.Event().wait()


class World:
    """A link whose dials work or not, in the given order; after the last it waits for ever."""

    def __init__(self, read: Callable[[Line], Awaitable[None]], dials: list[bool], timing: Timing) -> None:
        self.session = Session(read)
        self.lines = [DialledLine(works) for works in dials]
        self.over = asyncio.Event()
        self._dials = iter(self.lines)
        self.link = Link(self.session, self._dial, timing, Outage("h:1", lambda: 0))

    def _dial(self) -> Line:
        line = next(self._dials, None)
        if line is None:
            self.over.set()
            return DialledLine(False)
        return line

    async def run(self) -> None:
        task = asyncio.create_task(self.link.run())
        async with asyncio.timeout(5):
            await self.over.wait()
        await cancelled(task)
        assert all(line.closed for line in self.lines)


async def for_ever(_line: Line) -> None:
    await asyncio.Event().wait()


async def lost(_line: Line) -> None:
    raise BrokerUnavailableError("lost")


async def over(_line: Line) -> None:
    return


async def bug(_line: Line) -> None:
    raise KeyError("our bug")


@pytest.mark.parametrize(
    ("read", "reason"), [(lost, "lost"), (over, "the connection ended"), (bug, "KeyError")]
)
def test_whatever_ends_a_connection_another_is_made(
    read: Callable[[Line], Awaitable[None]], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        world = World(read, [True, False, True], SOON)
        await world.run()
        events = [event for event in world.session.events if event != "ping"]
        assert events[:5] == ["begin", f"end: {reason}", "end: refused", "begin", f"end: {reason}"]
        assert world.link.tried.is_set()

    with caplog.at_level(logging.ERROR):
        asyncio.run(scenario())
    assert len(caplog.records) == (2 if read is bug else 0)


def test_a_silent_connection_is_pinged_and_given_up() -> None:
    async def scenario() -> None:
        world = World(for_ever, [True], SOON)
        await world.run()
        assert world.session.events[:3] == ["begin", "ping", "end: no answer to PING within 0.002 s"]

    asyncio.run(scenario())


def test_whatever_is_heard_answers_the_ping() -> None:
    async def hear(line: Line) -> None:
        for _ in range(10):
            await asyncio.sleep(0.001)
            line.heard.set()
        raise BrokerUnavailableError("enough")

    async def scenario() -> None:
        timing = Timing(backoff_base=0.001, backoff_cap=0.001, ping_every=0.001, ping_patience=1.0)
        world = World(hear, [True], timing)
        await world.run()
        assert world.session.events.count("ping") > 1
        assert world.session.events[0] == "begin"
        assert "end: enough" in world.session.events

    asyncio.run(scenario())


def test_the_answer_may_come_late_in_the_time_it_has() -> None:
    async def hear(line: Line) -> None:
        asyncio.get_running_loop().call_later(0.12, line.heard.set)
        await asyncio.sleep(0.25)
        raise BrokerUnavailableError("enough")

    async def scenario() -> None:
        timing = Timing(backoff_base=0.001, backoff_cap=0.001, ping_every=0.001, ping_patience=0.2)
        world = World(hear, [True], timing)
        await world.run()
        assert "end: enough" in world.session.events

    asyncio.run(scenario())


@pytest.mark.parametrize(("stable", "anew"), [(0.0, True), (60.0, False)])
def test_the_backoff_starts_anew_after_a_stable_connection_only(
    stable: float, anew: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    bounds: list[float] = []

    def uniform(_low: float, high: float) -> float:
        bounds.append(high)
        return 0.0

    async def scenario() -> None:
        world = World(lost, [True] * 4, Timing(backoff_base=1.0, backoff_cap=4.0, stable=stable))
        monkeypatch.setattr(world.link._backoff, "_uniform", uniform)
        await world.run()
        assert bounds[:4] == ([1.0] * 4 if anew else [1.0, 2.0, 4.0, 4.0])

    asyncio.run(scenario())


def test_the_next_dial_is_known() -> None:
    async def scenario() -> None:
        world = World(lost, [], Timing(backoff_base=100.0, backoff_cap=100.0))
        await world.run()
        now = asyncio.get_running_loop().time()
        assert 0.0 <= world.link.wait_until_dial(now) <= 100.0
        assert world.link.wait_until_dial(now + 200.0) == 0.0

    asyncio.run(scenario())


def test_whoever_finds_redis_is_told_of_and_the_others_dial_at_once() -> None:
    found: list[str] = []

    async def scenario() -> None:
        world = World(for_ever, [False, True], Timing(backoff_base=1e6, backoff_cap=1e6))
        world.link._found = lambda: found.append("found")
        task = asyncio.create_task(world.link.run())
        await world.link.tried.wait()
        world.link.hurry()
        async with asyncio.timeout(5):
            while "begin" not in world.session.events:
                await asyncio.sleep(0)
        assert world.link.wait_until_dial(asyncio.get_running_loop().time()) == 0.0
        await cancelled(task)

    asyncio.run(scenario())
    assert found == ["found"]


def test_links_that_break_at_once_do_not_chase_each_other() -> None:
    async def scenario() -> None:
        world = World(lost, [True] * 4, Timing(backoff_base=1e6, backoff_cap=1e6))
        task = asyncio.create_task(world.link.run())
        await world.link.tried.wait()
        for _ in range(50):
            world.link.hurry()
            await asyncio.sleep(0)
        assert world.session.events.count("begin") == 2
        await cancelled(task)

    asyncio.run(scenario())
