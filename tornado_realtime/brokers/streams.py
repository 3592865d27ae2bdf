"""What the memory broker keeps of channels with a history: a ring for each, and a bound over all of them.

Nothing here has a timer. What is too old goes when its channel is used, and at most once a second, with
whatever is published then, on the channels that nobody uses.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable
from itertools import islice

from tornado_realtime.metrics import BrokerCounters
from tornado_realtime.publication import History, Last, Position, Publication
from tornado_realtime.traits import Retention

MOST_STREAMS = 100_000
"""Most channels of which something is kept."""
MOST_BYTES = 256 * 1024 * 1024
"""Most memory for all of them, as far as it can be reckoned."""

# What a kept publication costs beside its message, and a stream beside its publications: rounded up.
ENTRY_BYTES = 400
STREAM_BYTES = 2048
SWEEP_SECONDS = 1.0
# Streams that are emptied for their age in one turn of the loop, beside the one that is used.
SWEEP_SIZE = 256


class Stream:
    """One channel's past.

    Attributes:
        channel: Its name.
        position: Of the newest publication.
        entries: What is kept, the oldest first; positions count by one.
        size_bytes: Of the messages in it.
    """

    __slots__ = ("channel", "entries", "position", "size_bytes")

    def __init__(self, channel: str, epoch: str) -> None:
        self.channel = channel
        self.position = Position(epoch, 0)
        self.entries: deque[Publication] = deque()
        self.size_bytes = 0

    @property
    def cost_bytes(self) -> int:
        """What it takes in memory, nearly."""
        return STREAM_BYTES + self.size_bytes + ENTRY_BYTES * len(self.entries)

    def append(self, publication: Publication, now: float) -> Publication:
        """Give ``publication`` the next position, and keep it."""
        self.position = Position(self.position.epoch, self.position.offset + 1)
        placed = Publication(
            self.channel, publication.data, self.position, publication.sender, now, publication.exclude
        )
        self.entries.append(placed)
        self.size_bytes += len(placed.data)
        return placed

    def trim(self, retention: Retention, now: float) -> None:
        """Forget what is too much or too old."""
        while len(self.entries) > retention.entries or self.size_bytes > retention.size_bytes:
            self.forget_oldest()
        self.expire(now - retention.seconds)

    def expire(self, before: float) -> None:
        """Forget what was published at that time or earlier."""
        while self.entries and (self.entries[0].time or 0) <= before:
            self.forget_oldest()

    def forget_oldest(self) -> None:
        """Forget one publication."""
        self.size_bytes -= len(self.entries.popleft().data)


class Streams:
    """The streams of one process.

    A stream begins with its first publication: who only reads leaves nothing behind. When there are too many
    streams, or they are too large together, those go that were published to least recently. A stream that
    comes back is another one, with another epoch.

    Args:
        clock: Unix time.
        counters: Where to count.
        most: How many streams there may be.
        most_bytes: What they may take together.

    Attributes:
        size_bytes: What they take, nearly.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        counters: BrokerCounters,
        most: int = MOST_STREAMS,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._most = most
        self._most_bytes = most_bytes
        # Both in the order of their last publication; in the second only those that keep something, by the
        # seconds for which they do, so that the first of each is the next that may be emptied.
        self._streams: OrderedDict[str, Stream] = OrderedDict()
        self._kept: dict[float, OrderedDict[str, Stream]] = {}
        self._swept = clock()
        self.size_bytes = 0
        # The epoch of streams that begin now. It is never that of a stream that was evicted.
        self._epoch = _new_epoch()

    def __len__(self) -> int:
        """How many there are."""
        return len(self._streams)

    def append(self, publication: Publication, retention: Retention) -> Publication:
        """Give ``publication`` its position and time, and keep it as ``retention`` says."""
        now, channel = self._clock(), publication.channel
        stream = self._streams.get(channel)
        if stream is None:
            stream = self._streams[channel] = Stream(channel, self._epoch)
            self.size_bytes += STREAM_BYTES
        else:
            self._streams.move_to_end(channel)
        before = stream.cost_bytes
        placed = stream.append(publication, now)
        stream.trim(retention, now)
        self.size_bytes += stream.cost_bytes - before
        self._keep(stream, retention)
        self._sweep(now)
        self._evict(stream)
        return placed

    def position(self, channel: str) -> Position:
        """Of the newest publication on ``channel``; of none, where nothing was published yet."""
        stream = self._streams.get(channel)
        return stream.position if stream is not None else Position(self._epoch, 0)

    def read(
        self,
        channel: str,
        retention: Retention,
        since: Position | Last | None,
        limit: int,
        *,
        reverse: bool = False,
    ) -> History:
        """See Broker.history."""
        stream = self._streams.get(channel)
        if stream is None:
            return read(deque(), Position(self._epoch, 0), since, limit, reverse=reverse)
        before = stream.cost_bytes
        stream.expire(self._clock() - retention.seconds)
        self.size_bytes += stream.cost_bytes - before
        return read(stream.entries, stream.position, since, limit, reverse=reverse)

    def clear(self) -> None:
        """Forget everything."""
        self._streams.clear()
        self._kept.clear()
        self.size_bytes = 0
        self._epoch = _new_epoch()

    def _keep(self, stream: Stream, retention: Retention) -> None:
        kept = self._kept.setdefault(retention.seconds, OrderedDict())
        if stream.entries:
            kept[stream.channel] = stream
            kept.move_to_end(stream.channel)
        else:
            kept.pop(stream.channel, None)

    def _sweep(self, now: float) -> None:
        """Empty those whose newest publication is too old."""
        if 0 <= now - self._swept < SWEEP_SECONDS:
            return
        self._swept = now
        for seconds, kept in self._kept.items():
            for stream in list(islice(kept.values(), SWEEP_SIZE)):
                if stream.entries and (stream.entries[-1].time or 0) > now - seconds:
                    break
                before = stream.cost_bytes
                stream.expire(now - seconds)
                self.size_bytes += stream.cost_bytes - before
                if not stream.entries:
                    del kept[stream.channel]

    def _evict(self, used: Stream) -> None:
        """Let streams go until there is room; of the last one, its oldest publications."""
        while len(self._streams) > self._most or (
            self.size_bytes > self._most_bytes and len(self._streams) > 1
        ):
            channel, stream = self._streams.popitem(last=False)
            self.size_bytes -= stream.cost_bytes
            for kept in self._kept.values():
                kept.pop(channel, None)
            self._epoch = _new_epoch()
            self._counters.streams_evicted += 1
        while self.size_bytes > self._most_bytes and used.entries:
            before = used.cost_bytes
            used.forget_oldest()
            self.size_bytes += used.cost_bytes - before


def read(
    entries: deque[Publication],
    position: Position,
    since: Position | Last | None,
    limit: int,
    *,
    reverse: bool = False,
) -> History:
    """What Broker.history answers.

    Args:
        entries: All that is kept, the oldest first, up to ``position``.
        position: Of the newest publication.
        since: See Broker.history.
        limit: See Broker.history.
        reverse: See Broker.history.
    """
    start, stop = 0, len(entries)
    if isinstance(since, Last):
        start = max(0, stop - since.count)
    elif since is not None:
        place = since.offset - (position.offset - stop)
        if since.epoch != position.epoch or since.offset > position.offset or (place < 0 and not reverse):
            return History(position, recovered=False)
        start, stop = (0, max(0, place - 1)) if reverse else (place, stop)
    more = stop - start > limit
    if more and reverse:
        start = stop - limit
    elif more:
        stop = start + limit
    items = _between(entries, start, stop)
    return History(position, tuple(reversed(items) if reverse else items), more=more)


def _between(entries: deque[Publication], start: int, stop: int) -> list[Publication]:
    """Some of them, reached from the nearer end."""
    size = len(entries)
    if start <= size - stop:
        return list(islice(entries, start, stop))
    return list(islice(reversed(entries), size - stop, size - start))[::-1]


def _new_epoch() -> str:
    return secrets.token_urlsafe(6)
