"""What clients missed, as finished frames: encoded once for all who missed the same."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tornado_realtime.hub.fanout import Fanout
    from tornado_realtime.publication import Position, Publication
    from tornado_realtime.wire.base import Wire
    from tornado_realtime.wire.frames import Batch

# What is kept for the next client that missed the same: bytes of encoded publications, and replays.
SHARED_BYTES = 4 * 1024 * 1024
MOST_SHARED = 1024


class Replays:
    """Encodes what was missed, once for all who missed the same.

    Args:
        fanout: Encodes.
    """

    def __init__(self, fanout: Fanout) -> None:
        self._fanout = fanout
        self._kept: OrderedDict[tuple[Wire, str, Position | None, Position | None, int], list[Batch]]
        self._kept = OrderedDict()
        self._size_bytes = 0

    def of(self, channel: str, wire: Wire, items: Sequence[Publication]) -> list[Batch]:
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
