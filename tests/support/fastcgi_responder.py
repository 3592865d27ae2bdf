"""A FastCGI responder that does what a test tells it to, made without the codec under test."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tornado_realtime.site.fastcgi_client import FastCgiAddress

BEGIN, ABORT, END, PARAMS, STDIN, STDOUT, STDERR = range(1, 8)


class Call:
    """One connection of a client."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def record(self) -> tuple[int, bytes]:
        """The next record; type 0 at the end of the connection."""
        try:
            head = await self.reader.readexactly(8)
            _, kind, _, length, padding = struct.unpack(">BBHHBx", head)
            content = await self.reader.readexactly(length + padding)
        except (asyncio.IncompleteReadError, ConnectionError):
            return 0, b""
        return kind, content[:length]

    async def params(self) -> None:
        """Skip to the end of the variables."""
        while (await self.record()) != (PARAMS, b""):
            pass

    async def body(self) -> bytes:
        """Read the variables and the whole body."""
        await self.params()
        body = b""
        while (got := await self.record()) != (STDIN, b""):
            assert got[0] == STDIN
            body += got[1]
        return body

    async def send(self, kind: int, content: bytes = b"") -> None:
        self.writer.write(struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content)
        await self.writer.drain()

    async def out(self, content: bytes) -> None:
        await self.send(STDOUT, content)

    async def end(self) -> None:
        await self.send(END, b"\0" * 8)


@asynccontextmanager
async def responding(
    play: Callable[[Call], Awaitable[None]], path: Path | None = None
) -> AsyncIterator[FastCgiAddress]:
    """Listen on a Unix socket, or without a path on loopback; each connection is handed to ``play``."""
    errors: list[BaseException] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await play(Call(reader, writer))
        except ConnectionError:
            pass
        except Exception as exc:
            errors.append(exc)
        finally:
            writer.transport.abort()

    if path is None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = FastCgiAddress(host="127.0.0.1", port=server.sockets[0].getsockname()[1])
    else:
        server = await asyncio.start_unix_server(serve, path)
        address = FastCgiAddress(path=str(path))
    try:
        yield address
    finally:
        server.close()
        await server.wait_closed()
    assert not errors
