"""An upstream that keeps what it is sent and answers what it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

Script = Callable[["Talk"], Awaitable[None]]


@dataclass(slots=True)
class Talk:
    """One connection, as the upstream sees it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def head(self) -> str:
        """The head of the next request; empty at the end."""
        try:
            return (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (asyncio.IncompleteReadError, ConnectionError):
            return ""

    async def request(self) -> tuple[str, bytes]:
        """Head and body of the next request."""
        head = await self.head()
        fields = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in head.split("\r\n"))
        }
        if fields.get("transfer-encoding") == "chunked":
            return head, await self._chunks()
        return head, await self.reader.readexactly(int(fields.get("content-length", "0")))

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self.reader.readline(), 16):
            body += await self.reader.readexactly(size)
            await self.reader.readline()
        await self.reader.readline()
        return body

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


@dataclass(slots=True)
class FakeUpstream:
    """Where it listens and what came in."""

    place: str
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0


def answering(raw: bytes, keep: bool = True) -> Script:
    """Answer every request with these bytes."""

    async def script(talk: Talk) -> None:
        while (await talk.request())[0]:
            await talk.send(raw)
            if not keep:
                return

    return script


def ok(body: bytes = b"ok", *fields: str) -> bytes:
    """A whole answer."""
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *fields, "", ""]
    return "\r\n".join(lines).encode() + body


@asynccontextmanager
async def upstream(
    script: Script, path: str = "", tls: ssl.SSLContext | None = None
) -> AsyncIterator[FakeUpstream]:
    """Listen on a free port of loopback, or on a Unix socket."""
    tasks: set[asyncio.Task[None]] = set()
    fake = FakeUpstream("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        fake.connections += 1
        try:
            await script(_Recorder(reader, writer, fake))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)

    if path:
        server = await asyncio.start_unix_server(serve, path)
        fake.place = f"unix/{path}"
    else:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        fake.place = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield fake
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Recorder(Talk):
    """A talk that keeps what comes in."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fake: FakeUpstream
    ) -> None:
        Talk.__init__(self, reader, writer)
        self._fake = fake

    async def head(self) -> str:
        head = await Talk.head(self)
        if head:
            self._fake.heads.append(head)
        return head

    async def request(self) -> tuple[str, bytes]:
        head, body = await Talk.request(self)
        if head:
            self._fake.bodies.append(body)
        return head, body
