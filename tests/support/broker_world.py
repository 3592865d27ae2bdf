"""What broker tests share: a sink that can be waited for, and a loop that shows what was left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from tornado_realtime.brokers.base import Broker
from tornado_realtime.publication import Gap, Publication

PATIENCE = 10.0


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[Publication] = []
        self.notes: list[bytes] = []
        self.gaps: list[Gap] = []
        self._more = asyncio.Event()

    def deliver(self, publication: Publication) -> None:
        self.got.append(publication)
        self._more.set()

    def told(self, message: bytes) -> None:
        self.notes.append(message)
        self._more.set()

    def missed(self, gap: Gap) -> None:
        self.gaps.append(gap)
        self._more.set()

    @property
    def data(self) -> list[bytes]:
        """The messages alone."""
        return [publication.data for publication in self.got]

    async def wait_for(self, count: int) -> list[Publication]:
        """Wait until ``count`` publications are there; more are an error."""
        async with asyncio.timeout(PATIENCE):
            while len(self.got) < count:
                self._more.clear()
                await self._more.wait()
        assert len(self.got) == count
        return self.got

    async def wait_for_notes(self, count: int) -> list[bytes]:
        """Wait until ``count`` node messages are there; more are an error."""
        async with asyncio.timeout(PATIENCE):
            while len(self.notes) < count:
                self._more.clear()
                await self._more.wait()
        assert len(self.notes) == count
        return self.notes


async def eventually(check: Callable[[], bool] | Callable[[], Awaitable[bool]]) -> None:
    """Wait until ``check`` says yes."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = check()
            if answer is True or (answer is not False and await answer):
                return
            await asyncio.sleep(0.01)


def run(scenario: Coroutine[Any, Any, None], *brokers: Broker) -> None:
    """Run ``scenario``; whatever happens close ``brokers``, and fail if a task is left."""

    async def world() -> None:
        try:
            await scenario
        finally:
            for broker in brokers:
                await broker.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        assert not rest, f"tasks left behind: {rest}"

    asyncio.run(world(), debug=False)
