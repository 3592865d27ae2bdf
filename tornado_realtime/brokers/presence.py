"""The contract between the hub and whatever knows who is present, and how a single node keeps it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right, insort
from collections.abc import Collection
from typing import Protocol

from tornado_realtime.members import NOBODY, Change, Member, Roll


class PresenceSink(Protocol):
    """Where a store's news go. None of these blocks or raises."""

    def changed(self, change: Change) -> None:
        """Something happened on a channel that is watched, whoever did it; in the order of versions."""

    def unsure(self, channels: Collection[str]) -> None:
        """Changes on these channels may have been missed: read them anew."""


class PresenceStore(ABC):
    """Knows who is present on which channel, on all nodes together.

    A user is present while any node says so, and a node only while it lives. Every method is called on
    the hub's loop. The node's own members are remembered and put right by the store itself, whatever happens
    to what is behind it.

    Attributes:
        settle: Seconds that members may be missing after the store lost what it knew, until all nodes have
            said again who is there.
    """

    settle = 0.0

    @abstractmethod
    async def start(self, sink: PresenceSink) -> None:
        """Begin; never waits for anything that may be away."""

    @abstractmethod
    async def close(self, linger: float) -> None:
        """Let this node's members go, and release everything. Idempotent, also without ``start``.

        Args:
            linger: Seconds that they stay present for other nodes, as their clients may come back there.
        """

    @abstractmethod
    def put(self, channel: str, member: Member) -> None:
        """Say how many connections of a user this node has; none when it left. Never waits.

        Args:
            channel: Where.
            member: As far as this node is concerned.
        """

    @abstractmethod
    def watch(self, channel: str) -> None:
        """Tell the sink of changes on ``channel`` from now on, as soon as possible."""

    @abstractmethod
    def unwatch(self, channel: str) -> None:
        """Tell of them no longer."""

    @abstractmethod
    async def read(self, channel: str, after: str, limit: int) -> Roll:
        """One page of who is present.

        On a channel that is watched it is read after the watching began, so that no change is missed.

        Args:
            channel: Where.
            after: The user after whom the page begins; empty for the first.
            limit: Most members.

        Raises:
            BrokerUnavailableError: The nodes cannot be asked now.
        """

    def read_now(self, channel: str, after: str, limit: int) -> Roll | None:
        """The same without waiting; None when ``read`` has to be asked."""
        return None


class _Attendance:
    """Who is present on one channel."""

    __slots__ = ("members", "order", "version")

    def __init__(self) -> None:
        self.members: dict[str, Member] = {}
        self.order: list[str] = []  # as UTF-8 has it, which is that of code points
        self.version = 0

    def put(self, member: Member) -> None:
        if not member.conns:
            del self.members[member.user]
            del self.order[bisect_left(self.order, member.user)]
            return
        if member.user not in self.members:
            insort(self.order, member.user)
        self.members[member.user] = member

    def page(self, after: str, limit: int) -> Roll:
        start = bisect_right(self.order, after) if after else 0
        names = self.order[start : start + limit]
        members = tuple(self.members[name] for name in names)
        return Roll(self.version, len(self.order), members, start + limit < len(self.order))


class MemoryPresence(PresenceStore):
    """Who is present on the only node that there is: known at once, and never lost."""

    def __init__(self) -> None:
        self._sink: PresenceSink | None = None
        self._channels: dict[str, _Attendance] = {}
        self._watched: set[str] = set()
        self._version = 0

    async def start(self, sink: PresenceSink) -> None:
        """Tell ``sink`` of changes from now on."""
        self._sink = sink

    async def close(self, linger: float) -> None:
        """Forget everything: nobody else knew it."""
        self._sink = None
        self._channels.clear()
        self._watched.clear()

    def put(self, channel: str, member: Member) -> None:
        """See PresenceStore; the sink hears of it before this returns."""
        found = self._channels.get(channel)
        if found is None:
            if not member.conns:
                return
            found = self._channels[channel] = _Attendance()
            found.version = self._version
        elif not member.conns and member.user not in found.members:
            return
        found.put(member)
        found.version += 1
        # The next list of this channel begins behind all that there were.
        self._version = max(self._version, found.version)
        if not found.members:
            del self._channels[channel]
        if channel in self._watched and self._sink is not None:
            self._sink.changed(Change(channel, found.version, len(found.members), member))

    def watch(self, channel: str) -> None:
        """See PresenceStore."""
        self._watched.add(channel)

    def unwatch(self, channel: str) -> None:
        """See PresenceStore."""
        self._watched.discard(channel)

    async def read(self, channel: str, after: str, limit: int) -> Roll:
        """See PresenceStore; never waits."""
        return self.read_now(channel, after, limit)

    def read_now(self, channel: str, after: str, limit: int) -> Roll:
        """See PresenceStore."""
        found = self._channels.get(channel)
        return found.page(after, limit) if found is not None else NOBODY
