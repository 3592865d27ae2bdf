"""A bounded queue that is fair by address: nobody's crowd keeps others from their turn."""

from __future__ import annotations

import asyncio
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tornado_realtime.errors import AuthBusyError

Line = OrderedDict[asyncio.Future[None], None]


class FairQueue:
    """Lets ``running`` in at once; ``waiting`` more wait, and the addresses among them take turns.

    When it is full, whoever comes last gives up, or, if that helps somebody with fewer in line, the last of
    the longest line.

    Args:
        running: Most at once.
        waiting: Most that wait.
        retry_after: Seconds after which whoever gave up may try again.
    """

    def __init__(self, running: int, waiting: int, retry_after: float) -> None:
        self._most_running = running
        self._most_waiting = waiting
        self._retry_after = retry_after
        self._lines: OrderedDict[str, Line] = OrderedDict()
        self._lengths: Counter[int] = Counter()
        self._longest = 0
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Wait for one's turn; it is over with the block.

        Raises:
            AuthBusyError: Too many wait.
        """
        if self.running < self._most_running:
            self.running += 1
        else:
            await self._wait(address)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, address: str) -> None:
        if self.waiting >= self._most_waiting:
            self._make_room(address)
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._append(address, mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled() and mine.exception() is None:
                self._pass_on()  # it was our turn already
            else:
                self._remove(address, mine)
            raise

    def _make_room(self, address: str) -> None:
        own = len(self._lines.get(address, ()))
        if self._longest < own + 2:
            raise self._busy
        crowd = next(name for name, line in self._lines.items() if len(line) == self._longest)
        last = next(reversed(self._lines[crowd]))
        self._remove(crowd, last)
        if not last.done():
            last.set_exception(self._busy)

    def _pass_on(self) -> None:
        """Give the turn to the next address in line; a line that is not over goes to the end."""
        while self._lines:
            address, line = next(iter(self._lines.items()))
            first = next(iter(line))
            self._remove(address, first)
            if address in self._lines:
                self._lines.move_to_end(address)
            if not first.done():  # else it is about to leave
                first.set_result(None)
                return
        self.running -= 1

    def _append(self, address: str, mine: asyncio.Future[None]) -> None:
        line = self._lines.setdefault(address, OrderedDict())
        self._resized(len(line), len(line) + 1)
        line[mine] = None
        self.waiting += 1

    def _remove(self, address: str, mine: asyncio.Future[None]) -> None:
        line = self._lines.get(address)
        if line is None or mine not in line:
            return
        self._resized(len(line), len(line) - 1)
        del line[mine]
        self.waiting -= 1
        if not line:
            del self._lines[address]

    def _resized(self, before: int, after: int) -> None:
        """Keep count of how long the lines are, so that the longest is known without a look at all."""
        if before:
            self._lengths[before] -= 1
        if after:
            self._lengths[after] += 1
        self._longest = max(self._longest, after)
        while self._longest and not self._lengths[self._longest]:
            del self._lengths[self._longest]
            self._longest -= 1

    @property
    def _busy(self) -> AuthBusyError:
        return AuthBusyError("too many wait to be asked about", self._retry_after)
