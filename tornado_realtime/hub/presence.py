"""Who is present: what clients are told of it, and what this node says of its own clients."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Collection
from functools import partial
from typing import TYPE_CHECKING, Protocol

from tornado_realtime.errors import BrokerError, BrokerUnavailableError
from tornado_realtime.hub.attendance import Attendance
from tornado_realtime.hub.roster import Counted, Joined, Left, News, Relisted, Roster
from tornado_realtime.members import Change, Listing, Member, Roll
from tornado_realtime.wire.members_json import members_json
from tornado_realtime.wire.v1 import codes

if TYPE_CHECKING:
    from tornado_realtime.brokers.presence import PresenceStore
    from tornado_realtime.connection import Connection
    from tornado_realtime.hub.fanout import Audiences, Fanout
    from tornado_realtime.hub.gate import Reply
    from tornado_realtime.hub.users import Users
    from tornado_realtime.traits import TraitsTable
    from tornado_realtime.wire.base import Wire
    from tornado_realtime.wire.commands import AskPresence, Id
    from tornado_realtime.wire.v1 import Fault

logger = logging.getLogger(__name__)

# How often those who listen on a crowded channel are told how many are there, and what failed is tried again.
BEAT = 1.0
# Beats for which a channel is followed to which nobody listens: a page that is loaded again is back sooner.
IDLE_BEATS = 5


class Failed(Protocol):
    """Tells a client of an error."""

    def __call__(
        self, connection: Connection, command: AskPresence, fault: Fault, after: int | None = None
    ) -> None:
        """See talk.Talk.failed."""


class _Room:
    """A channel whose presence somebody on this node listens to.

    Attributes:
        roster: Who is there.
        listeners: Who is told, by wire.
        unlisted: Those of them who could not be told who is there yet.
        reading: Who is there is being read.
        is_stale: What is being read may be older than what was missed since.
        counted: Loop time at which they were told last how many there are.
        has_news: They are to be told again.
        idle: Beats since the last listener left.
        settling: Loop time at which who is doubtful is gone.
    """

    __slots__ = (
        "counted",
        "has_news",
        "idle",
        "is_stale",
        "listeners",
        "reading",
        "roster",
        "settling",
        "unlisted",
    )

    def __init__(self, limit: int) -> None:
        self.roster = Roster(limit)
        self.listeners: Audiences = {}
        self.unlisted: set[Connection] = set()
        self.reading: asyncio.Task[None] | None = None
        self.is_stale = False
        self.counted = -math.inf
        self.has_news = False
        self.idle = 0
        self.settling: float | None = None


class Presence:
    """Tells clients who is there, on channels that have presence; a store's sink.

    What is told of a channel is one listing, and then what changes: whatever a client heard before a listing
    is replaced by it. Only channels to which somebody listens are followed; all others cost what is counted.

    Args:
        store: Knows who is present on all nodes.
        traits: Which channels have presence.
        fanout: Brings it to the clients.
        users: Whose connections they are.
        delay: Seconds for which a user stays present after the last connection.
        failed: Tells a client of an error.
    """

    def __init__(
        self,
        store: PresenceStore,
        traits: TraitsTable,
        fanout: Fanout,
        users: Users,
        delay: float,
        failed: Failed,
    ) -> None:
        self._store = store
        self._traits = traits
        self._fanout = fanout
        self._users = users
        self._delay = delay
        self._failed = failed
        self._loop = asyncio.get_running_loop()
        self._attendance = Attendance(self._put, delay, self._loop)
        self._rooms: dict[str, _Room] = {}
        self._restless: dict[str, None] = {}  # rooms that the next beat has to look at
        self._timer: asyncio.TimerHandle | None = None
        self._is_open = False

    async def start(self) -> None:
        """Say who is there from now on."""
        if self._traits.has_presence:
            self._is_open = True
            await self._store.start(self)

    async def close(self) -> None:
        """Say nothing more. Idempotent.

        This node's members stay for a moment, as they may come to another node.
        """
        self._is_open = False
        self._attendance.close()
        if self._timer is not None:
            self._timer.cancel()
        reading = [room.reading for room in self._rooms.values() if room.reading is not None]
        self._rooms.clear()
        self._restless.clear()
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
        await self._store.close(self._delay)

    def __len__(self) -> int:
        """How many members are present through this node, added up over the channels."""
        return len(self._attendance)

    # -- connections -------------------------------------------------------------------------------

    def entered(self, connection: Connection, channel: str) -> None:
        """A connection subscribed."""
        if not (self._is_open and self._traits.of(channel).presence):
            return
        self._attendance.entered(channel, connection.user)
        room, member = self._rooms.get(channel), self._attendance.find(channel, connection.user)
        if room is not None and member is not None:
            self._tell(channel, room, room.roster.expect(member))

    def left(self, connection: Connection, channel: str) -> None:
        """A connection is subscribed no longer: it hears nothing more."""
        if not (self._is_open and self._traits.of(channel).presence):
            return
        self._attendance.left(channel, connection.user)
        room = self._rooms.get(channel)
        audience = room.listeners.get(connection.wire) if room is not None else None
        if room is not None and audience is not None and connection in audience:
            del audience[connection]
            room.unlisted.discard(connection)
            if not audience:
                del room.listeners[connection.wire]
            if not room.listeners:
                self._stir(channel)

    def _put(self, channel: str, member: Member) -> None:
        self._store.put(channel, member)
        room = self._rooms.get(channel)
        if room is not None and not member.conns:
            room.roster.retract(member.user)
            if room.roster.doubtful:
                self._settle_later(channel, room)

    def prepare(self, channel: str) -> asyncio.Future[None] | None:
        """Find out who is there, for somebody who is about to listen; None if it is known already.

        The future does not fail; if nobody could say who is there, ``listen`` says nothing.
        """
        limit = self._traits.of(channel).presence
        if not (self._is_open and limit):
            return None
        room = self._rooms.get(channel)
        if room is None:
            room = self._rooms[channel] = _Room(limit)
            self._store.watch(channel)
            self._stir(channel)
        room.idle = 0
        if not room.roster.is_sure:
            self._read(channel, room)
        return asyncio.shield(room.reading) if room.reading is not None else None

    def listen(self, connection: Connection, channel: str) -> Listing | None:
        """Tell a connection of everybody who comes and goes from now on.

        Returns:
            Who is there, the connection's own user included; None where that is not known yet, and will be
            told then, or where there is no presence.
        """
        room = self._rooms.get(channel)
        if room is None:
            return None
        room.listeners.setdefault(connection.wire, {})[connection] = None
        room.idle = 0
        listing = room.roster.listing
        if listing is None or not room.roster.is_sure:
            room.unlisted.add(connection)
            return None
        return listing

    def ask(self, connection: Connection, command: AskPresence) -> asyncio.Future[Reply] | None:
        """Answer who is there; or begin to find out, and return what will know how to answer."""
        limit = self._traits.of(command.channel).presence
        if not (self._is_open and limit):
            self._failed(connection, command, codes.NOT_AVAILABLE)
            return None
        room = self._rooms.get(command.channel)
        listing = room.roster.listing if room is not None and room.roster.is_sure else None
        if listing is not None and not (listing.more or command.after or command.limit):
            self._send(connection, command.channel, listing, command.id)
            return None
        limit = min(command.limit or limit, limit)
        roll = self._store.read_now(command.channel, command.after, limit)
        if roll is not None:
            self._send(connection, command.channel, listed(roll), command.id)
            return None
        return asyncio.ensure_future(self._ask(connection, command, limit))

    async def _ask(self, connection: Connection, command: AskPresence, limit: int) -> Reply:
        try:
            roll = await self._store.read(command.channel, command.after, limit)
        except BrokerUnavailableError as error:
            return partial(self._failed, connection, command, codes.INTERNAL, int(error.retry_after * 1000))
        except BrokerError:
            return partial(self._failed, connection, command, codes.INTERNAL)
        except Exception:
            logger.exception("who is present could not be read")
            return partial(self._failed, connection, command, codes.INTERNAL)
        return partial(self._send, connection, command.channel, listed(roll), command.id)

    async def page(self, channel: str, after: str, limit: int) -> Roll:
        """One page of who is present on all nodes.

        Raises:
            BrokerUnavailableError: They cannot be asked now.
        """
        roll = self._store.read_now(channel, after, limit)
        return roll if roll is not None else await self._store.read(channel, after, limit)

    # -- the store's news (brokers.presence.PresenceSink) --------------------------------------------

    def changed(self, change: Change) -> None:
        """Somebody came or went, or has more connections, or fewer."""
        room = self._rooms.get(change.channel)
        if room is not None:
            self._tell(change.channel, room, room.roster.apply(change))
            if not room.roster.is_sure:
                self._read(change.channel, room)

    def unsure(self, channels: Collection[str]) -> None:
        """Changes may have been missed: read these channels anew."""
        for channel in channels:
            room = self._rooms.get(channel)
            if room is not None:
                room.roster.lose()
                room.is_stale = True
                self._read(channel, room)

    # -- what is read ------------------------------------------------------------------------------

    def _read(self, channel: str, room: _Room) -> None:
        """Have the roster made sure, now or later."""
        if room.reading is not None:
            return
        roll = self._store.read_now(channel, "", room.roster.limit)
        if roll is not None:
            self._load(channel, room, roll)
        else:
            room.reading = asyncio.ensure_future(self._fetch(channel, room))

    async def _fetch(self, channel: str, room: _Room) -> None:
        try:
            room.is_stale = True
            while room.is_stale:
                room.is_stale = False
                roll = await self._store.read(channel, "", room.roster.limit)
        except BrokerError as error:  # the next beat tries again
            logger.debug("who is present on %r cannot be read: %s", channel, error)
        except Exception:
            logger.exception("who is present on %r could not be read", channel)
        else:
            self._load(channel, room, roll)
        finally:
            room.reading = None
            self._stir(channel)

    def _load(self, channel: str, room: _Room, roll: Roll) -> None:
        roster = room.roster
        news = roster.load(roll)
        expected = [each for member in self._attendance.members(channel) for each in roster.expect(member)]
        # Who is told everybody is not told of some of them as well.
        self._tell(channel, room, news if Relisted() in news else news + expected)
        if roster.doubtful:
            self._settle_later(channel, room)
        if not roster.is_sure:
            self._stir(channel)
        if roster.is_sure and roster.listing is not None:
            for connection in room.unlisted:
                self._send(connection, channel, roster.listing)
            room.unlisted.clear()

    def _settle_later(self, channel: str, room: _Room) -> None:
        if room.settling is None:
            room.settling = self._loop.time() + self._store.settle
        self._stir(channel)

    # -- what is told ------------------------------------------------------------------------------

    def _tell(self, channel: str, room: _Room, news: list[News]) -> None:
        for each in news:
            match each:
                case Joined():
                    self._tell_joined(channel, room, each)
                case Left():
                    self._tell_left(channel, room, each)
                case Relisted():
                    self._tell_listing(channel, room)
                case Counted():
                    self._count(channel, room)

    def _tell_joined(self, channel: str, room: _Room, news: Joined) -> None:
        def frame(wire: Wire) -> bytes | None:
            return wire.came(channel, news.member, news.count)

        self._fanout.tell(channel, room.listeners, frame, self._users.of(news.member.user))

    def _tell_left(self, channel: str, room: _Room, news: Left) -> None:
        def frame(wire: Wire) -> bytes | None:
            return wire.went(channel, news.user, news.count)

        self._fanout.tell(channel, room.listeners, frame, self._users.of(news.user))

    def _tell_listing(self, channel: str, room: _Room) -> None:
        listing = room.roster.listing
        if listing is None:
            return
        room.unlisted.clear()
        self._fanout.tell(channel, room.listeners, lambda wire: wire.listed(channel, listing))

    def _count(self, channel: str, room: _Room) -> None:
        """Tell how many are there, but not too often: now, or with a beat."""
        now = self._loop.time()
        if now - room.counted >= BEAT and not room.roster.shrunk():
            room.counted = now
            room.has_news = False
            self._tell_listing(channel, room)
        else:
            room.has_news = True
            self._stir(channel)

    def _send(self, connection: Connection, channel: str, listing: Listing, name: Id | None = None) -> None:
        frame = connection.wire.present(channel, listing, name)
        if frame is not None:
            connection.send(frame)

    # -- the beat ----------------------------------------------------------------------------------

    def _stir(self, channel: str) -> None:
        """Have the next beat look at a room."""
        if channel in self._rooms and self._is_open:
            self._restless[channel] = None
            if self._timer is None:
                self._timer = self._loop.call_later(BEAT, self._beat)

    def _beat(self) -> None:
        self._timer = None
        restless, self._restless = self._restless, {}
        for channel in restless:
            room = self._rooms.get(channel)
            if room is not None:
                self._look_at(channel, room)

    def _look_at(self, channel: str, room: _Room) -> None:
        roster = room.roster
        room.idle = 0 if room.listeners else room.idle + 1
        if room.idle > IDLE_BEATS:
            self._forget(channel, room)
            return
        if not roster.is_sure or roster.shrunk():
            self._read(channel, room)
        elif room.has_news:
            self._count(channel, room)
        if room.settling is not None and self._loop.time() >= room.settling:
            room.settling = None
            self._tell(channel, room, roster.settle())
        if not roster.is_sure or room.settling is not None or not room.listeners:
            self._stir(channel)

    def _forget(self, channel: str, room: _Room) -> None:
        del self._rooms[channel]
        self._store.unwatch(channel)
        if room.reading is not None:
            room.reading.cancel()


def listed(roll: Roll) -> Listing:
    """A page as it is told."""
    last = roll.members[-1].user if roll.more and roll.members else ""
    return Listing(roll.count, members_json(roll.members), roll.more, last)
