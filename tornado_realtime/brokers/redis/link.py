"""A connection to Redis that is kept up: dialled, watched, and dialled again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from tornado_realtime.brokers.redis.backoff import Backoff
from tornado_realtime.brokers.redis.line import Line
from tornado_realtime.errors import BrokerUnavailableError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient the links are; all in seconds.

    Attributes:
        dial: For one dial, login included.
        ping_every: Between two health checks.
        ping_patience: For the answer to one; a half-open connection is noticed after the sum of both.
        backoff_base: Upper bound of the first wait before dialling again.
        backoff_cap: Upper bound of every such wait.
        stable: A connection that lasted so long starts the backoff anew.
        canary: Between two probes, and for each to come back; 0 for none.
        linger: How long a channel stays subscribed after its last subscriber left; a page that is
            loaded again is back sooner.
    """

    dial: float = 5.0
    ping_every: float = 5.0
    ping_patience: float = 2.0
    backoff_base: float = 0.1
    backoff_cap: float = 30.0
    stable: float = 10.0
    canary: float = 5.0
    linger: float = 5.0


class Session(Protocol):
    """What is done over one connection, again over each."""

    name: str

    def begin(self, line: Line) -> None:
        """``line`` is open."""

    async def read(self, line: Line) -> None:
        """Take what comes in, until the connection breaks."""

    async def write(self, line: Line) -> None:
        """Send what is to be sent, until the connection breaks."""

    def ping(self) -> None:
        """Send a PING soon."""

    def end(self, error: BrokerUnavailableError) -> None:
        """The connection is lost, or was never made."""


class Witness(Protocol):
    """Who hears of losses."""

    def began(self, link: str, error: BrokerUnavailableError) -> None:
        """The connection of this name is lost, or could not be made."""


class Link:
    """Keeps one session supplied with a connection.

    Args:
        session: What uses the connection.
        dial: Makes a connection that is not open yet.
        timing: How patient to be.
        witness: Told about every loss.
        found: Called when a dial worked: Redis is there, for others too.
    """

    def __init__(
        self,
        session: Session,
        dial: Callable[[], Line],
        timing: Timing,
        witness: Witness,
        found: Callable[[], None] = lambda: None,
    ) -> None:
        self.tried = asyncio.Event()  #: set once the first dial worked or failed
        self._session = session
        self._dial = dial
        self._timing = timing
        self._witness = witness
        self._backoff = Backoff(timing.backoff_base, timing.backoff_cap)
        self._next_dial = 0.0
        self._found = found
        self._hurry = asyncio.Event()
        self._may_hurry = True

    async def run(self) -> None:
        """Dial, serve, and dial again, until cancelled."""
        while True:
            error = await self._attempt()
            wait = self._backoff.next()
            self._next_dial = asyncio.get_running_loop().time() + wait
            self._session.end(error)
            self._witness.began(self._session.name, error)
            self.tried.set()
            await self._pause(wait)

    def hurry(self) -> None:
        """Dial at once if the next dial is only waited for.

        Once in a time of trouble: two links that work and break at once must not chase each other.
        """
        if self._may_hurry:
            self._hurry.set()

    def wait_until_dial(self, now: float) -> float:
        """Seconds from ``now`` (loop time) until the next dial is due; 0 while connected or dialling."""
        return max(0.0, self._next_dial - now)

    async def _pause(self, seconds: float) -> None:
        self._hurry.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
            self._may_hurry = False
        self._next_dial = 0.0

    async def _attempt(self) -> BrokerUnavailableError:
        try:
            await self._serve()
        except BrokerUnavailableError as error:
            return error
        except Exception as error:  # our bug: say so, and go on serving the rest
            logger.exception("the %s link to Redis failed", self._session.name)
            return BrokerUnavailableError(type(error).__name__)
        return BrokerUnavailableError("the connection ended")

    async def _serve(self) -> None:
        line = self._dial()
        try:
            await line.open()
            self._session.begin(line)
            self.tried.set()
            self._found()
            opened = asyncio.get_running_loop().time()
            try:
                await _until_one_fails(self._session.read(line), self._session.write(line), self._watch(line))
            finally:
                if asyncio.get_running_loop().time() - opened >= self._timing.stable:
                    self._backoff.reset()
                    self._may_hurry = True
        finally:
            await line.close()

    async def _watch(self, line: Line) -> None:
        while True:
            await asyncio.sleep(self._timing.ping_every)
            line.heard.clear()
            self._session.ping()
            await self._hear(line)

    async def _hear(self, line: Line) -> None:
        # Two waits: after this process was itself stopped for a while, the first is over at once,
        # before what lies in the socket could be read.
        for _ in range(2):
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.ping_patience / 2):
                    await line.heard.wait()
                return
        raise BrokerUnavailableError(f"no answer to PING within {self._timing.ping_patience:g} s")


async def _until_one_fails(*jobs: Coroutine[Any, Any, None]) -> None:
    tasks = [asyncio.create_task(job) for job in jobs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await cancelled(*tasks)


async def cancelled(*tasks: asyncio.Task[None]) -> None:
    """Cancel ``tasks`` and wait until they are gone."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
