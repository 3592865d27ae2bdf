"""Hands a request of a site to Tornado's own handlers, and their answer back to the site."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tornado.concurrent import Future
from tornado.httputil import (
    HTTPConnection,
    HTTPHeaders,
    HTTPInputError,
    HTTPMessageDelegate,
    HTTPServerConnectionDelegate,
    RequestStartLine,
    ResponseStartLine,
)
from tornado.iostream import IOStream, StreamClosedError

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.body import RequestBody
from tornado_realtime.site.request import SiteRequest
from tornado_realtime.site.responder import Responder

DEFAULT_BODY_BYTES = 10 * 1024 * 1024


class HandoverConnection(HTTPConnection):
    """What a Tornado handler takes for its connection; it writes through the exchange's responder."""

    def __init__(self, responder: Responder, body: RequestBody, max_body_bytes: int) -> None:
        self.context = responder.connection.context
        self.max_body_bytes = max_body_bytes
        self.done = asyncio.Event()
        self._responder = responder
        self._body = body
        self._close_callback: Callable[[], None] | None = None

    @property
    def stream(self) -> IOStream:
        """The real stream."""
        return self._responder.connection.stream

    def write_headers(
        self,
        start_line: RequestStartLine | ResponseStartLine,
        headers: HTTPHeaders,
        chunk: bytes | None = None,
    ) -> Future[None]:
        """Send the head after the site's hooks have seen it."""
        assert isinstance(start_line, ResponseStartLine)
        code, reason = start_line.code, start_line.reason
        return _settled(lambda: self._responder.head(code, headers, chunk or b"", reason))

    def write(self, chunk: bytes) -> Future[None]:
        """Send one more piece of the body."""
        return _settled(lambda: self._responder.send(chunk))

    def finish(self) -> None:
        """Complete the answer; an unread request body is left to the exchange, which drops it in time."""
        if self._body.ended:
            _settled(self._responder.last)
            self._responder.end()
        self.done.set()

    def detach(self) -> IOStream:
        """Hand out the real stream."""
        stream = self._responder.detach()
        self.done.set()
        return stream

    def close(self) -> None:
        """Close the connection at once."""
        if not self._responder.finished:
            self._responder.close()
        self.done.set()

    def set_close_callback(self, callback: Callable[[], None] | None) -> None:
        """Call back when the client goes away before the answer is complete."""
        self._close_callback = callback

    def set_max_body_size(self, max_body_size: int) -> None:
        """Change how many bytes of request body are taken."""
        self.max_body_bytes = max_body_size

    def set_body_timeout(self, timeout: float) -> None:
        """Change how long the body may take, in seconds."""
        self._responder.connection.set_body_timeout(timeout)

    def tell_closed(self) -> None:
        """The client went away: run the handler's callback, once."""
        callback, self._close_callback = self._close_callback, None
        if callback is not None:
            callback()


class Handover:
    """One request given to Tornado: replays it, then waits for the answer.

    Args:
        request: Its current state is what the handlers see.
        responder: Where the answer goes.
        body: What is left of the request's body.
        max_body_bytes: A longer body is refused.
    """

    def __init__(
        self, request: SiteRequest, responder: Responder, body: RequestBody, max_body_bytes: int
    ) -> None:
        self._request = request
        self._body = body
        self._connection = HandoverConnection(responder, body, max_body_bytes)
        self._complete = False

    async def run(self, target: HTTPServerConnectionDelegate, server_connection: object) -> None:
        """Replay the request into ``target`` and return when it has answered or taken the stream.

        Raises:
            HandlerError: 400 or 413, see `Exchange.delegate`.
        """
        inner = target.start_request(server_connection, self._connection)
        begun = False
        try:
            await _maybe(inner.headers_received(self._start_line(), self._request.headers))
            begun = True
            await self._replay(inner)
            await self._connection.done.wait()
        except HTTPInputError as exc:
            raise HandlerError(400, str(exc)) from exc
        finally:
            self._farewell(inner, begun)

    async def _replay(self, inner: HTTPMessageDelegate) -> None:
        taken = 0
        if self._connection.done.is_set():
            return
        self._check(self._body.length or 0)
        async for piece in self._body:
            taken += len(piece)
            self._check(taken)
            await _maybe(inner.data_received(piece))
            if self._connection.done.is_set():
                return
        self._complete = True
        inner.finish()

    def _check(self, length: int) -> None:
        if length > self._connection.max_body_bytes:
            raise HandlerError(413, f"request body above {self._connection.max_body_bytes} bytes")

    def _farewell(self, inner: HTTPMessageDelegate, begun: bool) -> None:
        """Tornado's contract: after headers_received comes either finish or on_connection_close."""
        if begun and not self._complete:
            inner.on_connection_close()
        elif not self._connection.done.is_set():
            self._connection.tell_closed()

    def _start_line(self) -> RequestStartLine:
        return RequestStartLine(self._request.method, self._request.uri, self._request.version)


async def _maybe(waiting: Awaitable[None] | None) -> None:
    if waiting is not None:
        await waiting


def _settled(write: Callable[[], asyncio.Future[None] | None]) -> Future[None]:
    """A future in any case: from it, not from an exception, handlers learn that the client is gone."""
    try:
        written = write()
    except ConnectionClosedError:
        written = Future()
        written.set_exception(StreamClosedError())
        written.exception()
        return written
    if written is None:
        written = Future()
        written.set_result(None)
    return written
