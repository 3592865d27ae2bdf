"""What the kernel refused: the bounded queue in front of one client's socket."""

from __future__ import annotations

from collections import deque
from itertools import islice

from tornado_realtime.wire.frames import Batch

# writev takes at most IOV_MAX (1024 on Linux) buffers; a kernel that refused before seldom takes more.
VIEWS_SIZE = 64


class Outbox:
    """Batches that wait for the socket, the first of them perhaps half sent.

    The batches are the shared ones of the fan-out: a thousand slow clients hold a thousand
    references, not a thousand copies.

    Attributes:
        frames: Frames not wholly sent yet.
        size_bytes: Bytes not sent yet.
        written_bytes: Bytes sent through this outbox; grows while the client makes progress.
    """

    __slots__ = ("_batches", "_sent", "frames", "size_bytes", "written_bytes")

    def __init__(self) -> None:
        self._batches: deque[Batch] = deque()
        self._sent = 0
        self.frames = 0
        self.size_bytes = 0
        self.written_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._batches)

    def push(self, batch: Batch, sent: int = 0) -> None:
        """Append ``batch``, of which the socket took the first ``sent`` bytes (only if this is the first)."""
        if not self._batches:
            self._sent = sent
        self._batches.append(batch)
        self.frames += batch.frames_after(sent)
        self.size_bytes += len(batch.data) - sent

    def views(self) -> list[memoryview]:
        """The next bytes to send, in order, uncopied."""
        views = [memoryview(batch.data) for batch in islice(self._batches, VIEWS_SIZE)]
        if views:
            views[0] = views[0][self._sent :]
        return views

    def advance(self, written: int) -> None:
        """Take note that the socket took ``written`` more bytes."""
        self.size_bytes -= written
        self.written_bytes += written
        while written:
            head = self._batches[0]
            left = len(head.data) - self._sent
            if written < left:
                self.frames -= head.frames_after(self._sent) - head.frames_after(self._sent + written)
                self._sent += written
                return
            self.frames -= head.frames_after(self._sent)
            written -= left
            self._sent = 0
            self._batches.popleft()

    def keep_begun(self) -> None:
        """Drop every frame of which nothing was sent; a frame half sent must be finished (RFC 6455, 5.4)."""
        if not self._batches:
            return
        head, sent = self._batches[0], self._sent
        self._batches.clear()
        self._sent = self.frames = self.size_bytes = 0
        if not head.at_boundary(sent):
            end = head.next_boundary(sent)
            self.push(Batch(head.data[sent:end], (end - sent,)))
