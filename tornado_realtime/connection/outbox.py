"""What the kernel refused: the bounded queue in front of one client's socket."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice

from tornado_realtime.wire.frames import Batch, Source, Span, joined

# writev takes at most IOV_MAX (1024 on Linux) buffers; a kernel that refused before seldom takes more.
VIEWS_SIZE = 64


@dataclass(slots=True, eq=False)
class Piece:
    """What is to be sent of a batch: the bytes from ``start`` to ``stop``.

    Attributes:
        era: How much came before it that may not be dropped; losses of two eras are told apart.
    """

    batch: Batch
    start: int
    stop: int
    era: int

    @property
    def begun_until(self) -> int:
        """Where the frame ends that ``start`` lies in; ``start`` if it lies between two."""
        return self.batch.next_boundary(self.start)


@dataclass(slots=True, eq=False)
class Notice(Piece):
    """A frame that tells what was dropped in its place; it grows until it is begun."""

    span: Span | None

    @staticmethod
    def of(frame: bytes, span: Span | None, era: int) -> Notice:
        """The notice that consists of ``frame``."""
        return Notice(Batch.of((frame,), kept=True), 0, len(frame), era, span)


class Outbox:
    """Frames that wait for the socket, the first of them perhaps half sent.

    They lie in the shared batches of the fan-out: a thousand slow clients hold a thousand references,
    not a thousand copies. Only what may be dropped has a source, and only there it is known which channel
    it came from.

    Attributes:
        frames: Frames not wholly sent yet.
        size_bytes: Bytes not sent yet.
        written_bytes: Bytes of it all that the socket took; grows while the client makes progress.
    """

    # Everything in _kept comes before everything in _pieces, and none of it may be dropped. A piece in
    # _pieces always reaches to the end of its batch.
    __slots__ = ("_era", "_kept", "_newest", "_notices", "_pieces", "frames", "size_bytes", "written_bytes")

    def __init__(self) -> None:
        self._kept: deque[Piece] = deque()
        self._pieces: deque[Piece] = deque()
        self._era = 0
        # By channel: what tells of its losses (it may be sent by now), and where only the newest publication
        # waits, that one.
        self._notices: dict[str, Notice] = {}
        self._newest: dict[str, Piece] = {}
        self.frames = 0
        self.size_bytes = 0
        self.written_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces or self._kept)

    def push(self, batch: Batch, sent: int = 0) -> int:
        """Append ``batch``, of which the socket took the first ``sent`` bytes (only if this is the first).

        Returns:
            How many publications were dropped, as only the newest one of their channel waits.
        """
        if batch.source is None:
            self._era += 1
        piece = Piece(batch, sent, len(batch.data), self._era)
        self._pieces.append(piece)
        self.frames += batch.frames_between(sent, piece.stop)
        self.size_bytes += piece.stop - sent
        self.written_bytes += sent
        source = batch.source
        return self._replace(piece, source.channel) if source is not None and source.latest else 0

    def views(self) -> list[memoryview]:
        """The next bytes to send, in order, uncopied."""
        pieces = islice(chain(self._kept, self._pieces), VIEWS_SIZE)
        return [memoryview(piece.batch.data)[piece.start : piece.stop] for piece in pieces]

    def advance(self, written: int) -> None:
        """Take note that the socket took ``written`` more bytes."""
        self.size_bytes -= written
        self.written_bytes += written
        while written:
            queue = self._kept or self._pieces
            head = queue[0]
            place = min(head.start + written, head.stop)
            written -= place - head.start
            self.frames -= head.batch.frames_between(head.start, place)
            head.start = place
            if place == head.stop:
                queue.popleft()
                self._forget(head)

    def keep_begun(self) -> None:
        """Drop every frame of which nothing was sent; a frame half sent must be finished (RFC 6455, 5.4)."""
        if not self:
            return
        head = (self._kept or self._pieces)[0]
        for queue in (self._kept, self._pieces, self._notices, self._newest):
            queue.clear()
        self.frames = self.size_bytes = 0
        if head.begun_until > head.start:
            head.stop = head.begun_until
            self._kept.append(head)
            self.frames, self.size_bytes = 1, head.stop - head.start

    def is_within(self, frames: int, size_bytes: int) -> bool:
        """Whether what waits is within these bounds."""
        return self.frames <= frames and self.size_bytes <= size_bytes

    def keeps_within(self, frames: int, size_bytes: int, *, replies_only: bool = False) -> bool:
        """Whether what may not be dropped is within these bounds; the frames of notices are not counted.

        Args:
            frames: Most frames.
            size_bytes: Most bytes.
            replies_only: Whether publications that may not be dropped do not count either.
        """
        pieces = chain(self._kept, self._pieces)
        firm = [p for p in pieces if p.batch.kept or not (replies_only or p.batch.source)]
        counted = (p.batch.frames_between(p.start, p.stop) for p in firm if not isinstance(p, Notice))
        return sum(counted) <= frames and sum(p.stop - p.start for p in firm) <= size_bytes

    # -- dropping ------------------------------------------------------------------------------------

    def drop_oldest(self, frames: int, size_bytes: int) -> int:
        """Drop whole publications, the oldest first, until at most ``frames`` and ``size_bytes`` wait.

        The order of what stays does not change. Never dropped are a frame half sent, the newest
        publication, and whatever has no source; so more than the bounds may still wait.

        Returns:
            How many were dropped.
        """
        dropped = 0
        while self._pieces and not self.is_within(frames, size_bytes):
            head = self._pieces[0]
            if head.batch.source is None:
                self._kept.append(self._pieces.popleft())
            elif not self._keep_half(head):
                found = self._drop_of_first(self.frames - frames, self.size_bytes - size_bytes)
                if not found:
                    break
                dropped += found
        return dropped

    def _drop_of_first(self, frames: int, size_bytes: int) -> int:
        """Drop so many frames and bytes, as far as the first piece has them; how many frames it were."""
        piece = self._pieces[0]
        ends = piece.batch.ends
        first = bisect_right(ends, piece.start)
        enough = max(first + frames, bisect_left(ends, piece.start + size_bytes) + 1)
        last = enough if enough < len(ends) else len(ends) - self._is_newest(piece)
        return self._drop(piece, last)

    def _is_newest(self, piece: Piece) -> bool:
        """Whether nothing but replies and notices come behind the first ``piece``."""
        newest = next(other for other in reversed(self._pieces) if not other.batch.kept)
        return newest is piece

    def _replace(self, piece: Piece, channel: str) -> int:
        """Drop all publications of ``channel`` but the last one of the newest ``piece``; how many it were."""
        dropped = 0
        before = self._newest.get(channel)
        self._newest[channel] = piece
        if before is not None:
            self._keep_half(before)
            dropped = self._drop(before, len(before.batch.ends))
        if len(piece.batch.ends) > 1:
            self._keep_half(piece)
            dropped += self._drop(piece, len(piece.batch.ends) - 1)
        return dropped

    def _keep_half(self, piece: Piece) -> bool:
        """Put the frame that is half sent, if the piece begins with one, where nothing is dropped."""
        begun_until = piece.begun_until
        if begun_until == piece.start:
            return False
        self._kept.append(Piece(piece.batch, piece.start, begun_until, piece.era))
        self._start_at(piece, begun_until)
        return True

    def _drop(self, piece: Piece, last: int) -> int:
        """Drop the frames of a piece before the ``last`` one of its batch, and tell of it in their place."""
        batch = piece.batch
        first = bisect_right(batch.ends, piece.start)
        if last <= first:
            return 0
        end = batch.ends[last - 1]
        self.frames -= last - first
        self.size_bytes -= end - piece.start
        place = self._start_at(piece, end)
        if batch.source is not None:
            self._tell(batch.source, batch.source.span(first, last), place, piece.era)
        return last - first

    def _start_at(self, piece: Piece, start: int) -> int:
        """Have a piece begin later, or end it; its place in the queue."""
        place = self._pieces.index(piece)
        piece.start = start
        if start == piece.stop:
            del self._pieces[place]
            self._forget(piece)
        return place

    def _forget(self, piece: Piece) -> None:
        """A piece is sent, or dropped: keep no batch alive that nothing waits of."""
        source = piece.batch.source
        if source is not None and self._newest.get(source.channel) is piece:
            del self._newest[source.channel]

    def _tell(self, source: Source, span: Span | None, place: int, era: int) -> None:
        """Have the client told of a loss, at ``place`` in the queue or with what was lost before."""
        before = self._notices.get(source.channel)
        if before is not None and (before.start > 0 or before.era != era):
            before = None  # it is on its way, or something else was said since
        if before is not None:
            span = joined(before.span, span)
        frame = source.told(source.channel, span)
        if frame is None:
            return
        notice = Notice.of(frame, span, era)
        if before is not None:
            self.size_bytes += notice.stop - before.stop
            before.batch, before.stop, before.span = notice.batch, notice.stop, span
        else:
            self.frames += 1
            self.size_bytes += notice.stop
            self._notices[source.channel] = notice
            self._pieces.insert(place, notice)
