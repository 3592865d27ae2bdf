"""Pings, deadlines and expiry for tens of thousands of connections, with one timer for all of them."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from tornado_realtime.connection import Phase
from tornado_realtime.wire.base import Farewell

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection

logger = logging.getLogger(__name__)

# Connections looked at in one turn of the loop.
SLICE_SIZE = 256
# Seconds before the end of a login at which a client is told, if its login lasts longer than that.
WARNING_SECONDS = 60.0


T = TypeVar("T")


class Wheel(Generic[T]):
    """What is due at which beat.

    Args:
        beat: The beat that is over.
    """

    def __init__(self, beat: int) -> None:
        self._last = beat
        self._slots: dict[int, dict[T, None]] = {}

    def put(self, item: T, beat: int) -> int:
        """Have ``item`` come due at ``beat``, or at the next one if that is over; which it is."""
        beat = max(beat, self._last + 1)
        self._slots.setdefault(beat, {})[item] = None
        return beat

    def drop(self, item: T, beat: int) -> None:
        """Undo ``put``; nothing happens if it came due already."""
        slot = self._slots.get(beat)
        if slot is not None:
            slot.pop(item, None)
            if not slot:
                del self._slots[beat]

    def due(self, beat: int) -> Iterator[T]:
        """Take out everything up to and including ``beat``."""
        last, self._last = self._last, max(beat, self._last)
        for number in range(last + 1, beat + 1):
            yield from self._slots.pop(number, ())


class Heart:
    """Keeps connections alive and ends those that do not answer, are stuck, or have outlived their login.

    The times are the seed's (wire.md A5): a ping every 54 s, an answer within 6 s, 10 s for a write.

    Args:
        loop: The hub's loop; its clock is used throughout.
        ping_interval: Seconds between pings.
        pong_timeout: Seconds a client has to answer a ping; less than ``ping_interval``.
        write_timeout: Seconds without progress after which a backlogged or closing client is dropped.
        talk_interval: Seconds between pings of wires that talk, which pages see.
        talk_timeout: Seconds a client of those has to say anything.
        tick: Seconds between beats. Everything is kept to within one beat, and no login ends early.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        ping_interval: float = 54.0,
        pong_timeout: float = 6.0,
        write_timeout: float = 10.0,
        talk_interval: float = 25.0,
        talk_timeout: float = 10.0,
        tick: float = 1.0,
    ) -> None:
        self._loop = loop
        self.talk_interval = talk_interval
        self._pulses = ((ping_interval, pong_timeout), (talk_interval, talk_timeout))
        self._write_timeout = write_timeout
        self._tick_seconds = tick
        beat = self._beat_at(loop.time())
        self._lively: Wheel[Connection] = Wheel(beat)
        self._expiring: Wheel[Connection] = Wheel(beat)
        self._reminders: Wheel[Callable[[], None]] = Wheel(beat)
        self._backlogged: dict[Connection, tuple[int, float]] = {}
        self._turn: deque[tuple[Callable[[Any], None], Any]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._expire: Callable[[Connection], None] = _ignore
        self._warn: Callable[[Connection], None] = _ignore

    def start(
        self, expire: Callable[[Connection], None], warn: Callable[[Connection], None] | None = None
    ) -> None:
        """Begin to beat.

        Args:
            expire: Ends a connection whose login ran out.
            warn: Tells a connection whose wire talks that this will happen soon.
        """
        self._expire = expire
        self._warn = warn if warn is not None else _ignore
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)

    def stop(self) -> None:
        """Beat no more. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._turn.clear()

    # -- what the hub tells ------------------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """A connection to look after."""
        self._look_again(connection, self._pulse(connection)[0])
        self._watch_login(connection)

    def renewed(self, connection: Connection, expires: float | None) -> None:
        """Its login ends at another time now, or not at all."""
        self._forget_login(connection)
        connection.expires = expires
        self._watch_login(connection)

    def closing(self, connection: Connection) -> None:
        """It said goodbye; its peer has ``write_timeout`` to answer."""
        self._lively.drop(connection, connection.due)
        self._forget_login(connection)
        if connection.phase is Phase.CLOSING:
            self._look_again(connection, self._write_timeout)

    def closed(self, connection: Connection) -> None:
        """It is gone."""
        self._lively.drop(connection, connection.due)

    def backlogged(self, connection: Connection) -> None:
        """Its outbox must make progress from now on."""
        outbox = connection.outbox
        written = outbox.written_bytes if outbox is not None else 0
        self._backlogged[connection] = (written, self._loop.time())

    @property
    def slow(self) -> Collection[Connection]:
        """Who has an outbox now."""
        return self._backlogged.keys()

    def drained(self, connection: Connection) -> None:
        """Its outbox is empty; only now can it know of a ping that waited in there."""
        self._backlogged.pop(connection, None)
        if connection.awaiting_pong and connection.phase is Phase.OPEN:
            self._look_again(connection, self._pulse(connection)[1])

    # -- others' times -----------------------------------------------------------------------------

    def remind(self, callback: Callable[[], None], when: float) -> int:
        """Have ``callback`` called once the loop's clock shows ``when``; what ``spare`` needs to know."""
        return self._reminders.put(callback, math.ceil(when / self._tick_seconds))

    def spare(self, callback: Callable[[], None], beat: int) -> None:
        """Undo ``remind``. What is due in this very turn may be called all the same."""
        self._reminders.drop(callback, beat)

    # -- logins ------------------------------------------------------------------------------------

    def _watch_login(self, connection: Connection) -> None:
        """Have it come due when its login ends, or before that, where it can be told so."""
        expires = connection.expires
        if expires is None:
            return
        beat, warning = self._expiry_beat(expires), self._warning_beat(expires)
        if connection.wire.talks and warning > self._beat_at(self._loop.time()):
            beat = warning
        self._expiring.put(connection, beat)

    def _forget_login(self, connection: Connection) -> None:
        if connection.expires is not None:
            self._expiring.drop(connection, self._expiry_beat(connection.expires))
            self._expiring.drop(connection, self._warning_beat(connection.expires))

    def _end_login(self, connection: Connection) -> None:
        expires = connection.expires
        if expires is None or connection.phase is not Phase.OPEN:
            return
        if self._beat_at(self._loop.time()) < self._expiry_beat(expires):
            self._expiring.put(connection, self._expiry_beat(expires))
            self._warn(connection)
        else:
            self._expire(connection)

    def _expiry_beat(self, expires: float) -> int:
        return math.ceil(expires / self._tick_seconds)

    def _warning_beat(self, expires: float) -> int:
        return self._expiry_beat(expires - WARNING_SECONDS)

    # -- the beat ----------------------------------------------------------------------------------

    def _beat_at(self, time: float) -> int:
        return int(time / self._tick_seconds)

    def _pulse(self, connection: Connection) -> tuple[float, float]:
        """Seconds between its pings, and seconds for its answer."""
        return self._pulses[connection.wire.talks]

    def _tick(self) -> None:
        now = self._loop.time()
        self._timer = self._loop.call_later(self._tick_seconds, self._tick)
        idle = not self._turn
        beat = self._beat_at(now)
        self._turn.extend((self._end_login, connection) for connection in self._expiring.due(beat))
        self._turn.extend((_call, callback) for callback in self._reminders.due(beat))
        self._turn.extend((self._drop, connection) for connection in self._stuck(now))
        self._turn.extend((self._look, connection) for connection in self._lively.due(beat))
        if idle and self._turn:
            self._serve_turn()

    def _stuck(self, now: float) -> list[Connection]:
        """Those whose outbox has not moved for too long; the others' marks are set anew."""
        found = []
        for connection, (written, since) in self._backlogged.items():
            outbox = connection.outbox
            if outbox is not None and outbox.written_bytes != written:
                self._backlogged[connection] = (outbox.written_bytes, now)
            elif now - since >= self._write_timeout:
                found.append(connection)
        return found

    def _serve_turn(self) -> None:
        """One slice of those due; the rest in the next turn, so that nobody waits for ten thousand pings."""
        turn = self._turn
        try:
            for _ in range(min(SLICE_SIZE, len(turn))):
                step, item = turn.popleft()
                step(item)
        finally:
            if turn:
                self._loop.call_soon(self._serve_turn)

    def _drop(self, connection: Connection) -> None:
        if connection in self._backlogged:
            logger.info("client dropped: it took nothing for %g s", self._write_timeout)
            connection.abort()

    def _look(self, connection: Connection) -> None:
        if connection.phase is Phase.CLOSED or connection.due > self._beat_at(self._loop.time()):
            return
        if connection.phase is Phase.CLOSING:
            connection.abort()
        elif connection.awaiting_pong:
            self._miss_pong(connection)
        elif connection.pinged:
            connection.pinged = False
            interval, timeout = self._pulse(connection)
            self._look_again(connection, interval - timeout)
        else:
            connection.pinged = True
            connection.awaiting_pong = not connection.wire.one_way
            self._look_again(connection, self._pulse(connection)[1])
            connection.send(connection.wire.ping)

    def _miss_pong(self, connection: Connection) -> None:
        """Give it up; but a slow client, whose ping may not be out yet, lives while it takes something."""
        if connection in self._backlogged:
            self._look_again(connection, self._pulse(connection)[1])
        elif connection.wire.talks:
            connection.close(connection.wire.farewell(Farewell.SILENT))
        else:
            connection.abort()

    def _look_again(self, connection: Connection, after: float) -> None:
        connection.due = self._lively.put(connection, self._beat_at(self._loop.time() + after))


def login_end(user: Any, now: float) -> float | None:
    """When, on the loop's clock that shows ``now``, the login of ``user`` runs out; None if never."""
    return None if user.expires is None else now + float(user.expires) - time.time()


def _call(callback: Callable[[], None]) -> None:
    callback()


def _ignore(connection: Connection) -> None:
    """Nobody asked to hear of expired logins yet."""
