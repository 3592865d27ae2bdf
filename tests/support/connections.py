"""Connections without sockets, an owner that notes what it is told, and a loop with a clock of its own."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from tornado_realtime.connection import Connection, Limits, Owner
from tornado_realtime.wire.base import Wire
from tornado_realtime.wire.raw import RawWire

AGAIN = BlockingIOError()
RAW = RawWire()


class NotingOwner(Owner):
    """Notes what connections tell; keeps nothing else."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits if limits is not None else Limits()
        self.notes: list[str] = []
        self.messages: list[tuple[bytes, bool]] = []
        self.on_overflow: Callable[[Connection], None] = lambda connection: None

    def begun(self, connection: Connection) -> None:
        pass

    def received(self, connection: Connection, message: bytes, is_text: bool) -> None:
        self.messages.append((message, is_text))

    def pinged(self, connection: Connection) -> bool:
        return True

    def overflowed(self, connection: Connection) -> None:
        self.notes.append("overflowed")
        self.on_overflow(connection)

    def dropped(self, connection: Connection, frames: int) -> None:
        self.notes.append(f"dropped {frames}")

    def backlogged(self, connection: Connection) -> None:
        self.notes.append("backlogged")

    def drained(self, connection: Connection) -> None:
        self.notes.append("drained")

    def closing(self, connection: Connection) -> None:
        self.notes.append("closing")

    def closed(self, connection: Connection) -> None:
        self.notes.append("closed")


class ScriptedConnection(Connection):
    """Writes go as the script says: a number of bytes, an error, or (when it is over) all of it."""

    def __init__(
        self, owner: Owner, *script: int | OSError, wire: Wire = RAW, user: Any = "u1", writing: bool = False
    ) -> None:
        super().__init__(owner, wire, user)
        self.script: deque[int | OSError] = deque(script)
        self.writes: list[bytes] = []
        self._wanted = False
        self.hung_up = False
        self.releases = 0
        self.still_writing = writing

    @property
    def sent(self) -> bytes:
        return b"".join(self.writes)

    @property
    def stage(self) -> str:
        return self.phase.name

    @property
    def queued_frames(self) -> int:
        return 0 if self.outbox is None else self.outbox.frames

    def asked_to_write(self) -> bool:
        return self._wanted

    def begin(self, early: bytes = b"") -> None:
        if early:
            self.receive(early)

    def _write(self, data: bytes) -> int:
        assert not self.releases, "written after release"
        step = self.script.popleft() if self.script else len(data)
        if isinstance(step, OSError):
            raise step
        self.writes.append(data[:step])
        return min(step, len(data))

    def _writev(self, views: Sequence[memoryview]) -> int:
        return self._write(b"".join(views))

    def _writing(self) -> bool:
        return self.still_writing

    def _want_write(self, wanted: bool) -> None:
        self._wanted = wanted

    def _hang_up(self) -> None:
        self.hung_up = True

    def _release(self) -> None:
        self.releases += 1


class ClockLoop:
    """As much of an event loop as the heart needs, with a clock that tests turn."""

    def __init__(self, time: float = 0.0) -> None:
        self._now = time
        self._soon: deque[Callable[[], None]] = deque()
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._count = 0

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[[], None]) -> None:
        self._soon.append(callback)

    def call_later(self, delay: float, callback: Callable[[], None]) -> FakeTimer:
        self._count += 1
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (self._now + delay, self._count, timer))
        return timer

    def turn(self) -> bool:
        """Run what is due now, once; whether there was anything."""
        while self._timers and self._timers[0][0] <= self._now:
            self._soon.append(heapq.heappop(self._timers)[2].run)
        callbacks, self._soon = self._soon, deque()
        for callback in callbacks:
            callback()
        return bool(callbacks)

    def settle(self) -> None:
        """Run turns until nothing is due."""
        while self.turn():
            pass

    def advance_to(self, time: float) -> None:
        """Turn the clock from timer to timer."""
        while self._timers and self._timers[0][0] <= time:
            self._now = self._timers[0][0]
            self.settle()
        self._now = time

    @property
    def real(self) -> asyncio.AbstractEventLoop:
        return cast(asyncio.AbstractEventLoop, self)


class FakeTimer:
    """A handle as ``call_later`` returns it."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def run(self) -> None:
        if self._callback is not None:
            self._callback()


def payloads(data: bytes) -> list[bytes]:
    """The payloads of finished, unmasked server frames of at most 64 KiB; fails on half a frame."""
    found = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        assert len(data) >= start + size, "half a frame"
        found.append(data[start : start + size])
        data = data[start + size :]
    return found


def opcodes(data: bytes) -> Iterable[int]:
    """The first bytes of finished frames."""
    while data:
        yield data[0]
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4]), 4
        data = data[start + size :]
