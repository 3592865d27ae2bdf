"""What comes live on a stream while somebody is still on the way into it."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tornado_realtime.connection import Limits
    from tornado_realtime.publication import Position, Publication


class Held:
    """The latest publications of one channel, for those who join it.

    Bounded like a client's outbox, as it is what a client gets at once; of more, the oldest go.

    Args:
        limits: Bounds of one client.

    Attributes:
        users: How many need it.
        count: How many publications came since it began.
    """

    __slots__ = ("_kept", "_limits", "_size_bytes", "count", "users")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._kept: deque[Publication] = deque()
        self._size_bytes = 0
        self.users = 0
        self.count = 0

    def append(self, publication: Publication) -> None:
        """One more came."""
        limits, kept = self._limits, self._kept
        kept.append(publication)
        self.count += 1
        self._size_bytes += len(publication.data)
        while kept and (len(kept) > limits.outbox_frames or self._size_bytes > limits.outbox_bytes):
            self._size_bytes -= len(kept.popleft().data)

    def after(self, position: Position, since: int) -> list[Publication] | None:
        """What came behind ``position``, of what has no position only what came after the first ``since``.

        Returns:
            None if it is not known whether that is all.
        """
        found: list[Publication] = []
        first: Position | None = None
        for number, publication in zip(range(self.count, 0, -1), reversed(self._kept), strict=False):
            place = publication.position
            if place is not None and place.epoch == position.epoch and place.offset <= position.offset:
                return found[::-1]
            if place is not None:
                first = place
            if place is not None or number > since:
                found.append(publication)
        if first is not None and (first.epoch, first.offset) != (position.epoch, position.offset + 1):
            return None
        return found[::-1]
