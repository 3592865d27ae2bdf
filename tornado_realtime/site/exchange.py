"""One request and its answer: the object every step of a site's chain works on.

A step is a `Handler`: it answers, or awaits ``next_step()``. What it may do with the exchange is here; how
bytes travel is in `body` (in) and `responder` (out); `handover` gives a request to Tornado's own handlers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from tornado.http1connection import HTTP1Connection
from tornado.httputil import HTTPHeaders, HTTPServerConnectionDelegate
from tornado.iostream import IOStream, StreamClosedError

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.body import RequestBody
from tornado_realtime.site.handover import DEFAULT_BODY_BYTES, Handover
from tornado_realtime.site.request import SiteRequest
from tornado_realtime.site.responder import BodyFilter, HeadHook, Responder, ResponseHead

__all__ = ["BodyFilter", "Exchange", "Handler", "HeadHook", "Next", "ResponseHead", "SiteRequest"]

# What is left of a request's body is read and dropped within these bounds, because closing a socket that
# holds unread bytes resets it, and a reset can destroy our answer before the client has read it.
_LINGER_BYTES = 16 * 1024 * 1024
_LINGER_SECONDS = 5.0

# Written at once, so that a client that takes its time is told from one that takes nothing.
_WRITE_BYTES = 256 * 1024

Next = Callable[[], Awaitable[None]]


class Handler(Protocol):
    """One step of the middleware chain."""

    async def __call__(self, exchange: Exchange, next_step: Next) -> None:
        """Answer, or call ``next_step`` once.

        Raises:
            HandlerError: To end in the site's error routes, or in an empty answer with that status.
        """
        ...


class Exchange:
    """A request, what the chain remembers about it, and the way to answer it.

    Args:
        request: As judged by the front.
        connection: Tornado's connection of this request.
        body: Fed by the front.
        write_timeout: Seconds a client may take for 256 KiB of an answer; None waits for ever.

    Attributes:
        request: Current request; rewrites change it.
        vars: ``root`` and the like; regexp captures under ``re.NAME.N``.
        error: What failed, while error routes run; else None.
        started: When the head had been read, `time.monotonic` seconds.
        preset_headers: Go out with whatever answer comes, unless that sets the same field.
    """

    def __init__(
        self,
        request: SiteRequest,
        connection: HTTP1Connection,
        body: RequestBody,
        write_timeout: float | None = None,
        server_connection: object = None,
    ) -> None:
        self.request = request
        self.vars: dict[str, Any] = {}
        self.error: HandlerError | None = None
        self.started = time.monotonic()
        self.responder = Responder(connection, request)
        self.preset_headers = self.responder.preset
        self._body = body
        self._write_timeout = write_timeout
        self._server_connection = server_connection

    @property
    def status(self) -> int | None:
        """Status of the head that went out, None while nobody has answered."""
        return self.responder.status

    @property
    def answered(self) -> bool:
        """Whether nothing is left to answer: a head is out, or the connection was closed or given away."""
        return self.responder.answered

    @property
    def finished(self) -> bool:
        """Whether the answer is complete."""
        return self.responder.finished

    @property
    def default_status(self) -> int:
        """Status of an answer that names none: 200, in error routes that of the error."""
        return self.error.status if self.error is not None else 200

    @property
    def sent_bytes(self) -> int:
        """Bytes of the answer's body written so far, after compression."""
        return self.responder.sent_bytes

    @property
    def read_bytes(self) -> int:
        """Bytes of the request's body taken so far."""
        return self._body.taken_bytes

    @property
    def content_length(self) -> int | None:
        """Bytes of the request's body as announced; 0 for none, None when it is chunked."""
        return self._body.length

    def on_head(self, hook: HeadHook) -> None:
        """Call ``hook`` right before the head goes out; the hook registered last runs first."""
        self.responder.on_head(hook)

    def forget_hooks(self) -> None:
        """Forget what was registered: error routes answer for themselves, only preset headers stay."""
        self.responder.forget_hooks()

    async def start(self, status: int, headers: HTTPHeaders | None = None, chunk: bytes = b"") -> None:
        """Send the head, with the first piece of the body if there is one already.

        With a Content-Length the body must have that length; without one it is chunked.

        Raises:
            ConnectionClosedError: If this was answered before, or the client went away.
        """
        await self._sent(self.responder.head(status, headers, chunk[:_WRITE_BYTES]))
        if len(chunk) > _WRITE_BYTES:
            await self.write(chunk[_WRITE_BYTES:])

    async def write(self, chunk: bytes) -> None:
        """Send one more piece of the body and wait until the client's side has taken it.

        Raises:
            ConnectionClosedError: If the client went away, or takes nothing for too long.
        """
        if len(chunk) <= _WRITE_BYTES:
            await self._sent(self.responder.send(chunk))
            return
        for at in range(0, len(chunk), _WRITE_BYTES):
            await self._sent(self.responder.send(chunk[at : at + _WRITE_BYTES]))

    async def finish(self) -> None:
        """Complete the answer. What is left of the request's body is dropped, or the connection is closed."""
        if not self.responder.finished:
            await self._sent(self.responder.last())
            await self._linger()
            self.responder.end()
        self._body.fail()
        await self._sent(self.responder.flushed())
        if self.responder.closing:
            self.responder.close()

    async def settle(self) -> None:
        """Complete what the chain left: a begun answer, or an empty one with the default status."""
        if self.answered:
            await self.finish()
        else:
            await self.respond(self.default_status)

    async def respond(self, status: int, body: bytes = b"", headers: Mapping[str, str] | None = None) -> None:
        """Send a whole answer at once."""
        fields = HTTPHeaders()
        for name, value in (headers or {}).items():
            fields[name] = value
        fields["Content-Length"] = str(len(body))
        await self.start(status, fields, body)
        await self.finish()

    def abort(self) -> None:
        """Close the connection without any answer, or in the middle of one."""
        if not self.responder.finished:
            self.responder.close()
        self._body.fail()

    def body(self) -> AsyncIterator[bytes]:
        """The request's body; the connection is read only as fast as this is iterated over.

        Raises:
            ConnectionClosedError: From the iteration, if the client goes away before the end.
        """
        return self._body

    async def delegate(
        self, target: HTTPServerConnectionDelegate, max_body_bytes: int = DEFAULT_BODY_BYTES
    ) -> None:
        """Give the whole request to Tornado's handlers (a `tornado.web.Application`); wait for the answer.

        They see the current method, path and headers. Head hooks and preset headers apply to their answer,
        and their ``detach()`` hands out the real stream.

        Args:
            target: What would be the callback of a `tornado.httpserver.HTTPServer`.
            max_body_bytes: A longer request body is refused; a handler's ``set_max_body_size`` changes it.

        Raises:
            HandlerError: 400 if Tornado refuses the request, 413 if the body is too long.
        """
        handover = Handover(self.request, self.responder, self._body, max_body_bytes)
        await handover.run(target, self._server_connection)
        await self.finish()

    def detach(self) -> IOStream:
        """Take the stream for another protocol; the site forgets this exchange."""
        stream = self.responder.detach()
        self._body.fail()
        return stream

    async def upgrade(self, headers: HTTPHeaders) -> IOStream:
        """Answer 101 with these headers and take the stream for the other protocol.

        Raises:
            ConnectionClosedError: If this was answered before, or the client went away.
        """
        await self.start(101, headers)
        self.responder.end()
        return self.detach()

    async def _sent(self, written: asyncio.Future[None] | None) -> None:
        if written is None:
            return
        try:
            if written.done():
                written.result()
            else:
                async with asyncio.timeout(self._write_timeout):
                    await written
        except StreamClosedError as exc:
            raise ConnectionClosedError("the client went away") from exc
        except TimeoutError as exc:
            self.responder.close()
            raise ConnectionClosedError("the client takes nothing") from exc

    async def _linger(self) -> None:
        """Make the connection reusable, or at least let the answer arrive before it is closed."""
        if self._body.ended:
            return
        if not self._body.asked_for and "Expect" in self.request.headers:
            return
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._body.drain(_LINGER_BYTES)
        except TimeoutError:
            return
