"""A request body, taken in full before PHP is asked.

PHP needs to know the length first, and reads all of it before it runs a script anyway. Taking it here means
that a slow or malicious sender holds a temporary file, never one of the few PHP workers.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterable, AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import IO, Protocol

from tornado_realtime.errors import HandlerError

MEMORY_BYTES = 128 * 1024
DEFAULT_LIMIT_BYTES = 10 * 1000 * 1000
MAX_LARGE_BODIES = 64

_CHUNK_BYTES = 64 * 1024


class BodySource(Protocol):
    """The part of an exchange that is needed here."""

    @property
    def content_length(self) -> int | None:
        """Announced size in bytes, None when it is not known."""
        ...

    def body(self) -> AsyncIterator[bytes]:
        """The body, piece by piece."""
        ...


@dataclass(frozen=True, slots=True)
class TakenBody:
    """A body that is here.

    Attributes:
        size: In bytes.
        content: All of it, or pieces read from a temporary file.
    """

    size: int
    content: bytes | AsyncIterable[bytes]


class BodyTaker:
    """Takes request bodies, small ones into memory and large ones into temporary files.

    Args:
        limit_bytes: Largest size; default 10 MB.
        large_bodies: How many large ones may be taken and held at once; more wait, and their senders with
            them, so that the disk holds at most this many times the limit.
        patience: Seconds that one may wait for that.
    """

    def __init__(
        self,
        limit_bytes: int = DEFAULT_LIMIT_BYTES,
        large_bodies: int = MAX_LARGE_BODIES,
        patience: float = 60.0,
    ) -> None:
        self._limit_bytes = limit_bytes
        self._large = asyncio.Semaphore(large_bodies)
        self._patience = patience

    @asynccontextmanager
    async def take(self, source: BodySource) -> AsyncIterator[TakenBody]:
        """The whole body; a temporary file is gone when the context is left.

        Raises:
            HandlerError: 413 when it is too long, before anything is read if that was announced; 503 when too
                many large ones are under way; 507 when there is no room for it.
            ConnectionClosedError: When the sender goes away.
        """
        self._check(source.content_length or 0)
        pieces = aiter(source.body()) if source.content_length != 0 else None
        head = await self._head(pieces) if pieces else b""
        if pieces is None or len(head) <= MEMORY_BYTES:
            yield TakenBody(len(head), head)
            return
        async with self._slot():
            with _temporary_file() as file:
                yield TakenBody(await self._fill(file, head, pieces), _read(file))

    def _check(self, size: int) -> None:
        if size > self._limit_bytes:
            raise HandlerError(413, f"the request body is longer than {self._limit_bytes} bytes")

    async def _head(self, pieces: AsyncIterator[bytes]) -> bytes:
        """All of a small body; of a large one, the beginning, which is more than what stays in memory."""
        head = bytearray()
        async for piece in pieces:
            head += piece
            self._check(len(head))
            if len(head) > MEMORY_BYTES:
                break
        return bytes(head)

    async def _fill(self, file: IO[bytes], head: bytes, pieces: AsyncIterator[bytes]) -> int:
        size = len(head)
        with _room():
            file.write(head)
        async for piece in pieces:
            size += len(piece)
            self._check(size)
            with _room():
                file.write(piece)
        with _room():
            file.seek(0)
        return size

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._patience):
                await self._large.acquire()
        except TimeoutError as exc:
            raise HandlerError(503, "too many large request bodies at once") from exc
        try:
            yield
        finally:
            self._large.release()


def _temporary_file() -> IO[bytes]:
    with _room():
        return tempfile.TemporaryFile()


@contextmanager
def _room() -> Iterator[None]:
    """Turns the errors of a full disk into an answer."""
    try:
        yield
    except OSError as exc:
        raise HandlerError(507, f"no room for a request body: {exc.strerror}") from exc


async def _read(file: IO[bytes]) -> AsyncIterator[bytes]:
    while piece := file.read(_CHUNK_BYTES):
        yield piece
