"""A connection that stays on its Tornado stream: TLS, or a stream class that is not ours to open up."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tornado.iostream import IOStream, StreamClosedError

from tornado_realtime.connection.base import READ_BYTES, Connection, Owner, Phase
from tornado_realtime.connection.lean import peer_of

if TYPE_CHECKING:
    from tornado_realtime.wire.base import Wire

logger = logging.getLogger(__name__)

# A stream takes whatever it is given. It is given this much at a time, so that progress shows.
PIECE_BYTES = 64 * 1024


class StreamConnection(Connection):
    """One client on an IOStream.

    The stream never holds more than one piece; what comes meanwhile waits in the same bounded outbox
    as on a bare socket.
    """

    __slots__ = ("_stream",)

    def __init__(self, owner: Owner, wire: Wire, user: Any, stream: IOStream) -> None:
        super().__init__(owner, wire, user)
        self._stream = stream

    def begin(self, early: bytes = b"") -> None:
        """See Connection."""
        self._owner.begun(self)
        if early:
            self.receive(early)
        self._read()

    @property
    def peer(self) -> str:
        """See Connection."""
        return "" if self._stream.closed() else peer_of(self._stream.socket)

    def _read(self) -> None:
        """Read once; what is left comes in the next turn, since a future calls back in the next turn."""
        if self.phase is Phase.CLOSED:
            return
        try:
            piece = asyncio.ensure_future(self._stream.read_bytes(READ_BYTES, partial=True))
        except StreamClosedError:
            self.abort()
            return
        piece.add_done_callback(self._on_piece)

    def _on_piece(self, piece: asyncio.Future[bytes]) -> None:
        if _failed(piece):
            self.abort()
        elif self.phase is not Phase.CLOSED:
            self._guard(lambda: self.receive(piece.result()))
            self._read()

    def _write(self, data: bytes) -> int:
        return self._writev((memoryview(data),))

    def _writev(self, views: Sequence[memoryview]) -> int:
        taken = 0
        for view in views:
            for start in range(0, len(view), PIECE_BYTES):
                if self._stream.writing():
                    return self._taken(taken)
                taken += self._give(view[start : start + PIECE_BYTES])
        return taken

    def _taken(self, taken: int) -> int:
        if not taken:
            raise BlockingIOError
        return taken

    def _give(self, piece: memoryview) -> int:
        try:
            written = asyncio.ensure_future(self._stream.write(piece))
        except StreamClosedError as error:
            raise ConnectionResetError from error
        if not written.done():
            written.add_done_callback(self._on_written)
        return len(piece)

    def _on_written(self, written: asyncio.Future[None]) -> None:
        if _failed(written):
            self.abort()
        elif self.phase is not Phase.CLOSED:
            self._guard(self.on_writable)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception:
            # The root of everything a peer's bytes can cause: the others must not suffer.
            logger.exception("a connection failed unexpectedly and is dropped")
            self.abort()

    def _writing(self) -> bool:
        return self._stream.writing()

    def _want_write(self, wanted: bool) -> None:
        """Nothing to arrange: the stream tells by itself when it has written."""

    def _hang_up(self) -> None:
        # TLS has no half-closed state.
        self.abort()

    def _release(self) -> None:
        self._stream.close()


def _failed(future: asyncio.Future[Any]) -> bool:
    return future.cancelled() or future.exception() is not None
