"""A connection on a bare socket: the ordinary case, some hundred bytes a client."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tornado_realtime.connection.base import READ_BYTES, Connection, Owner

if TYPE_CHECKING:
    from tornado_realtime.poller import Poller
    from tornado_realtime.wire.base import Wire

logger = logging.getLogger(__name__)

# Without a low-water mark the kernel swallows megabytes for a client that reads nothing, and the
# slow consumer stays hidden for tens of thousands of messages.
NOTSENT_LOWAT_BYTES = 16 * 1024


def tune(sock: socket.socket) -> None:
    """Set what a realtime TCP socket needs: no delay, and early refusal for a slow reader."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    # Some systems refuse options when the peer is gone; the next read or write tells that.
    with suppress(OSError):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_NOTSENT_LOWAT"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, NOTSENT_LOWAT_BYTES)


def peer_of(sock: socket.socket) -> str:
    """Address of a socket's other end; empty for a Unix socket, or if it is gone."""
    try:
        name = sock.getpeername()
    except OSError:
        return ""
    return str(name[0]) if isinstance(name, tuple) and name else ""


class LeanConnection(Connection):
    """One client on a descriptor of its own, which it owns and closes."""

    __slots__ = ("_fd", "_poller")

    def __init__(self, owner: Owner, wire: Wire, user: Any, fd: int, poller: Poller) -> None:
        super().__init__(owner, wire, user)
        self._fd = fd
        self._poller = poller

    def begin(self, early: bytes = b"") -> None:
        """See Connection."""
        try:
            self._poller.add(self._fd, self)
        except OSError:
            logger.exception("a connection cannot be watched and is dropped")
            self.abort()
            return
        self._owner.begun(self)
        if early:
            self.receive(early)

    @property
    def peer(self) -> str:
        """See Connection."""
        if self._fd < 0:
            return ""
        sock = socket.socket(fileno=self._fd)
        try:
            return peer_of(sock)
        finally:
            sock.detach()

    def on_readable(self) -> None:
        """Read once; what is left comes in the next turn."""
        try:
            data = os.read(self._fd, READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self.receive(data)
        else:
            self.abort()

    def _write(self, data: bytes) -> int:
        return os.write(self._fd, data)

    def _writev(self, views: Sequence[memoryview]) -> int:
        return os.writev(self._fd, views)

    def _want_write(self, wanted: bool) -> None:
        self._poller.want_write(self._fd, wanted)

    def _hang_up(self) -> None:
        sock = socket.socket(fileno=self._fd)
        try:
            sock.shutdown(socket.SHUT_WR)
        except OSError:
            self.abort()
        finally:
            sock.detach()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        self._poller.remove(fd)
        os.close(fd)
