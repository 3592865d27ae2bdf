"""What the kernel refused: the bounded queue in front of one client's socket."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from dataclasses import dataclass
from itertools import chain, islice

from tornado_realtime.wire.frames import Batch

# writev takes at most IOV_MAX (1024 on Linux) buffers; a kernel that refused before seldom takes more.
VIEWS_SIZE = 64


@dataclass(slots=True, eq=False)
class Piece:
    """What is to be sent of a batch: the bytes from ``start`` to ``stop``."""

    batch: Batch
    start: int
    stop: int

    @property
    def begun_until(self) -> int:
        """Where the frame ends that ``start`` lies in; ``start`` if it lies between two."""
        return self.batch.next_boundary(self.start)


class Outbox:
    """Frames that wait for the socket, the first of them perhaps half sent.

    They lie in the shared batches of the fan-out: a thousand slow clients hold a thousand references,
    not a thousand copies.

    Attributes:
        frames: Frames not wholly sent yet.
        size_bytes: Bytes not sent yet.
        written_bytes: Bytes sent through this outbox; grows while the client makes progress.
    """

    # Everything in _kept comes before everything in _pieces, and none of it may be dropped. A piece in
    # _pieces always reaches to the end of its batch.
    __slots__ = ("_kept", "_pieces", "frames", "size_bytes", "written_bytes")

    def __init__(self) -> None:
        self._kept: deque[Piece] = deque()
        self._pieces: deque[Piece] = deque()
        self.frames = 0
        self.size_bytes = 0
        self.written_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces or self._kept)

    def push(self, batch: Batch, sent: int = 0) -> None:
        """Append ``batch``, of which the socket took the first ``sent`` bytes (only if this is the first)."""
        piece = Piece(batch, sent, len(batch.data))
        self._pieces.append(piece)
        self.frames += batch.frames_between(sent, piece.stop)
        self.size_bytes += piece.stop - sent

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

    def keep_begun(self) -> None:
        """Drop every frame of which nothing was sent; a frame half sent must be finished (RFC 6455, 5.4)."""
        if not self:
            return
        head = (self._kept or self._pieces)[0]
        self._kept.clear()
        self._pieces.clear()
        self.frames = self.size_bytes = 0
        if head.begun_until > head.start:
            head.stop = head.begun_until
            self._kept.append(head)
            self.frames, self.size_bytes = 1, head.stop - head.start

    def drop_oldest(self, frames: int, size_bytes: int) -> int:
        """Drop whole publications, the oldest first, until at most ``frames`` and ``size_bytes`` wait.

        The order of what stays does not change. Never dropped are a frame half sent, the newest
        publication, and whatever is to be kept; so more than the bounds may still wait.

        Returns:
            How many were dropped.
        """
        before = self.frames
        while self._pieces and (self.frames > frames or self.size_bytes > size_bytes):
            head = self._pieces[0]
            if head.batch.kept:
                self._kept.append(self._pieces.popleft())
            elif head.begun_until > head.start:
                self._kept.append(Piece(head.batch, head.start, head.begun_until))
                self._start_at(head.begun_until)
            elif not self._drop_of_first(self.frames - frames, self.size_bytes - size_bytes):
                break
        return before - self.frames

    def _drop_of_first(self, frames: int, size_bytes: int) -> bool:
        """Drop so many frames and bytes, as far as the first piece has them; False if it has none to drop."""
        piece = self._pieces[0]
        ends = piece.batch.ends
        first = bisect_right(ends, piece.start)
        enough = max(first + frames, bisect_left(ends, piece.start + size_bytes) + 1)
        last = enough if enough < len(ends) else len(ends) - self._is_newest(piece)
        if last <= first:
            return False
        self.frames -= last - first
        self.size_bytes -= ends[last - 1] - piece.start
        self._start_at(ends[last - 1])
        return True

    def _is_newest(self, piece: Piece) -> bool:
        """Whether nothing but what is to be kept comes behind the first ``piece``."""
        newest = next(other for other in reversed(self._pieces) if not other.batch.kept)
        return newest is piece

    def keeps_within(self, frames: int, size_bytes: int) -> bool:
        """Whether what is to be kept is within these bounds, publications not counted."""
        kept = [piece for piece in chain(self._kept, self._pieces) if piece.batch.kept]
        return len(kept) <= frames and sum(piece.stop - piece.start for piece in kept) <= size_bytes

    def _start_at(self, place: int) -> None:
        """Have the first piece begin later, or end it."""
        piece = self._pieces[0]
        piece.start = place
        if place == piece.stop:
            self._pieces.popleft()
