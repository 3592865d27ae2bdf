"""A line to a Redis that answers when it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from tornado_realtime.brokers.redis.address import parse_address
from tornado_realtime.brokers.redis.line import Command, Line
from tornado_realtime.errors import BrokerError


class FakeLine(Line):
    """Keeps what was written; ``answer`` hands replies to whoever reads."""

    def __init__(self) -> None:
        self._address = parse_address("")
        self._dial_timeout = 1.0
        self.heard = asyncio.Event()
        self.answers: list[object] = []
        self.commands: list[Command] = []
        self.writes = 0
        self.aborted = False
        self.room = asyncio.Event()
        self.room.set()
        self._replies: asyncio.Queue[object] = asyncio.Queue()

    async def write(self, commands: Iterable[Command]) -> None:
        self.commands.extend(commands)
        self.writes += 1
        await self.room.wait()

    async def read(self) -> object:
        return await self._replies.get()

    def answer(self, *replies: object) -> None:
        for reply in replies:
            self._replies.put_nowait(reply)

    def abort(self, why: BrokerError | None = None) -> None:
        self.aborted = True


async def turns(count: int = 10) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)
