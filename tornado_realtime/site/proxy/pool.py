"""Connects to upstreams and keeps idle connections for the next request."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from tornado.iostream import IOStream, StreamClosedError

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.proxy.connection import UpstreamConnection
from tornado_realtime.site.proxy.spec import HttpTransport


class DialError(GatewayError):
    """No connection: nothing was sent, so that another upstream may be asked without harm."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where an upstream listens, placeholders filled in.

    Attributes:
        host: Name or address; for a Unix socket its path.
        port: 0 for a Unix socket.
        tls: Whether to speak TLS.
        server_name: Expected in the certificate.
    """

    host: str
    port: int
    tls: bool = False
    server_name: str = ""

    @property
    def is_socket_path(self) -> bool:
        """Whether it is a Unix socket."""
        return self.port == 0


@dataclass(slots=True)
class _Idle:
    connection: UpstreamConnection
    since: float


class ConnectionPool:
    """Connections to any number of addresses with one transport.

    Args:
        transport: How to connect, and how long to keep what is idle.
        clock: Seconds that only grow.

    Raises:
        OSError: If a file with certificates cannot be read.
    """

    def __init__(self, transport: HttpTransport, clock: Callable[[], float]) -> None:
        self._transport = transport
        self._clock = clock
        self._idle: dict[Address, deque[_Idle]] = {}
        if transport.trusted_ca_files:
            self._tls  # noqa: B018 - a missing file is found now, not with the first request

    async def take(self, address: Address, fresh: bool = False) -> UpstreamConnection:
        """A connection; an idle one unless ``fresh``.

        Raises:
            DialError: 502 if there is none to be had, 504 if that takes too long.
        """
        waiting = self._idle.get(address)
        while waiting and not fresh:
            found = waiting.pop()
            if self._is_good(found):
                return found.connection
            found.connection.close()
        return await self._connect(address)

    def give_back(self, address: Address, connection: UpstreamConnection) -> None:
        """Keep a connection for later, or close it."""
        transport = self._transport
        if not connection.reusable or transport.keepalive <= 0 or transport.keepalive_count <= 0:
            connection.close()
            return
        waiting = self._idle.setdefault(address, deque())
        connection.idle()
        waiting.append(_Idle(connection, self._clock()))
        while len(waiting) > transport.keepalive_count or not self._is_good(waiting[0]):
            waiting.popleft().connection.close()
            if not waiting:
                break

    def close(self) -> None:
        """Close what is idle."""
        for waiting in self._idle.values():
            for idle in waiting:
                idle.connection.close()
        self._idle.clear()

    def _is_good(self, idle: _Idle) -> bool:
        young = self._clock() - idle.since < self._transport.keepalive
        return young and idle.connection.is_quiet

    async def _connect(self, address: Address) -> UpstreamConnection:
        try:
            async with asyncio.timeout(self._transport.dial_timeout):
                stream = await self._stream(address)
        except TimeoutError as exc:
            raise DialError(504, f"no connection to {address.host} in time") from exc
        except (OSError, StreamClosedError, ValueError) as exc:
            raise DialError(502, f"no connection to {address.host}: {exc}") from exc
        stream.set_nodelay(True)
        return UpstreamConnection(stream, self._transport.read_timeout, self._transport.write_timeout)

    async def _stream(self, address: Address) -> IOStream:
        if address.is_socket_path:
            stream = IOStream(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            return await _closing_on_failure(stream, stream.connect(address.host))
        stream = await _tcp_stream(address)
        if not address.tls:
            return stream
        # From here on the socket belongs to the new stream, which closes itself when the handshake fails.
        return await stream.start_tls(False, self._tls, server_hostname=address.server_name or address.host)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        for file in self._transport.trusted_ca_files:
            context.load_verify_locations(file)
        context.set_alpn_protocols(["http/1.1"])
        if self._transport.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context


async def _tcp_stream(address: Address) -> IOStream:
    """Connect to the first of the host's addresses that lets us."""
    loop = asyncio.get_running_loop()
    failure: OSError = OSError("the name has no address")
    for family, kind, protocol, _, place in await loop.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM
    ):
        stream = IOStream(socket.socket(family, kind, protocol))
        try:
            return await _closing_on_failure(stream, stream.connect(place))
        except OSError as exc:
            failure = exc
    raise failure


async def _closing_on_failure(stream: IOStream, waiting: asyncio.Future[IOStream]) -> IOStream:
    try:
        return await waiting
    except BaseException:
        stream.close()
        raise
