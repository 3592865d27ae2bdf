"""Long answers wait until the client has taken what was sent before."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from tornado_realtime.connection import Phase

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits

Step = Callable[[], None]


class Pace:
    """Who asks for much at once gets it one after the other, and is no slow consumer for that.

    Args:
        limits: Bounds of one client.
        call_soon: Schedules a callback for the loop's next turn.
    """

    def __init__(self, limits: Limits, call_soon: Callable[[Step], object]) -> None:
        self._limits = limits
        self._call_soon = call_soon
        self._waiting: dict[Connection, deque[Step]] = {}

    def has_room(self, connection: Connection, frames: int, size_bytes: int) -> bool:
        """Whether so much can be offered to a client; always if nothing waits for it."""
        outbox = connection.outbox
        return outbox is None or (
            outbox.frames + frames <= self._limits.outbox_frames
            and outbox.size_bytes + size_bytes <= self._limits.outbox_bytes
        )

    def wait(self, connection: Connection, step: Step) -> None:
        """Have ``step`` called when nothing waits for the client any more, unless it leaves before."""
        self._waiting.setdefault(connection, deque()).append(step)

    def drained(self, connection: Connection) -> None:
        """It has taken everything."""
        if connection in self._waiting:
            self._call_soon(lambda: self._go_on(connection))

    def forget(self, connection: Connection) -> None:
        """It is over."""
        self._waiting.pop(connection, None)

    def _go_on(self, connection: Connection) -> None:
        waiting = self._waiting.get(connection)
        while waiting and connection.outbox is None and connection.phase is Phase.OPEN:
            waiting.popleft()()
        if not waiting and self._waiting.get(connection) is waiting:
            self._waiting.pop(connection, None)
