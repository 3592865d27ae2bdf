"""How long the turns of the event loop are: the first thing to look at when everything is slow."""

from __future__ import annotations

import asyncio
from collections import deque

PROBE = 0.05
WINDOW = 60.0
_BUCKET = 5.0


class LoopTurns:
    """Measures by a timer how late the loop is; a turn that takes long makes the next probe late.

    Args:
        loop: The loop to watch.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._buckets: deque[tuple[float, float]] = deque()

    def start(self) -> None:
        """Begin to watch."""
        self._due = self._loop.time() + PROBE
        self._timer = self._loop.call_at(self._due, self._probe)

    def stop(self) -> None:
        """Watch no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def longest(self) -> float:
        """The longest turn seen within the last ``WINDOW`` seconds, in seconds."""
        self._forget(self._loop.time())
        return max((late for _, late in self._buckets), default=0.0)

    def _probe(self) -> None:
        now = self._loop.time()
        self._note(now, now - self._due)
        self._due = now + PROBE
        self._timer = self._loop.call_at(self._due, self._probe)

    def _note(self, now: float, late: float) -> None:
        begun = now - now % _BUCKET
        if self._buckets and self._buckets[-1][0] == begun:
            if late > self._buckets[-1][1]:
                self._buckets[-1] = (begun, late)
            return
        self._buckets.append((begun, late))
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._buckets and self._buckets[0][0] < now - WINDOW:
            self._buckets.popleft()
