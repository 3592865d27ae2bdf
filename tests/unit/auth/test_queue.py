"""Turns: bounded, and fair by address."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tornado_realtime.auth.queue import FairQueue
from tornado_realtime.errors import AuthBusyError


class World:
    """A queue, and who was let in by it in which order."""

    def __init__(self, running: int, waiting: int) -> None:
        self.queue = FairQueue(running, waiting, 5.0)
        self.entered: list[str] = []
        self.inside: list[asyncio.Event] = []
        self.most = 0

    def come(self, name: str) -> asyncio.Task[None]:
        """Somebody from the address that the first letter tells."""
        return asyncio.create_task(self._visit(name))

    async def _visit(self, name: str) -> None:
        async with self.queue.turn(name[0]):
            self.entered.append(name)
            self.most = max(self.most, self.queue.running)
            out = asyncio.Event()
            self.inside.append(out)
            await out.wait()

    async def let_out(self, visitors: int = 1) -> None:
        for _ in range(visitors):
            self.inside.pop(0).set()
            await settle()


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await scenario()

    asyncio.run(main())


def test_addresses_take_turns() -> None:
    async def main() -> None:
        world = World(1, 10)
        tasks = [world.come(name) for name in ("a1", "a2", "a3", "a4", "b1", "b2", "c1")]
        await settle()
        assert (world.queue.running, world.queue.waiting) == (1, 6)
        await world.let_out(7)
        assert world.entered == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]
        await asyncio.gather(*tasks)
        assert (world.queue.running, world.queue.waiting, world.most) == (0, 0, 1)

    run(main)


def test_when_it_is_full_the_last_gives_up() -> None:
    async def main() -> None:
        world = World(1, 2)
        tasks = [world.come(name) for name in ("a1", "b1", "c1", "d1", "b2")]
        await settle()
        for late in tasks[3:]:
            with pytest.raises(AuthBusyError) as caught:
                await late
            assert caught.value.retry_after == 5.0
        await world.let_out(3)
        assert world.entered == ["a1", "b1", "c1"]

    run(main)


def test_a_crowd_makes_room_for_others() -> None:
    async def main() -> None:
        world = World(1, 4)
        tasks = [world.come(name) for name in ("a0", "a1", "a2", "a3", "a4", "b1", "c1", "a5", "b2")]
        await settle()
        # b1 took the place of a4, c1 that of a3; then nobody has two more than anybody else.
        assert [task.done() for task in tasks] == [False, False, False, True, True, False, False, True, True]
        for task in (tasks[3], tasks[4], tasks[7], tasks[8]):
            with pytest.raises(AuthBusyError):
                await task
        await world.let_out(5)
        assert world.entered == ["a0", "a1", "b1", "c1", "a2"]

    run(main)


def test_who_leaves_gives_the_place_free() -> None:
    async def main() -> None:
        world = World(1, 2)
        first, second, third = (world.come(name) for name in ("a1", "b1", "c1"))
        await settle()
        second.cancel()
        await settle()
        assert world.queue.waiting == 1
        fourth = world.come("d1")
        await settle()
        # Its turn comes and it leaves in the same moment: the turn is the next one's.
        world.inside.pop(0).set()
        await asyncio.sleep(0)
        third.cancel()
        await settle()
        assert world.entered[-1] == "d1"
        await world.let_out()
        await asyncio.gather(first, fourth)
        assert (world.queue.running, world.queue.waiting) == (0, 0)

    run(main)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["come", "leave", "cancel"]), st.integers(0, 5)), max_size=60))
def test_whatever_happens_turns_are_neither_lost_nor_made(steps: list[tuple[str, int]]) -> None:
    async def main() -> None:
        world = World(2, 4)
        tasks: list[asyncio.Task[None]] = []
        for step, number in steps:
            if step == "come":
                tasks.append(world.come("abcdef"[number] + str(len(tasks))))
            elif step == "leave" and world.inside:
                world.inside.pop(0).set()
            elif step == "cancel" and tasks:
                tasks[number % len(tasks)].cancel()
            if number % 2:
                await settle()
            assert world.queue.running <= 2
            assert world.queue.waiting <= 4
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (world.queue.running, world.queue.waiting, world.queue._longest) == (0, 0, 0)
        assert world.most <= 2

    run(main)
