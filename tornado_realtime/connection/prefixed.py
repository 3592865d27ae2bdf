"""A Tornado stream on a socket from which something has been read already."""

from __future__ import annotations

import socket

from tornado.iostream import IOStream


class PrefixedStream(IOStream):
    """Yields ``unread`` first, then what the socket has.

    Args:
        sock: Connected and non-blocking.
        unread: What was read from it and not used.
    """

    def __init__(self, sock: socket.socket, unread: bytes) -> None:
        super().__init__(sock)
        self._unread = memoryview(unread)

    def read_from_fd(self, buf: bytearray | memoryview) -> int | None:
        """See tornado.iostream.BaseIOStream."""
        if not self._unread:
            return super().read_from_fd(buf)
        size = min(len(buf), len(self._unread))
        buf[:size] = self._unread[:size]
        # A view, even an empty one, would keep all the bytes for as long as the stream lives.
        self._unread = self._unread[size:] or memoryview(b"")
        return size


PLAIN_STREAMS = frozenset({IOStream, PrefixedStream})
"""Streams that hold nothing but a socket, so that the socket may be taken out of them."""
