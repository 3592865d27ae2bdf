"""Long answers come one after the other: when the client has taken what was sent before, and one a turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado_realtime.connection import Phase

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits

Step = Callable[[], None]

# Bytes of an answer that is long: to make it takes longer than to read the question.
LONG_BYTES = 4096


class Pace:
    """Who asks for much at once is no slow consumer for that, and does not hold up the loop.

    Args:
        limits: Bounds of one client.
        call_soon: Schedules a callback for the loop's next turn.
    """

    def __init__(self, limits: Limits, call_soon: Callable[[Step], object]) -> None:
        self._limits = limits
        self._call_soon = call_soon
        self._waiting: dict[Connection, deque[Step]] = {}
        # Who got a long answer in this turn.
        self._served: set[Connection] = set()

    def may_ask(self, connection: Connection) -> bool:
        """Whether a client may be given another long answer in this turn."""
        return connection not in self._served

    def has_room(self, connection: Connection, frames: int, size_bytes: int) -> bool:
        """Whether so much can be offered to a client; always if nothing waits for it."""
        outbox = connection.outbox
        return outbox is None or (
            outbox.frames + frames <= self._limits.outbox_frames
            and outbox.size_bytes + size_bytes <= self._limits.outbox_bytes
        )

    def served(self, connection: Connection, size_bytes: int) -> None:
        """A client was given so much."""
        if size_bytes >= LONG_BYTES:
            if not self._served:
                self._call_soon(self._turn)
            self._served.add(connection)

    def wait(self, connection: Connection, step: Step) -> None:
        """Have ``step`` called when a client may have more, unless it leaves before."""
        self._waiting.setdefault(connection, deque()).append(step)

    def drained(self, connection: Connection) -> None:
        """It has taken everything."""
        if connection in self._waiting:
            self._call_soon(lambda: self._go_on(connection))

    def forget(self, connection: Connection) -> None:
        """It is over."""
        self._waiting.pop(connection, None)
        self._served.discard(connection)

    def _turn(self) -> None:
        served, self._served = self._served, set()
        for connection in served:
            self._go_on(connection)

    def _go_on(self, connection: Connection) -> None:
        waiting = self._waiting.get(connection)
        while waiting and connection.outbox is None and connection.phase is Phase.OPEN:
            if not self.may_ask(connection):
                return
            waiting.popleft()()
        if not waiting and self._waiting.get(connection) is waiting:
            self._waiting.pop(connection, None)
