"""Where Tornado's HTTP server meets the sites: a request becomes an Exchange and one task that answers it."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from tornado.http1connection import HTTP1Connection
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.peers import Network, forwarded_client, plain_address
from tornado_realtime.site.body import RequestBody, body_length
from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.request import read_request

logger = logging.getLogger(__name__)

# Steps bound what they read; a limit of Tornado's own would end in a 400 where 413 is due.
_UNBOUNDED = 2**62

Answer = Callable[[Exchange], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class FrontOptions:
    """What a listener believes about its clients.

    Attributes:
        trusted_proxies: Networks whose forwarding headers are believed; empty believes nobody.
        client_ip_headers: Header fields with the client's address, the first one present counts.
        write_timeout: Seconds a client may take for 256 KiB of an answer, or it is cut off; None for ever.
        stall_timeout: Seconds a client may pause within its request's body, or it gets 408; None for ever.
    """

    trusted_proxies: tuple[Network, ...] = ()
    client_ip_headers: tuple[str, ...] = ("X-Forwarded-For",)
    write_timeout: float | None = 300.0
    stall_timeout: float | None = 120.0


class SiteFront(HTTPServerConnectionDelegate):
    """Give this to a `tornado.httpserver.HTTPServer`; it serves until the server stops.

    Args:
        answer: Answers one exchange, `Sites.answer` for instance. May be replaced at any time: requests that
            have begun keep the one they began with.
        options: What to believe about clients.
    """

    def __init__(self, answer: Answer, options: FrontOptions | None = None) -> None:
        self.answer = answer
        self.options = options or FrontOptions()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def active(self) -> int:
        """How many requests are being answered now."""
        return len(self._tasks)

    def start_request(self, server_conn: object, request_conn: HTTPConnection) -> HTTPMessageDelegate:
        """Called by Tornado for each request of a connection."""
        return _Incoming(self, server_conn, cast(HTTP1Connection, request_conn))

    def run(self, exchange: Exchange) -> asyncio.Task[None]:
        """Answer one exchange in a task of its own."""
        task = asyncio.get_running_loop().create_task(_answered(self.answer, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def drain(self, timeout: float | None) -> bool:
        """Wait for the requests in flight, ``timeout`` seconds or (None) for ever; False if some remain."""
        if not self._tasks:
            return True
        _, pending = await asyncio.wait(self._tasks, timeout=timeout)
        return not pending

    async def cancel(self) -> None:
        """End the requests in flight now."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _answered(answer: Answer, exchange: Exchange) -> None:
    """Root of a request's task: whatever happens inside, the connection ends up in a known state."""
    try:
        await answer(exchange)
        await exchange.settle()
    except ConnectionClosedError:
        exchange.abort()
    except asyncio.CancelledError:
        exchange.abort()
        raise
    except HandlerError as error:
        await _failed(exchange, error.status)
    except Exception:
        logger.exception("Unexpected error while answering %s %s", *_label(exchange))
        await _failed(exchange, 500)


async def _failed(exchange: Exchange, status: int) -> None:
    try:
        if exchange.answered:
            exchange.abort()
        else:
            await exchange.respond(status)
    except ConnectionClosedError:
        exchange.abort()


def _label(exchange: Exchange) -> tuple[str, str]:
    return exchange.request.original_method, exchange.request.original_target


@dataclass(slots=True, eq=False)
class _Incoming(HTTPMessageDelegate):
    """One request as it comes in."""

    front: SiteFront
    server_conn: object
    connection: HTTP1Connection
    exchange: Exchange | None = field(default=None, init=False)
    body: RequestBody | None = field(default=None, init=False)
    task: asyncio.Task[None] | None = field(default=None, init=False)

    def headers_received(
        self, start_line: RequestStartLine | ResponseStartLine, headers: HTTPHeaders
    ) -> Awaitable[None] | None:
        assert isinstance(start_line, RequestStartLine)
        if self.connection.stream.closed():
            # Sent behind a request that was the connection's last one: never to be served (RFC 9112, 9.6).
            return None
        self.body = RequestBody(body_length(headers), self.front.options.stall_timeout)
        self.exchange = self._exchange(start_line, headers, self.body)
        if start_line.version == "HTTP/1.0":
            # Tornado would promise to keep the connection even where only closing can end the answer.
            headers.pop("Connection", None)
        self.connection.set_max_body_size(_UNBOUNDED)
        self.connection.set_close_callback(self.on_connection_close)
        self.task = self.front.run(self.exchange)
        if self.body.ended:
            return None
        self.connection.stream.set_close_callback(self.on_connection_close)
        return self.body.wanted

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        return self.body.feed(chunk) if self.body is not None else None

    def finish(self) -> None:
        if self.body is not None:
            self.body.end()

    def on_connection_close(self) -> None:
        """The client went away, or Tornado has stopped reading a request that is answered."""
        if self.body is None or self.exchange is None or self.task is None:
            return
        self.body.fail()
        if not self.exchange.finished:
            self.task.cancel()

    def _exchange(self, start_line: RequestStartLine, headers: HTTPHeaders, body: RequestBody) -> Exchange:
        options = self.front.options
        peer = _peer(self.connection.context)
        client_ip = forwarded_client(peer[0], headers, options.trusted_proxies, options.client_ip_headers)
        scheme = getattr(self.connection.context, "protocol", "http")
        port = _own_port(self.connection.stream.socket)
        request = read_request(start_line, headers, scheme, peer, client_ip, port)
        if body.length is None and request.version == "HTTP/1.0":
            raise HTTPInputError("HTTP/1.0 knows no Transfer-Encoding")
        return Exchange(request, self.connection, body, options.write_timeout, self.server_conn)


def _peer(context: object) -> tuple[str, int]:
    address = getattr(context, "address", None)
    if isinstance(address, tuple) and len(address) >= 2:
        return plain_address(str(address[0])), int(address[1])
    return "", 0


def _own_port(own: socket.socket | None) -> int:
    try:
        name = own.getsockname() if own is not None else ""
    except OSError:
        return 0
    return int(name[1]) if isinstance(name, tuple) and len(name) >= 2 else 0
