"""Sends one file, or the part of it that is wanted, unless the client has it already."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from contextlib import closing
from dataclasses import dataclass
from io import FileIO

from tornado.httputil import HTTPHeaders, format_timestamp

from tornado_realtime.errors import ConnectionClosedError, HandlerError
from tornado_realtime.site.conditional import UNSATISFIABLE, ByteRange, Validators, precondition, wanted_range
from tornado_realtime.site.exchange import Exchange
from tornado_realtime.site.mime import content_type

# The first piece is read where we are; a disk that is slow for the rest holds up a thread, not the loop.
_FIRST_BYTES = 64 * 1024
_NEXT_BYTES = 256 * 1024
_ETAG_BYTES = 256

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_BARE_ETAG = re.compile(r"[\x21\x23-\x7e]+")


@dataclass(frozen=True, slots=True)
class Blob:
    """A file to send.

    Attributes:
        path: Resolved, absolute.
        name: Whose ending tells the type of the content.
        coding: Content coding of the bytes; empty for none.
        vary: Whether the choice depended on what codings the client takes.
    """

    path: str
    name: str
    coding: str = ""
    vary: bool = False


async def deliver(exchange: Exchange, blob: Blob, status: int | None, etag: str = "") -> None:
    """Answer with a file.

    Args:
        exchange: To answer.
        blob: What to send.
        status: To be used whatever the request says; None for 200, 206, 304, 412 or 416.
        etag: Entity tag; empty to make one of size and time.

    Raises:
        HandlerError: 403 or 404.
    """
    try:
        file = FileIO(_open(blob.path), "rb")
    except OSError as exc:
        refused = isinstance(exc, PermissionError)
        raise HandlerError(403 if refused else 404, "cannot open the file") from exc
    with closing(file):
        await _Delivery(exchange, file, blob, etag).run(status)


def read_etag(path: str) -> str:
    """The entity tag that a file holds, with quotes if they are missing; empty when it holds none."""
    try:
        with FileIO(_open(path), "rb") as file:
            text = (file.read(_ETAG_BYTES) or b"").decode("latin-1").strip()
    except OSError:
        return ""
    if _ETAG.fullmatch(text):
        return text
    return f'"{text}"' if _BARE_ETAG.fullmatch(text) else ""


class _Delivery:
    """One open file on its way to one client."""

    def __init__(self, exchange: Exchange, file: FileIO, blob: Blob, etag: str) -> None:
        self._exchange = exchange
        self._fd = file.fileno()
        self._blob = blob
        info = os.fstat(self._fd)
        if not stat.S_ISREG(info.st_mode):
            raise HandlerError(404, "no longer a regular file")
        self._size = info.st_size
        etag = etag or f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
        self._validators = Validators(etag, int(info.st_mtime))

    async def run(self, status: int | None) -> None:
        """Answer with all of it or a part, or say why not."""
        request = self._exchange.request
        if status is not None:
            await self._send(status, None)
            return
        refused = precondition(request.method, request.headers, self._validators)
        if refused is not None:
            await self._exchange.start(refused, self._base_headers())
            await self._exchange.finish()
            return
        part = None
        if request.method == "GET":
            part = wanted_range(request.headers, self._validators, self._size)
        if part is UNSATISFIABLE:
            await self._exchange.respond(416, b"", {"Content-Range": f"bytes */{self._size}"})
            return
        await self._send(200 if part is None else 206, part)

    async def _send(self, status: int, part: ByteRange | None) -> None:
        span = part or ByteRange(0, self._size - 1)
        first = os.pread(self._fd, min(_FIRST_BYTES, span.length), span.first)
        headers = self._base_headers()
        headers["Content-Type"] = content_type(self._blob.name, b"" if self._blob.coding else first)
        headers["Content-Length"] = str(span.length)
        if part is not None:
            headers["Content-Range"] = f"bytes {part.first}-{part.last}/{self._size}"
        if self._exchange.request.original_method == "HEAD":
            await self._exchange.start(status, headers)
        else:
            await self._exchange.start(status, headers, first)
            await self._rest(span.first + len(first), span.length - len(first))
        await self._exchange.finish()

    async def _rest(self, offset: int, length: int) -> None:
        loop = asyncio.get_running_loop()
        while length > 0:
            wanted = min(_NEXT_BYTES, length)
            piece = await loop.run_in_executor(None, os.pread, self._fd, wanted, offset)
            if not piece:
                raise ConnectionClosedError("the file became shorter while it was sent")
            await self._exchange.write(piece)
            offset += len(piece)
            length -= len(piece)

    def _base_headers(self) -> HTTPHeaders:
        headers = HTTPHeaders({"Accept-Ranges": "bytes", "ETag": self._validators.etag})
        if self._validators.modified > 1:
            headers["Last-Modified"] = format_timestamp(self._validators.modified)
        if self._blob.coding:
            headers["Content-Encoding"] = self._blob.coding
        if self._blob.vary:
            headers["Vary"] = "Accept-Encoding"
        return headers


def _open(path: str) -> int:
    """The path is resolved already: a symlink that took its place in between is not followed."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
