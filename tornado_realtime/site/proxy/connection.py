"""One connection to an upstream: a request goes out while its answer comes in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable
from contextlib import aclosing
from typing import TypeVar

from tornado.iostream import IOStream, StreamClosedError, UnsatisfiableReadError

from tornado_realtime.errors import GatewayError
from tornado_realtime.site.proxy.wire import (
    MAX_HEAD_BYTES,
    MAX_LINE_BYTES,
    Framing,
    UpstreamHead,
    encode_chunk,
    parse_chunk_size,
    parse_head,
)

_PIECE_BYTES = 64 * 1024
_MOST_TRAILERS = 100
_MOST_INFORMATIONAL = 10

T = TypeVar("T")


class SilentUpstreamError(GatewayError):
    """The connection ended before the first byte of an answer: it may have been a stale one."""


class UpstreamConnection:
    """Speaks HTTP/1.1 on a stream, one request at a time.

    Args:
        stream: Connected.
        read_timeout: Seconds between two pieces of an answer; None without limit.
        write_timeout: Seconds for sending a piece of the request; None without limit.
    """

    def __init__(
        self, stream: IOStream, read_timeout: float | None = None, write_timeout: float | None = None
    ) -> None:
        self.stream = stream
        self.reused = False
        self._read_timeout = read_timeout
        self._write_timeout = write_timeout
        self._head: UpstreamHead | None = None
        self._sent = False
        self._received = False
        self._early: Awaitable[bytes] | None = None

    @property
    def is_quiet(self) -> bool:
        """Whether an idle connection is open and nothing came in unasked, to be taken for an answer."""
        return not self.stream.closed() and isinstance(self._early, asyncio.Future) and not self._early.done()

    def idle(self) -> None:
        """Watch the connection while it is not used; the byte that is waited for begins the next answer."""
        self.reused = True
        try:
            self._early = self.stream.read_bytes(1, partial=True)
        except StreamClosedError:
            self._early = None

    @property
    def reusable(self) -> bool:
        """Whether request and answer are complete and the upstream lets another request follow."""
        alive = self._head is not None and self._head.keeps_alive
        return alive and self._sent and self._received and not self.stream.closed()

    async def send(self, head: bytes, body: AsyncIterable[bytes] | None, chunked: bool) -> None:
        """Send a request, its body as fast as the upstream takes it.

        Raises:
            GatewayError: 502 if the upstream closes, 504 if it takes nothing for too long.
            ConnectionClosedError: If the client went away while its body was read.
        """
        self._head, self._sent, self._received = None, False, False
        await self._write(head)
        if body is not None:
            async for piece in body:
                await self._write(encode_chunk(piece) if chunked else piece)
            if chunked:
                await self._write(encode_chunk(b""))
        self._sent = True

    async def read_head(self, method: str, timeout: float | None) -> UpstreamHead:
        """Wait for the head of the answer; informational ones before it are skipped.

        Args:
            method: Of the request.
            timeout: Seconds; None without limit.

        Raises:
            SilentUpstreamError: 502, if nothing at all came.
            GatewayError: 502 for what is no answer, 504 if it takes too long.
        """
        for _ in range(_MOST_INFORMATIONAL):
            data = await self._in_time(self._read_head_bytes(), timeout)
            head = parse_head(data, method)
            if head.status >= 200 or head.status == 101:
                self._head = head
                return head
        raise GatewayError(502, "the upstream sends informational answers only")

    async def body(self) -> AsyncGenerator[bytes, None]:
        """The body of the answer whose head has been read.

        Raises:
            GatewayError: 502 if it ends too early, 504 if nothing comes for too long.
        """
        assert self._head is not None
        if self._head.framing is Framing.LENGTH:
            pieces = self._exactly(self._head.length)
        elif self._head.framing is Framing.CHUNKED:
            pieces = self._chunks()
        else:
            pieces = self._until_close() if self._head.framing is Framing.CLOSE else self._exactly(0)
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece
        self._received = True

    def close(self) -> None:
        """Close the connection at once."""
        self.stream.close()

    async def _write(self, data: bytes) -> None:
        try:
            await self._in_time(self.stream.write(data), self._write_timeout)
        except StreamClosedError as exc:
            raise SilentUpstreamError(502, "the upstream closed the connection while it was sent to") from exc

    async def _read_head_bytes(self) -> bytes:
        early, self._early = self._early, None
        try:
            first = await early if early is not None else b""
            return first + await self.stream.read_until_regex(rb"\r?\n\r?\n", max_bytes=MAX_HEAD_BYTES)
        except UnsatisfiableReadError as exc:
            raise GatewayError(502, "the head of the upstream's answer is too long") from exc
        except StreamClosedError as exc:
            raise SilentUpstreamError(502, "the upstream closed the connection without an answer") from exc

    async def _exactly(self, length: int) -> AsyncGenerator[bytes, None]:
        while length:
            piece = await self._read(min(length, _PIECE_BYTES))
            length -= len(piece)
            yield piece

    async def _chunks(self) -> AsyncGenerator[bytes, None]:
        while size := parse_chunk_size(await self._line()):
            async with aclosing(self._exactly(size)) as pieces:
                async for piece in pieces:
                    yield piece
            if (await self._line()).strip(b"\r\n"):
                raise GatewayError(502, "the upstream sent a chunk longer than its size")
        for _ in range(_MOST_TRAILERS):
            if not (await self._line()).strip(b"\r\n"):
                return
        raise GatewayError(502, "the upstream sent too many trailers")

    async def _until_close(self) -> AsyncGenerator[bytes, None]:
        while True:
            try:
                yield await self._in_time(
                    self.stream.read_bytes(_PIECE_BYTES, partial=True), self._read_timeout
                )
            except StreamClosedError as exc:
                if exc.real_error is not None:
                    raise GatewayError(502, "the upstream's answer broke off") from exc
                return

    async def _read(self, most: int) -> bytes:
        try:
            return await self._in_time(self.stream.read_bytes(most, partial=True), self._read_timeout)
        except StreamClosedError as exc:
            raise GatewayError(502, "the upstream's answer broke off") from exc

    async def _line(self) -> bytes:
        try:
            return await self._in_time(
                self.stream.read_until(b"\n", max_bytes=MAX_LINE_BYTES), self._read_timeout
            )
        except (StreamClosedError, UnsatisfiableReadError) as exc:
            raise GatewayError(502, "the upstream's answer broke off") from exc

    async def _in_time(self, waiting: Awaitable[T], timeout: float | None) -> T:
        try:
            async with asyncio.timeout(timeout):
                return await waiting
        except TimeoutError as exc:
            raise GatewayError(504, "the upstream takes too long") from exc
