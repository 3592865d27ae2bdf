"""A listening socket and what becomes of the connections that come in."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.iostream import IOStream, SSLIOStream
from tornado.netutil import bind_sockets, bind_unix_socket, ssl_wrap_socket

from tornado_realtime.connection import PrefixedStream
from tornado_realtime.errors import ListenError
from tornado_realtime.fastlane import LaneDoor
from tornado_realtime.poller import Poller

logger = logging.getLogger(__name__)

BACKLOG_SIZE = 4096
# Connections taken in one turn of the loop; reads and writes of the others go on in between.
ACCEPT_SIZE = 64
# Seconds without accepting after descriptors ran out.
PAUSE = 0.5
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_NO_SUCH_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def bind(host: str, port: int, *, is_optional: bool = False) -> list[socket.socket]:
    """Listen on TCP; an empty host means all interfaces, IPv6 included where there is any.

    Args:
        host: Name, address, or empty.
        port: 0 lets the system choose.
        is_optional: An address that this host does not have gives no socket instead of an error.

    Raises:
        ListenError: The address is taken, not allowed, or not one of this host.
    """
    try:
        return bind_sockets(port, host or None, backlog=BACKLOG_SIZE)
    except OSError as error:
        if is_optional and (error.errno in _NO_SUCH_ADDRESS or isinstance(error, socket.gaierror)):
            logger.info("not listening on %s: %s", host, error.strerror)
            return []
        raise ListenError(f"cannot listen on {host}:{port}: {_explain(error)}") from error


def bind_unix(path: str, mode: int | None) -> list[socket.socket]:
    """Listen on a Unix socket; a stale one is replaced.

    Raises:
        ListenError: The path is taken by something else, or not writable.
    """
    try:
        return [bind_unix_socket(path, 0o600 if mode is None else mode, backlog=BACKLOG_SIZE)]
    except (OSError, ValueError) as error:
        raise ListenError(f"cannot listen on unix/{path}: {error}") from error


def _explain(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the address is in use; stop the other server, or choose another port"
    if error.errno == errno.EACCES:
        return "permission denied; ports below 1024 need privileges"
    return error.strerror or os.strerror(error.errno or 0)


class Acceptor:
    """Accepts on listening sockets, which it owns from now on.

    When descriptors run out it pauses, says so once, and goes on as soon as there are some again:
    the clients wait in the backlog, and nobody who is connected already notices.

    Args:
        sockets: Listening and non-blocking.
        serve: Gets each new socket and its peer's address; it must not raise.
    """

    def __init__(self, sockets: Sequence[socket.socket], serve: Callable[[socket.socket, Any], None]) -> None:
        self._sockets = list(sockets)
        self._serve = serve
        self._loop = asyncio.get_running_loop()
        self._resume: asyncio.TimerHandle | None = None
        self._exhausted = False

    @property
    def addresses(self) -> list[Any]:
        """What is listened on, as ``getsockname`` tells it."""
        return [sock.getsockname() for sock in self._sockets]

    def start(self) -> None:
        """Begin to accept."""
        self._resume = None
        for sock in self._sockets:
            self._loop.add_reader(sock.fileno(), self._accept, sock)

    def stop(self) -> None:
        """Accept what waits already, then no more, and close the sockets. Idempotent."""
        self._ignore()
        for sock in self._sockets:
            # Closing the socket would reset those who are connected but not accepted yet.
            self._accept(sock)
        self._ignore()
        for sock in self._sockets:
            path = sock.getsockname() if sock.family == socket.AF_UNIX else ""
            sock.close()
            if path and isinstance(path, str):
                Path(path).unlink(missing_ok=True)
        self._sockets.clear()

    def _ignore(self) -> None:
        if self._resume is not None:
            self._resume.cancel()
            self._resume = None
        for sock in self._sockets:
            self._loop.remove_reader(sock.fileno())

    def _accept(self, sock: socket.socket) -> None:
        for _ in range(ACCEPT_SIZE):
            try:
                connection, address = sock.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                self._pause(error)
                return
            if self._exhausted:
                self._exhausted = False
                logger.warning("accepting connections again")
            connection.setblocking(False)
            self._serve(connection, address)

    def _pause(self, error: OSError) -> None:
        if not self._exhausted:
            self._exhausted = True
            cause = "out of descriptors" if error.errno in _EXHAUSTED else "accepting failed"
            logger.error("%s (%s): new connections wait; raise the limit (ulimit -n)", cause, error.strerror)
        self._ignore()
        self._resume = self._loop.call_later(PAUSE, self.start)


class HttpDoor:
    """Gives accepted sockets to the fast lane, and what is not for it to one Tornado HTTPServer.

    TLS goes to Tornado at once.

    Args:
        server: The real HTTP server; a new one counts for connections that come to it from then on.
        tls: Its certificates; None for plain HTTP.
        poller: Watches the connections in the lane.

    Attributes:
        lane: Of this listener.
    """

    def __init__(self, server: HTTPServer, tls: ssl.SSLContext | None, poller: Poller) -> None:
        self.server = server
        self.tls = tls
        self.lane = LaneDoor(asyncio.get_running_loop(), poller, self._take_over)

    def serve(self, connection: socket.socket, address: Any) -> None:
        """Begin to serve one connection."""
        if self.tls is None:
            self.lane.serve(connection, address)
        else:
            self._begin(connection, address, partial(_tls_stream, connection, self.tls))

    def _take_over(self, connection: socket.socket, address: Any, unread: bytes, unsent: bytes) -> None:
        """Go on where the lane ended. It began without TLS, whatever the listener speaks by now."""
        self._begin(connection, address, partial(_plain_stream, connection, unread, unsent))

    def _begin(self, connection: socket.socket, address: Any, stream: Callable[[], IOStream]) -> None:
        try:
            self.server.handle_stream(stream(), address)
        except OSError as error:
            # The peer was gone before it could be served.
            logger.debug("a connection failed at once: %s", error)
            connection.close()
        except Exception:
            logger.exception("a new connection failed unexpectedly")
            connection.close()


def _plain_stream(connection: socket.socket, unread: bytes, unsent: bytes) -> IOStream:
    stream = PrefixedStream(connection, unread) if unread else IOStream(connection)
    if unsent:
        stream.write(unsent)
    return stream


def _tls_stream(connection: socket.socket, context: ssl.SSLContext) -> IOStream:
    wrapped = ssl_wrap_socket(connection, context, server_side=True, do_handshake_on_connect=False)
    return SSLIOStream(wrapped, ssl_options=context)
