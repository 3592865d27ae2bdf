"""What clients missed, as finished frames: what an empty outbox has room for, encoded once for all."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from tornado_realtime.publication import Last
from tornado_realtime.wire.base import Start

if TYPE_CHECKING:
    from tornado_realtime.connection import Connection, Limits
    from tornado_realtime.hub.fanout import Fanout
    from tornado_realtime.publication import History, Position, Publication
    from tornado_realtime.wire.base import Wire
    from tornado_realtime.wire.commands import Subscribe
    from tornado_realtime.wire.frames import Batch

# What is kept for the next client that missed the same: bytes of encoded publications, and replays.
SHARED_BYTES = 4 * 1024 * 1024
MOST_SHARED = 1024
# An acknowledgement is not longer: a channel's name may be escaped to six times its length.
ACK_BYTES = 2048


class Replays:
    """Decides what of the past a client is sent, and encodes it.

    Args:
        fanout: Encodes.
        limits: Bounds of one client.
        name_of: A connection's public name.
    """

    def __init__(self, fanout: Fanout, limits: Limits, name_of: Callable[[Connection], str]) -> None:
        self._fanout = fanout
        self._limits = limits
        self._name_of = name_of
        self._kept: OrderedDict[tuple[Wire, str, Position | None, Position | None, int], list[Batch]]
        self._kept = OrderedDict()
        self._size_bytes = 0

    def missed(
        self, connection: Connection, command: Subscribe, history: History
    ) -> tuple[Start, list[Batch]]:
        """What a client is told, and what it missed; nothing of it if it is too much."""
        since = command.since
        if since is None:
            return Start(history.position), []
        lost: tuple[Start, list[Batch]] = Start(history.position, recovered=False), []
        items = history.items[self._first_that_fits(history.items) :]
        is_newest = isinstance(since, Last)
        if not is_newest and (not history.recovered or history.more or len(items) < len(history.items)):
            return lost
        batches = self._encoded(connection, command.channel, items, shared=True)
        if not self.fits(batches):
            if not is_newest:
                return lost
            items = items[len(items) - self._newest_that_fit(batches) :]
            batches = self._encoded(connection, command.channel, items, shared=True)
        replay = sum(len(batch.ends) for batch in batches)
        return Start(history.position, recovered=True, replay=replay), batches

    def live(self, connection: Connection, channel: str, items: Sequence[Publication]) -> list[Batch]:
        """What came live meanwhile."""
        return self._encoded(connection, channel, items)

    def fits(self, batches: list[Batch]) -> bool:
        """Whether an empty outbox has room for them, and for the acknowledgement."""
        frames = sum(len(batch.ends) for batch in batches)
        return frames < self._limits.outbox_frames and _size(batches) <= self._limits.outbox_bytes - ACK_BYTES

    def _first_that_fits(self, items: Sequence[Publication]) -> int:
        """Behind how many of them the others may fit: nobody encodes what is too much anyway.

        White space, which is left out, may be as long as the rest.
        """
        room = 2 * self._limits.outbox_bytes
        for number in range(len(items) - 1, -1, -1):
            room -= len(items[number].data)
            if room < 0:
                return number + 1
        return 0

    def _newest_that_fit(self, batches: list[Batch]) -> int:
        """How many of the last frames an empty outbox has room for."""
        room, count = self._limits.outbox_bytes - ACK_BYTES, 0
        for batch in reversed(batches):
            for start, end in zip((0, *batch.ends)[-2::-1], batch.ends[::-1], strict=True):
                room -= end - start
                if room < 0 or count == self._limits.outbox_frames - 1:
                    return count
                count += 1
        return count

    def _encoded(
        self, connection: Connection, channel: str, items: Sequence[Publication], *, shared: bool = False
    ) -> list[Batch]:
        """Publications as this client gets them."""
        if not items:
            return []
        if any(item.exclude for item in items):
            name = self._name_of(connection)
            if any(item.exclude == name for item in items):
                return self._fanout.encoded(channel, connection.wire, items, sparing=name)
        if shared:
            return self._shared(connection.wire, channel, items)
        return self._fanout.encoded(channel, connection.wire, items)

    def _shared(self, wire: Wire, channel: str, items: Sequence[Publication]) -> list[Batch]:
        """Publications that follow one another in one stream, as subscribers of one wire get them."""
        key = (wire, channel, items[0].position, items[-1].position, len(items))
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
            return found
        made = self._kept[key] = self._fanout.encoded(channel, wire, items)
        self._size_bytes += _size(made)
        while self._size_bytes > SHARED_BYTES or len(self._kept) > MOST_SHARED:
            self._size_bytes -= _size(self._kept.popitem(last=False)[1])
        return made


def _size(batches: list[Batch]) -> int:
    return sum(len(batch.data) for batch in batches)
