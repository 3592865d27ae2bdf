"""A request's body on its way from the connection to whoever reads it, one piece at a time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator

from tornado.httputil import HTTPHeaders, HTTPInputError

from tornado_realtime.errors import ConnectionClosedError, HandlerError

_LENGTH = re.compile(r"([0-9]{1,18})(?:,[ \t]*\1)*")


def body_length(headers: HTTPHeaders) -> int | None:
    """Length a request announces: bytes, 0 when it has no body, None when it is chunked.

    Raises:
        HTTPInputError: If that could be read in two ways (RFC 9112 section 6). Tornado finds that, too, but
            only when somebody reads the body: by then the request may have been answered.
    """
    length = headers.get("Content-Length")
    if "Transfer-Encoding" not in headers:
        found = _LENGTH.fullmatch("0" if length is None else length)
        if found is None:
            raise HTTPInputError("Content-Length is no number")
        return int(found[1])
    if length is not None or headers["Transfer-Encoding"].lower() != "chunked":
        raise HTTPInputError("a body has one length, or is chunked, and nothing else")
    return None


class RequestBody(AsyncIterator[bytes]):
    """Holds at most one piece; the connection is not read while nobody wants the next one.

    The connection feeds it (``feed``, ``end``, ``fail``); the chain iterates over it, once.

    Args:
        length: Bytes announced; 0 for no body, None when unknown.
        stall_timeout: Seconds a client may pause between two pieces; None for ever.
    """

    __slots__ = ("_ended", "_failed", "_news", "_piece", "_room", "_stall", "length", "taken_bytes", "wanted")

    def __init__(self, length: int | None, stall_timeout: float | None = None) -> None:
        self.length = length
        self._stall = stall_timeout
        self.taken_bytes = 0
        self.wanted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._piece: bytes | None = None
        self._room: asyncio.Future[None] | None = None
        self._news: asyncio.Future[None] | None = None
        self._ended = length == 0
        self._failed = False

    @property
    def ended(self) -> bool:
        """Whether all of it has come in and nothing waits to be taken."""
        return self._ended and self._piece is None

    @property
    def asked_for(self) -> bool:
        """Whether somebody has begun to read it."""
        return self.wanted.done()

    def feed(self, piece: bytes) -> asyncio.Future[None] | None:
        """Take a piece from the connection; the future says when the next one may come."""
        if self._failed:
            return None
        self._piece = piece
        self._wake()
        self._room = asyncio.get_running_loop().create_future()
        return self._room

    def end(self) -> None:
        """All of it has come in."""
        self._ended = True
        self._wake()

    def fail(self) -> None:
        """The rest will never come; a reader gets ConnectionClosedError."""
        if not self._ended:
            self._failed = True
        self._want()
        self._make_room()
        self._wake()

    def __aiter__(self) -> RequestBody:
        return self

    async def __anext__(self) -> bytes:
        """The next piece, never empty.

        Raises:
            ConnectionClosedError: If the client went away before the end.
            HandlerError: 408 if it pauses for too long.
        """
        self._want()
        while self._piece is None:
            if self._ended:
                raise StopAsyncIteration
            if self._failed:
                raise ConnectionClosedError("the client went away while its body was read")
            await self._wait()
        piece, self._piece = self._piece, None
        self.taken_bytes += len(piece)
        self._make_room()
        return piece

    async def drain(self, most_bytes: int) -> bool:
        """Read and drop what is left; False when that is more than ``most_bytes``, or it never came."""
        dropped = 0
        try:
            async for piece in self:
                dropped += len(piece)
                if dropped > most_bytes:
                    return False
        except (ConnectionClosedError, HandlerError):
            return False
        return True

    async def _wait(self) -> None:
        self._news = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(self._stall):
                await self._news
        except TimeoutError as exc:
            raise HandlerError(408, "the request body does not come") from exc

    def _want(self) -> None:
        if not self.wanted.done():
            self.wanted.set_result(None)

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None and not room.done():
            room.set_result(None)

    def _wake(self) -> None:
        news, self._news = self._news, None
        if news is not None and not news.done():
            news.set_result(None)
