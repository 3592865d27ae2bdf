"""From a subscription to a stream to its first live publication, without a gap and without a duplicate.

A client is told a position, gets what it missed up to there, and from then on what comes live. Where the
broker knows the past at once, that is one step. Where the past has to be read, what comes live meanwhile is
held, once for all who join the channel; a read that is ahead of what came live is waited for.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tornado_realtime.connection import Phase
from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.hub.held import Held
from tornado_realtime.hub.reads import Question, newest
from tornado_realtime.hub.replays import ACK_BYTES, Replays
from tornado_realtime.publication import History
from tornado_realtime.wire.base import Start

if TYPE_CHECKING:
    from tornado_realtime.brokers.base import Broker
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.hub.fanout import Fanout
    from tornado_realtime.hub.pace import Pace
    from tornado_realtime.hub.reads import Reads
    from tornado_realtime.members import Listing
    from tornado_realtime.publication import Position, Publication
    from tornado_realtime.wire.commands import Subscribe
    from tornado_realtime.wire.frames import Batch

logger = logging.getLogger(__name__)

# Clients that are served in one turn of the loop when a read is there.
SLICE_SIZE = 128
# Seconds between two looks at a node that is behind what was read.
LOOK = 0.05
# How often a read is repeated that does not meet what came live.
MOST_TRIES = 5


class Host(Protocol):
    """What is asked of the room around it."""

    def leave(self, connection: Connection, channel: str) -> None:
        """End a subscription without a word."""

    def listing(self, connection: Connection, command: Subscribe) -> Listing | None:
        """Who is present where a client is subscribed now, if it asked for that."""

    def answered(self, connection: Connection, channel: str) -> None:
        """A client that was not answered at once is answered now."""

    def away(self, connection: Connection, command: Subscribe, error: BrokerError) -> None:
        """A client cannot be told what it missed: tell it that."""

    def name(self, connection: Connection) -> str:
        """The connection's public name."""


class _Join:
    """One client on its way into one stream.

    Attributes:
        position: Where it begins, once it was told.
        since: How many publications the channel's ``Held`` had seen when it came.
        shares: Whether it waits for a read that was begun before it came.
        tries: How often was read for it.
        before: The epoch in which this node still was when the client was told another one.
        fallback: Where it began when it came before, and is not in yet.
        is_kept: It is among those that take time.
        is_over: It is in, or does not want to come in any more.
    """

    __slots__ = (
        "before",
        "command",
        "connection",
        "fallback",
        "is_kept",
        "is_over",
        "position",
        "shares",
        "since",
        "tries",
    )

    def __init__(self, connection: Connection, command: Subscribe, since: int) -> None:
        self.connection = connection
        self.command = command
        self.since = since
        self.position: Position | None = None
        self.fallback: Position | None = None
        self.before = ""
        self.is_kept = False
        self.shares = False
        self.tries = 0
        self.is_over = False

    @property
    def channel(self) -> str:
        """Of which stream."""
        return self.command.channel


class Joining:
    """Lets clients into streams.

    Args:
        host: The hub.
        broker: Knows the past.
        fanout: Brings what comes.
        reads: Reads the past where that takes time.
        pace: Makes those wait who have not taken what they were sent.
        limits: Bounds of one client.

    Attributes:
        held: What comes meanwhile, on channels that somebody is still joining.
    """

    def __init__(
        self, host: Host, broker: Broker, fanout: Fanout, reads: Reads, pace: Pace, limits: Limits
    ) -> None:
        self._host = host
        self._broker = broker
        self._fanout = fanout
        self._reads = reads
        self._pace = pace
        self._limits = limits
        self._loop = asyncio.get_running_loop()
        self.held: dict[str, Held] = {}
        self._joins: dict[tuple[Connection, str], _Join] = {}
        self._behind: dict[str, list[_Join]] = {}
        self._ready: deque[tuple[_Join, History | BrokerError | None]] = deque()
        self._is_serving = False
        self._timer: asyncio.TimerHandle | None = None
        self._replays = Replays(fanout, limits, host.name)

    def close(self) -> None:
        """Let nobody in any more."""
        self._ready.clear()
        self._behind.clear()
        if self._timer is not None:
            self._timer.cancel()

    def subscribe(self, connection: Connection, command: Subscribe) -> bool:
        """Subscribe a client whose wire recovers to a stream, or begin to; see gate.Steps."""
        channel = command.channel
        if self._fanout.hold(channel):
            self._broker.subscribe(channel)
        held = self.held.get(channel)
        join = _Join(connection, command, held.count if held is not None else 0)
        before = self._joins.get((connection, channel))
        if before is not None:
            join.fallback, join.since, join.before = before.position, before.since, before.before
            self._keep(join)
            self._end(before)
        return self._step(join, None)

    def abandon(self, connection: Connection, channel: str) -> None:
        """A client leaves the stream."""
        join = self._joins.get((connection, channel))
        if join is not None:
            self._end(join)

    def delivered(self, publication: Publication) -> None:
        """Something came live; called behind the fan-out, and only while anything is held."""
        channel = publication.channel
        held = self.held.get(channel)
        if held is not None:
            held.append(publication)
            if channel in self._behind:
                self._look_at(channel)

    # -- one client ----------------------------------------------------------------------------------

    def _step(self, join: _Join, found: History | BrokerError | None) -> bool:
        """Answer a client, if everything for that is there; whether it was.

        Args:
            join: Whose.
            found: What was read; None to look what is known at once.
        """
        if join.command.since is not None and not self._pace.may_ask(join.connection):
            return self._defer(join)
        try:
            history = self._known(join) if found is None else found
        except BrokerError as error:
            history = error
        if isinstance(history, BrokerError):
            self._fail(join, history)
            return True
        if history is None:
            self._read(join)
            return False
        if join.shares and not history.recovered:
            # It may have been read before what this client has heard was published.
            self._read(join)
            return False
        rest = self._rest(join, history.position)
        if rest is None and join.tries < MOST_TRIES:
            self._read(join)
            return False
        if rest is None:
            heard = self._broker.position(join.channel)
            if heard is None or heard.epoch == history.position.epoch:
                self._fail(join, BrokerUnavailableError("the history changes too fast"))
                return True
            # This node will hear of the stream's other epoch with the next publication.
            join.before, rest = heard.epoch, []
        return self._answer(join, history, rest)

    def _known(self, join: _Join) -> History | None:
        if join.command.since is None:
            if join.fallback is not None and self._is_behind(join, join.fallback):
                return History(join.fallback)
            position = self._broker.position(join.channel)
            if position is not None:
                return History(position)
        return self._reads.at_once(self._question(join))

    def _question(self, join: _Join) -> Question:
        since = join.command.since
        # Its acknowledgement needs room, too.
        limit = 0 if since is None else self._limits.outbox_frames - 1
        return Question(join.channel, newest(since, limit), limit, size_bytes=self._limits.outbox_bytes)

    def _read(self, join: _Join) -> None:
        join.tries += 1
        self._keep(join)
        is_new = self._reads.ask(self._question(join), partial(self._come, join))
        join.shares = not is_new and join.tries == 1

    def _come(self, join: _Join, found: History | BrokerError | None) -> None:
        """Serve a client in one of the next turns."""
        self._ready.append((join, found))
        if not self._is_serving:
            self._is_serving = True
            self._loop.call_soon(self._serve)

    def _serve(self) -> None:
        self._is_serving = False
        for _ in range(min(SLICE_SIZE, len(self._ready))):
            join, found = self._ready.popleft()
            self._serve_one(join, found)
        if self._ready and not self._is_serving:
            self._is_serving = True
            self._loop.call_soon(self._serve)

    def _serve_one(self, join: _Join, found: History | BrokerError | None) -> None:
        if join.is_over:
            return
        try:
            if join.position is not None:
                self._catch_up(join, join.position)
            elif self._step(join, found):
                self._host.answered(join.connection, join.channel)
        except Exception:
            # A bug of ours in one subscription must not stop the others.
            logger.exception("a subscription failed unexpectedly; the connection is dropped")
            join.connection.abort()

    def _is_behind(self, join: _Join, position: Position) -> bool:
        """Whether this node has not heard yet what a client was told."""
        heard = self._broker.position(join.channel)
        if heard is None or heard.epoch == join.before:
            return True
        return heard.epoch == position.epoch and heard.offset < position.offset

    def _rest(self, join: _Join, position: Position) -> list[Publication] | None:
        """What came live behind ``position`` already; None if that is not known, or another stream's."""
        heard, held = self._broker.position(join.channel), self.held.get(join.channel)
        if heard is None:
            return []
        if heard.epoch != position.epoch:
            return None
        if heard.offset < position.offset or held is None:
            return [] if heard.offset <= position.offset else None
        rest = held.after(position, join.since)
        if rest is None or heard == position:
            return rest
        # What is held may have begun only after the read that this client shares.
        newest = next((each.position for each in reversed(rest) if each.position is not None), None)
        return rest if newest == heard else None

    def _answer(self, join: _Join, history: History, rest: list[Publication]) -> bool:
        connection, wire, command = join.connection, join.connection.wire, join.command
        start, replay = self._replays.missed(connection, command, history)
        live = self._replays.live(connection, join.channel, rest)
        if live and not self._replays.fits([*replay, *live]):
            # Read again, what came live meanwhile is part of the past, and perhaps too much.
            if join.tries < MOST_TRIES:
                self._read(join)
                return False
            start, replay = Start(start.position, None if command.since is None else False), []
        batches = [*replay, *live]
        frames = 1 + sum(len(batch.ends) for batch in batches)
        size_bytes = ACK_BYTES + sum(len(batch.data) for batch in batches)
        if not self._pace.has_room(connection, frames, size_bytes):
            return self._defer(join)
        was_live = self._fanout.has(connection, join.channel)
        if was_live and command.since is None:
            self._fanout.hurry(connection, join.channel)
            if connection.phase is not Phase.OPEN:
                self._lose(join)
                return True
        listing = self._host.listing(connection, command)
        if listing is not None and size_bytes + len(listing.members or b"") > self._limits.outbox_bytes:
            # Who is there is not asked for again by itself; what was missed is.
            start, replay = Start(start.position, recovered=False), []
        self._reply(connection, wire.joined(command, start, listing))
        self._offer(connection, replay)
        if connection.phase is not Phase.OPEN:
            self._lose(join)
            return True
        self._pace.served(connection, size_bytes - ACK_BYTES)
        if was_live:
            self._fanout.suspend(connection, join.channel)
        if self._is_behind(join, start.position):
            self._wait(join, start.position)
        else:
            self._enter(join, start.position.epoch, live)
        return True

    def _defer(self, join: _Join) -> bool:
        """Answer when the client may have more; not now."""
        self._keep(join)
        self._pace.wait(join.connection, partial(self._serve_one, join, None))
        return False

    def _enter(self, join: _Join, epoch: str, live: list[Batch]) -> None:
        """From now on it gets what comes."""
        self._fanout.in_epoch(join.channel, epoch)
        self._fanout.subscribe(join.connection, join.channel)
        self._end(join)
        self._offer(join.connection, live)

    def _wait(self, join: _Join, position: Position) -> None:
        """This node is behind what the client was told."""
        join.position = position
        self._keep(join)
        self._behind.setdefault(join.channel, []).append(join)
        if self._timer is None:
            self._timer = self._loop.call_later(LOOK, self._look)

    def _catch_up(self, join: _Join, position: Position) -> None:
        """This node is there: let the client in."""
        if self._is_behind(join, position):
            self._wait(join, position)
            return
        rest = self._rest(join, position)
        if rest is None:
            # What lies between cannot be had: it is told, and asks for it where it still is.
            self._reply(join.connection, join.connection.wire.missed(join.channel))
            rest = []
        if join.connection.phase is Phase.OPEN:
            live = self._replays.live(join.connection, join.channel, rest)
            self._enter(join, position.epoch, live)

    def _fail(self, join: _Join, error: BrokerError) -> None:
        connection, channel = join.connection, join.channel
        if join.fallback is not None:
            self._wait(join, join.fallback)
        else:
            self._end(join)
        if join.is_over and not self._fanout.has(connection, channel):
            self._host.leave(connection, channel)
        self._host.away(connection, join.command, error)

    def _lose(self, join: _Join) -> None:
        """It ended while it was answered, when nobody knew that it was joining."""
        if not join.is_over:
            self._end(join)
            self._host.leave(join.connection, join.channel)

    def _reply(self, connection: Connection, frame: bytes | None) -> None:
        if frame is not None and connection.phase is Phase.OPEN:
            connection.send(frame)

    def _offer(self, connection: Connection, batches: list[Batch]) -> None:
        for batch in batches:
            if connection.phase is Phase.OPEN:
                connection.offer(batch)

    # -- all of them ---------------------------------------------------------------------------------

    def _keep(self, join: _Join) -> None:
        """It takes time: remember it, and hold what comes."""
        if join.is_over or join.is_kept:
            return
        join.is_kept = True
        self._joins[join.connection, join.channel] = join
        held = self.held.get(join.channel)
        if held is None:
            held = self.held[join.channel] = Held(self._limits)
        held.users += 1

    def _end(self, join: _Join) -> None:
        if join.is_over:
            return
        join.is_over = True
        key = (join.connection, join.channel)
        channel = join.channel
        self._fanout.release(channel)
        if not join.is_kept:
            return
        if self._joins.get(key) is join:
            del self._joins[key]
        self.held[channel].users -= 1
        if not self.held[channel].users:
            del self.held[channel]
        if channel in self._behind:
            self._behind[channel] = [other for other in self._behind[channel] if other is not join]
            if not self._behind[channel]:
                del self._behind[channel]

    def _look(self) -> None:
        self._timer = self._loop.call_later(LOOK, self._look) if self._behind else None
        for channel in tuple(self._behind):
            self._look_at(channel)

    def _look_at(self, channel: str) -> None:
        """Let those in whom this node has caught up with."""
        behind = []
        for join in self._behind.pop(channel):
            if join.position is not None and self._is_behind(join, join.position):
                behind.append(join)
            else:
                self._come(join, None)
        if behind:
            self._behind[channel] = behind
