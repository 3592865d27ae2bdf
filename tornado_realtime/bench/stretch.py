"""One stretch of load: publish by a pace until it is enough, then wait until everything has arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from tornado_realtime.bench.publishers import Press
from tornado_realtime.bench.subscribers import Crowd
from tornado_realtime.errors import BenchError

PATIENCE_SECONDS = 10.0
TICK_SECONDS = 0.5
QUIET_SECONDS = 0.02
"""How long to listen for what comes twice."""


@dataclass(frozen=True, slots=True)
class Window:
    """As fast as it goes, with at most ``size`` messages published and not delivered to everybody."""

    size: int

    def due(self, began: float, published: int, under_way: float, now: float) -> float | None:
        """When the next message is due: now, or None as long as the window is full."""
        return now if under_way + 1 <= self.size else None


@dataclass(frozen=True, slots=True)
class Rate:
    """``per_second`` messages, evenly."""

    per_second: float

    def due(self, began: float, published: int, under_way: float, now: float) -> float | None:
        """When the next message is due, be it past or to come."""
        return began + published / self.per_second


class Stretch:
    """Drives publishers by what subscribers hear.

    Args:
        press: Publishes; what it published before is forgotten.
        crowd: Listens; what it heard before is forgotten.
        pace: When to publish.
        seconds: For how long.
        most: Messages to publish at most, whatever the time; None for no such bound.
        tick: Called twice a second with the seconds that are left.
    """

    def __init__(
        self,
        press: Press,
        crowd: Crowd,
        pace: Window | Rate,
        seconds: float,
        most: int | None = None,
        tick: Callable[[float], None] = lambda _left: None,
    ) -> None:
        self._press, self._crowd, self._pace, self._most, self._tick = press, crowd, pace, most, tick
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()
        self._end = self._began + seconds
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._alarm: asyncio.TimerHandle | None = None
        self._ticker: asyncio.TimerHandle | None = None

    async def run(self) -> float:
        """Run it.

        Returns:
            Seconds until the last message had arrived everywhere.

        Raises:
            BenchError: A message was refused, lost or doubled, or a connection ended.
        """
        self._press.reset()
        self._crowd.reset()
        self._press.on_event = self._crowd.on_event = self._work
        timers = (
            self._loop.call_at(self._end, self._work),
            self._loop.call_at(self._end + PATIENCE_SECONDS, self._give_up),
        )
        try:
            self._tell()
            self._work()
            await self._done
            taken = self._loop.time() - self._began
            await asyncio.sleep(QUIET_SECONDS)
            self._check()
        finally:
            for timer in (*timers, self._alarm, self._ticker):
                if timer is not None:
                    timer.cancel()
            self._press.on_event = self._crowd.on_event = lambda: None
        return taken

    def _work(self) -> None:
        """Publish what may be published now; called after everything that happens."""
        if self._done.done():
            return
        if error := self._press.error or self._crowd.error:
            self._done.set_exception(error)
            return
        while self._press.has_idle and not self._is_over:
            now = self._loop.time()
            due = self._pace.due(self._began, self._press.published, self._under_way, now)
            if due is None:
                break
            if due > now:
                self._wake_at(due)
                break
            self._press.publish(due)
        if self._is_over and self._press.is_quiet and self._crowd.delivered >= self._press.expected:
            self._done.set_result(None)

    @property
    def _is_over(self) -> bool:
        if self._most is not None:
            return self._press.published >= self._most
        return self._loop.time() >= self._end

    @property
    def _under_way(self) -> float:
        """Messages that have not arrived everywhere."""
        published = self._press.published
        if not published:
            return 0.0
        return (self._press.expected - self._crowd.delivered) / (self._press.expected / published)

    def _wake_at(self, when: float) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = self._loop.call_at(when, self._work)

    def _tell(self) -> None:
        self._tick(self._end - self._loop.time())
        self._ticker = self._loop.call_later(TICK_SECONDS, self._tell)

    def _check(self) -> None:
        twice = self._crowd.delivered - self._press.expected
        if twice > 0:
            raise BenchError(f"{twice:,} messages arrived twice")

    def _give_up(self) -> None:
        if self._done.done():
            return
        lost, expected = self._press.expected - self._crowd.delivered, self._press.expected
        if not self._press.is_quiet:
            reason = f"a publish request was not answered within {PATIENCE_SECONDS:g} s"
        elif not self._crowd.delivered:
            reason = (
                "nothing that is published arrives: does another server publish, or speak another dialect?"
            )
        else:
            reason = f"{lost:,} of {expected:,} deliveries did not arrive within {PATIENCE_SECONDS:g} s"
        self._done.set_exception(BenchError(reason))
