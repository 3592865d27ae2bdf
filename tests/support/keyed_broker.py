"""A broker of one process that says what others will: positions, and that it knows a key."""

from __future__ import annotations

from tornado_realtime.brokers.memory import MemoryBroker
from tornado_realtime.publication import Position, Publication, Taken


class KeyedBroker(MemoryBroker):
    """Remembers keys, and gives positions on channels whose name begins with ``stream``."""

    def publish_now(self, publication: Publication, key: str = "") -> Taken | None:
        taken: dict[tuple[str, str], Taken] = self.__dict__.setdefault("taken", {})
        offsets: dict[str, int] = self.__dict__.setdefault("offsets", {})
        channel = publication.channel
        before = taken.get((channel, key))
        if before is not None:
            return Taken(before.position, repeated=True)
        super().publish_now(publication)
        offsets[channel] = offsets.get(channel, 0) + 1
        now = Taken(Position("e1", offsets[channel]) if channel.startswith("stream") else None)
        if key:
            taken[channel, key] = now
        return now
